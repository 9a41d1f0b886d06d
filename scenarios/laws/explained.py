"""Law 14: what an explanation of an open message says is what happens, unless something happens in between.

This file answers for holding every explanation that was given during a run against the rest of its log: no attempt
starts before the earliest instant that was named unless an event of the sort that releases its constraint came first;
and where nothing at all came in between, what was foretold is recorded at the instant that was named.
"""

from collections.abc import Iterator, Sequence
from itertools import islice, takewhile
from typing import Final

from core import events as e
from core.explain import Kind
from core.policies import SECOND_US
from core.records import Recorded
from scenarios.laws.chronicle import RESOLUTIONS, Story
from scenarios.laws.evidence import Evidence
from scenarios.laws.finding import Finding
from scenarios.laws.readiness import Wait
from scenarios.laws.spans import FOREVER, Spans, hole
from scenarios.laws.waiting import Constraints, everywhere, noticed_us, slack_us
from scenarios.world.explaining import Foretold

# How long a provider may take to answer what became of an attempt, and the sender to give up on it (actors/sender.py).
_INQUIRY_US: Final = 25 * SECOND_US

_ANEW: Final = (
    e.MessageRescheduled, e.MessageReleased, e.MessageRedriven, e.LaneChanged, e.AttemptFailed, e.AttemptAborted,
)  # fmt: skip  # What gives a message another due instant, or another lane.
# What begins and what ends the wait for evidence.
_OF_ATTEMPTS: Final = RESOLUTIONS | {e.AttemptStarted}
_OF_ANY_LANE: Final = frozenset({e.LanePaused, e.LaneResumed, e.LaneThrottled, e.BreakerOpened})
_OF_DOUBTS: Final = (e.ReconcileStarted, e.AmbiguityResolved, e.AttemptProved, e.AttemptStarted)
_OF_LANE: Final[frozenset[Kind]] = frozenset(
    {"lane_gone", "lane_paused", "lane_throttled", "breaker", "ramp", "host_throttled", "host_breaker", "host_ramp"}
)
_OF_LIMITS: Final[frozenset[Kind]] = frozenset(
    {"lane_limit", "gap", "tenant_limit", "recipient_limit", "concurrency", "host_concurrency"}
)
# A probe that comes back having proved nothing lets another one go, of which the log says nothing.
_BY_ATTEMPTS: Final = _OF_LIMITS | {"breaker", "host_breaker", "ramp", "host_ramp"}


def explanations_come_true(evidence: Evidence) -> Iterator[Finding]:
    """Judges everything that was said of open messages."""
    if not evidence.foretold:
        return
    judge = _Judge(evidence)
    for said in evidence.foretold:
        story = evidence.chronicle.stories.get(said.stream)
        if story is not None:
            yield from judge.not_too_early(said, story)
            yield from judge.in_time(said, story)


