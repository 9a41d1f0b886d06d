"""Law 5, what a start has to heed: due times, ends, quiet hours, pauses, reply windows, and what peers want no more.

This file answers for reading each of these off the log and the policies, without any help of the code that keeps them.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from core import events as e
from core.outcomes import Rate
from core.policies import Policy, QuietHours
from core.records import Recorded
from scenarios.laws.chronicle import Attempt, Story
from scenarios.laws.evidence import Evidence
from scenarios.laws.finding import Finding
from scenarios.laws.pace import grown_us, refusals_before
from scenarios.laws.spans import Span
from scenarios.laws.waiting import noticed_us, throttles_of

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# What changes more of when a message may start than its due instant.
_TELLS_MORE: Final = frozenset({e.ReconcileStarted, e.AmbiguityResolved, e.FallbackRefused, e.MessageRescheduled})
# What a conversation's pauses and window, and what its peer wants, follow from among the events of its messages.
_OF_PEERS: Final = frozenset({e.AttemptFailed, e.MessageRedriven, e.MessageDead, e.AttemptStarted})


def starts_when_allowed(evidence: Evidence, story: Story) -> Iterator[Finding]:
    """Judges each start of one message against its own instants, and the quiet hours of its recipient."""
    due_us, accepted = story.accepted.due_us, story.accepted
    gives_way_us, doubt_us, zone = accepted.fallback_by_us, None, accepted.zone
    for entry in story.entries:
        event = entry.event
        if type(event) not in _TELLS_MORE:
            pass
        elif isinstance(event, e.ReconcileStarted):
            doubt_us = event.until_us
        elif isinstance(event, e.AmbiguityResolved):
            doubt_us = None
        elif isinstance(event, e.FallbackRefused):
            gives_way_us = None  # Nothing can take its place any more, so it may be tried again.
        elif isinstance(event, e.MessageRescheduled):
            zone = event.zone or zone
        if not isinstance(event, e.AttemptStarted):
            due_us = getattr(event, "due_us", None) or due_us
            continue
        if entry.at_us < due_us:
            yield _finding(story, entry, f"was started {_span(due_us - entry.at_us)} before it was due")
        if doubt_us is not None:
            yield _finding(story, entry, "was started while evidence was awaited for the attempt before")
        for ends_us, words in ((accepted.expires_us, "it expired"), (gives_way_us, "its fallback was to begin")):
            if ends_us is not None and entry.at_us >= ends_us:
                yield _finding(story, entry, f"was started {_span(entry.at_us - ends_us)} after {words}")
        quiet = evidence.policy_of(story, event.lane).quiet_hours
        if quiet is not None and _is_quiet(quiet, zone or quiet.zone, entry.at_us):
            yield _finding(story, entry, f"was started in the quiet hours of {zone or quiet.zone}")


def _is_quiet(quiet: QuietHours, zone: str, at_us: int) -> bool:
    local = (_EPOCH + timedelta(microseconds=at_us)).astimezone(ZoneInfo(zone))
    minute = local.hour * 60 + local.minute
    if quiet.from_minute <= quiet.to_minute:
        return quiet.from_minute <= minute < quiet.to_minute
    return minute >= quiet.from_minute or minute < quiet.to_minute


def pauses_are_kept(evidence: Evidence) -> Iterator[Finding]:
    """Nothing starts where the other side asked for a slower pace, or a peer for silence."""
    refusals = evidence.once(refusals_before)
    for conversation, entries in evidence.chronicle.conversations.items():
        yield from _Peer(evidence, conversation, refusals).judge(entries)
    for lane, entries in evidence.chronicle.lanes.items():
        throttles = throttles_of(entries)
        attempts = evidence.chronicle.attempts_in(lane) if throttles else ()
        for host, since_us, until_us in throttles:
            # A permit that was out when the pause was recorded may still begin.
            yield from _throttled(host, attempts, (since_us + noticed_us(evidence), until_us))


def _throttled(host: int, attempts: Sequence[Attempt], pause: Span) -> Iterator[Finding]:
    since_us, until_us = pause
    for attempt in attempts:
        if host in {0, attempt.host} and since_us < attempt.started_us < until_us:
            words = f"lane {attempt.lane} was throttled until {_span(until_us - attempt.started_us)} later"
            yield Finding(words=words, at_us=attempt.started_us, streams=(attempt.stream,))


class _Peer:
    """One conversation: its pauses, its reply window, and what its peer does not want or cannot get."""

    def __init__(self, evidence: Evidence, conversation: int, refusals: Mapping[tuple[int, int], int]) -> None:
        self._evidence = evidence
        self._name = f"conversation {conversation}"
        self._refusals = refusals
        self._paused_us = 0
        self._refused: tuple[Story, e.AttemptFailed, Rate] | None = None
        # None where nothing is known of it.
        self._window_us: int | None = None
        self._unwanted: str | None = None
        self._is_dead = False
        self._redriven: set[int] = set()

    def judge(self, entries: Sequence[Recorded]) -> Iterator[Finding]:
        """Every event in its order."""
        for entry in entries:
            story = self._evidence.chronicle.stories.get(entry.stream)
            if story is None:
                yield from self._own(entry)
            elif type(entry.event) in _OF_PEERS:
                yield from self._message(story, entry)

    def _own(self, entry: Recorded) -> Iterator[Finding]:
        match entry.event:
            case e.ConversationPaused(until_us=until_us):
                yield from self._paused(entry, until_us)
                self._paused_us = max(self._paused_us, until_us)
            case e.CircuitClosed(by="operator"):
                self._paused_us = 0
            case e.WindowOpened(until_us=until_us):
                self._window_us = max(until_us, self._window_us or 0)
            case e.WindowClosed():
                self._window_us = 0
            case e.PeerSuppressed(reason="optout", scope=scope):
                self._unwanted = scope
            case e.PeerSuppressed():
                self._is_dead = True
            case e.PeerRestored(by=by):
                self._unwanted = self._unwanted if by == "reached" else None
                self._is_dead = self._is_dead and by == "peer"
            case _:
                pass

    def _paused(self, entry: Recorded, until_us: int) -> Iterator[Finding]:
        """A pause is as long as its refusal asks for, and longer after each one in a row where it asks for that."""
        if self._refused is None:
            yield Finding(words=f"{self._name} is paused without a refusal", at_us=entry.at_us, streams=(entry.stream,))
            return
        story, failed, rate = self._refused
        before = self._refusals[story.stream, failed.attempt]
        asked_us = grown_us(rate, self._policy(story, failed.attempt), before)
        if until_us - entry.at_us != asked_us:
            words = f"is paused for {_span(until_us - entry.at_us)} after {before} refusals, asked is {_span(asked_us)}"
            yield Finding(words=f"{self._name} {words}", at_us=entry.at_us, streams=(story.stream,))

    def _message(self, story: Story, entry: Recorded) -> Iterator[Finding]:
        match entry.event:
            case e.AttemptFailed(outcome=Rate(scope="pair") as rate) as failed:
                self._refused = story, failed, rate
            case e.MessageRedriven():
                self._redriven.add(story.stream)
            case e.MessageDead(reason="suppressed"):
                if not self._refuses(story):
                    yield _finding(story, entry, "is dead as suppressed, and nobody refuses it")
            case e.AttemptStarted() as started:
                yield from self._starts(story, entry, started)
            case _:
                pass

    def _starts(self, story: Story, entry: Recorded, started: e.AttemptStarted) -> Iterator[Finding]:
        if entry.at_us < self._paused_us:
            words = f"{self._name} was paused for another {_span(self._paused_us - entry.at_us)}"
            yield Finding(words=words, at_us=entry.at_us, streams=(entry.stream,))
        if self._refuses(story):
            yield _finding(story, entry, "was started towards a peer who cannot get it or does not want it")
        is_closed = self._window_us is not None and self._window_us <= entry.at_us
        if started.by_template != (story.accepted.has_template and is_closed):
            words = "by its template" if started.by_template else "as free text"
            yield _finding(story, entry, f"was started {words}, and its window is {'closed' if is_closed else 'open'}")

    def _refuses(self, story: Story) -> bool:
        """Whether its peer cannot get it or does not want it; a person may have a dead letter tried all the same."""
        if story.stream in self._redriven:
            return False
        return self._is_dead or self._unwanted == "all" or (self._unwanted == "marketing" and story.accepted.marketing)

    def _policy(self, story: Story, attempt: int) -> Policy:
        lane = next(known.lane for known in story.attempts if known.number == attempt)
        return self._evidence.policy_of(story, lane)


def _finding(story: Story, entry: Recorded, words: str) -> Finding:
    return Finding(words=f"{story.key} {words}", at_us=entry.at_us, streams=(story.stream,))


def _span(span_us: int) -> str:
    return f"{span_us / 1_000_000:.6g} s"