class _Judge:
    """One run's log, by its order."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._slack_us = slack_us(evidence)
        self._late_us = noticed_us(evidence)
        self._everywhere = Spans(everywhere(evidence), self._slack_us)
        self._ended_us = max((life.ended_us for life in evidence.lives), default=0)
        self._lanes = {name: entries[0].stream for name, entries in evidence.chronicle.lanes.items()}
        # Where each event lies in the log.
        self._places = {(entry.stream, entry.version): place for place, entry in enumerate(evidence.events)}
        of_lanes = (entry for entries in evidence.chronicle.lanes.values() for entry in entries)
        self._of_any_lane = [entry for entry in of_lanes if type(entry.event) in _OF_ANY_LANE]

    def not_too_early(self, said: Foretold, story: Story) -> Iterator[Finding]:
        """Nothing starts before its time, unless its constraint was taken out of the way."""
        begun = next((entry for entry in self._later(said, story.entries)
                      if isinstance(entry.event, e.AttemptStarted)), None)  # fmt: skip
        earliest_us = said.standing.earliest_us
        # One that began before the answer was on its way into the log while that was given.
        least_us = said.at_us if earliest_us is None else max(earliest_us, said.at_us)
        if begun is None or begun.at_us <= said.at_us or (earliest_us is not None and begun.at_us >= least_us):
            return
        place = self._places[begun.stream, begun.version]
        # Nothing but these can be of the sort: most of a log is about other conversations.
        around = *self._beside(story), *self._evidence.chronicle.lanes.get(said.lane, ())
        between = [entry for entry in self._later(said, around) if self._place_of(entry) < place]
        if any(self._releases(said, story, entry) for entry in between) or self._unseen(said, story, begun):
            return
        kind = said.standing.binding.kind
        when = "nothing but an event" if earliest_us is None else f"nothing for {_span(earliest_us - said.at_us)}"
        words = f"{story.key} was to wait ({kind}), {when} to start it, and began {_span(begun.at_us - said.at_us)} on"
        yield Finding(words=words, at_us=begun.at_us, streams=(story.stream,))

    def _releases(self, said: Foretold, story: Story, entry: Recorded) -> bool:
        """Whether an event is of the sort that takes what bound the message out of its way."""
        event, kinds = entry.event, {said.standing.binding.kind}
        if said.standing.earliest_us is None:
            # What was only also in its way may have been all that was left without an instant.
            kinds |= {way.kind for way in said.standing.also if way.until_us is None}
        if entry.stream == story.stream:
            return isinstance(event, _ANEW)
        # An open circuit without an instant waits for the attempts that are out, whatever they come to.
        beside = {"order", "beside", "circuit"} if said.standing.earliest_us is None else {"order", "beside"}
        if kinds & beside and entry.stream in self._evidence.chronicle.stories:
            return True
        if entry.stream == story.accepted.conversation:
            if isinstance(event, e.PeerRestored):
                return _is_unwanted(said.standing.then)
            if kinds & {"circuit", "pair", "order", "beside"}:
                return isinstance(event, e.CircuitClosed)
        return bool(kinds & _OF_LANE) and entry.stream == self._lanes.get(said.lane)

    def _beside(self, story: Story) -> Sequence[Recorded]:
        """The events of its conversation and of all messages in that."""
        return self._evidence.chronicle.conversations[story.accepted.conversation]

    def _unseen(self, said: Foretold, story: Story, begun: Recorded) -> bool:
        """What frees limits and probes, and is no event of its own: attempts leave, come back, or never begin."""
        kinds = {said.standing.binding.kind, *(way.kind for way in said.standing.also if way.until_us is None)}
        if "asked" in kinds or "store" in kinds:
            return True  # An answer that says nothing, and a disk that works again, are in no log.
        if not kinds & _BY_ATTEMPTS:
            return False
        # After a restart the counts are those of the log, and breakers begin anew.
        lives = any(said.at_us <= life.ended_us <= begun.at_us for life in self._evidence.lives)
        reloads = any(isinstance(entry.event, e.PolicyAdopted) and said.at_us <= entry.at_us <= begun.at_us
                      for entry in self._evidence.chronicle.lanes.get(said.lane, ()))  # fmt: skip
        place = self._places[begun.stream, begun.version]
        return said.settles or lives or reloads or self._moved(said, begun.at_us, self._evidence.events[:place])

    def _moved(self, said: Foretold, until_us: int, events: Sequence[Recorded]) -> bool:
        """Whether any attempt of the lane began, left or came back; `events` are those that may tell of it."""
        # On a slow disk some bear an earlier instant than that at which they were in the log.
        later = takewhile(lambda entry: entry.at_us <= until_us + self._late_us, islice(events, said.events, None))
        if any(self._is_of_attempts(said, entry) for entry in later if entry.at_us <= until_us):
            return True
        for attempt in self._evidence.chronicle.attempts_in(said.lane):
            if attempt.stream == said.stream:
                continue
            if attempt.is_cut_off and attempt.started_us <= until_us and (attempt.ended_us or 0) >= said.at_us:
                return True  # Nobody knows when it left.
            instants = (attempt.started_us, attempt.sent_us, attempt.ended_us)
            if any(at_us is not None and said.at_us <= at_us <= until_us for at_us in instants):
                return True
        return False

    def _is_of_attempts(self, said: Foretold, entry: Recorded) -> bool:
        """Whether an event begins or ends the attempt of another message in its lane."""
        if entry.stream == said.stream or type(entry.event) not in _OF_ATTEMPTS:
            return False
        return self._evidence.chronicle.stories[entry.stream].lane_at(entry.version) == said.lane

    def in_time(self, said: Foretold, story: Story) -> Iterator[Finding]:
        """What was foretold is recorded in time, where nothing came in between."""
        standing = said.standing
        if standing.next_us is None or said.settles:
            return
        until_us = max(standing.next_us, said.at_us) + self._slack_us
        if self._in_doubt(said, story):
            until_us += _INQUIRY_US  # At the end of a doubt the provider is asked first, whatever it was that bound.
        if until_us >= self._ended_us or self._everywhere.end_at(said.at_us) is not None:
            return
        if self._everywhere.next_start(said.at_us) <= until_us or self._stands_between(said, story, until_us):
            return
        if any(entry.at_us <= until_us for entry in self._concerning(said, story)):
            return
        words = (
            f"{story.key} was bound by {standing.binding.kind} for another {_span(standing.next_us - said.at_us)},"
            " nothing came in between, and nothing happened"
        )
        yield Finding(words=words, at_us=standing.next_us, streams=(story.stream,))

    def _stands_between(self, said: Foretold, story: Story, until_us: int) -> bool:
        """Whether attempts of others moved, and left no time without a named reason until something concerned it."""
        events = self._evidence.events
        if not self._moved(said, until_us, events):
            return False
        own = min(self._concerning(said, story), key=self._place_of, default=None)
        wait = Wait(
            story=story,
            lane=said.lane,
            ready_us=max(said.standing.next_us or 0, said.at_us),
            ended_us=self._ended_us if own is None else own.at_us,
            what="start",
        )
        covers = self._evidence.once(Constraints).of(wait)
        slack_us = until_us - wait.ready_us
        return wait.ended_us > until_us and hole(wait.ready_us, wait.ended_us, covers, slack_us) is None

    def _in_doubt(self, said: Foretold, story: Story) -> bool:
        """Whether evidence was awaited for its last attempt when it was asked of."""
        of_doubts = [entry for entry in story.entries
                     if isinstance(entry.event, _OF_DOUBTS) and self._is_known(said, entry)]  # fmt: skip
        return bool(of_doubts) and isinstance(of_doubts[-1].event, e.ReconcileStarted)

    def _concerning(self, said: Foretold, story: Story) -> Iterator[Recorded]:
        """What came later and is the message's own, its conversation's, or of any lane."""
        return self._later(said, (*self._beside(story), *self._of_any_lane))

    def _place_of(self, entry: Recorded) -> int:
        return self._places[entry.stream, entry.version]

    def _is_known(self, said: Foretold, entry: Recorded) -> bool:
        return self._place_of(entry) < said.events

    def _later(self, said: Foretold, entries: Sequence[Recorded]) -> Iterator[Recorded]:
        return (entry for entry in entries if not self._is_known(said, entry))


def _is_unwanted(then: e.Event | None) -> bool:
    """Whether it was to end because its peer wanted nothing, or could not be reached."""
    return isinstance(then, e.MessageDead) and then.reason == "suppressed"


def _span(span_us: int) -> str:
    return "ever" if span_us >= FOREVER // 2 else f"{span_us / SECOND_US:.6g} s"
