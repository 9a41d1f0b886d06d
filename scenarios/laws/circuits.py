"""Law 6: an open circuit sends nothing but its probe; and it opens and closes when its policy says so."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from core import events as e
from core.outcomes import Ambiguous, Config, Hold, Rate, Taken, Transient, is_unasked
from core.policies import CircuitRule
from core.records import Recorded
from scenarios.laws.chronicle import Attempt
from scenarios.laws.evidence import Evidence
from scenarios.laws.finding import Finding
from scenarios.laws.spans import FOREVER, Span
from scenarios.laws.waiting import noticed_us


def open_circuits_only_probe(evidence: Evidence) -> Iterator[Finding]:
    """Judges each conversation's circuit, then the breakers of lanes and hosts."""
    for conversation, entries in evidence.chronicle.conversations.items():
        yield from _Circuit(evidence, conversation, entries).judge()
    for lane, recorded in evidence.chronicle.lanes.items():
        attempts = evidence.chronicle.attempts_in(lane)
        yield from _breakers(lane, recorded, attempts, noticed_us(evidence))
        yield from _left_open(evidence, lane, recorded)


class _Circuit:
    """One conversation's circuit, counted from its attempts and held against what was recorded of it."""

    def __init__(self, evidence: Evidence, conversation: int, entries: Sequence[Recorded]) -> None:
        self._evidence = evidence
        self._name = f"conversation {conversation}"
        self._entries = entries
        self._until_us: int | None = None
        self._openings = 0
        self._faults = 0
        self._flying: dict[int, bool] = {}
        self._last_rule = self._counted_by = CircuitRule()

    def judge(self) -> Iterator[Finding]:
        for entry in self._entries:
            match entry.event:
                case e.AttemptStarted():
                    yield from self._starts(entry, entry.event)
                case e.AttemptTaken():
                    self._flying.pop(entry.stream, None)
                    self._faults = 0
                case e.AttemptFailed():
                    self._fails(entry, entry.event)
                case e.AttemptAborted():
                    self._flying.pop(entry.stream, None)
                case e.CircuitOpened():
                    yield from self._opens(entry, entry.event)
                case e.CircuitClosed():
                    self._until_us, self._openings, self._faults = None, 0, 0
                case _:
                    pass

    def _starts(self, entry: Recorded, event: e.AttemptStarted) -> Iterator[Finding]:
        if self._until_us is not None:
            if entry.at_us < self._until_us:
                yield self._finding(entry, f"is open for another {(self._until_us - entry.at_us) / 1e6:.6g} s")
            if not event.probe:
                yield self._finding(entry, "is open, and what was started is not its probe")
            if any(self._flying.values()):
                yield self._finding(entry, "is half open, and has a probe in flight already")
        elif self._faults >= self._counted_by.failures:
            yield self._finding(entry, f"has failed {self._faults} times in a row, and its circuit is closed")
        self._flying[entry.stream] = event.probe

    def _fails(self, entry: Recorded, event: e.AttemptFailed) -> None:
        self._last_rule = self._rule(entry)
        was_probe = self._flying.pop(entry.stream, False)
        if isinstance(event.outcome, Rate | Hold | Config) or is_unasked(event.outcome):
            return
        if not isinstance(event.outcome, Transient | Ambiguous):
            self._faults = 0
        elif self._until_us is None or was_probe:
            self._faults += 1
            # Whoever failed decides by its own policy whether the circuit opens; the next may go by another.
            self._counted_by = self._last_rule

    def _opens(self, entry: Recorded, event: e.CircuitOpened) -> Iterator[Finding]:
        rule = self._rule(entry)
        if self._until_us is None and self._faults < rule.failures:
            yield self._finding(entry, f"has failed {self._faults} times in a row, and its circuit opens")
        self._openings += 1
        cooldown_us = min(rule.ceiling_us, rule.cooldown_us << min(self._openings - 1, 40))
        if event.until_us - entry.at_us != cooldown_us:
            found_s, asked_s = (event.until_us - entry.at_us) / 1e6, cooldown_us / 1e6
            yield self._finding(entry, f"is open for {found_s:g} s, where its policy asks for {asked_s:g} s")
        self._until_us = event.until_us

    def _rule(self, entry: Recorded) -> CircuitRule:
        """The rule of the lane that a message is tried in; an event of the circuit itself goes by the attempt before.

        It was recorded together with the end of that.
        """
        story = self._evidence.chronicle.stories.get(entry.stream)
        if story is None:
            return self._last_rule
        return self._evidence.policy_of(story, story.lane_at(entry.version)).circuit

    def _finding(self, entry: Recorded, words: str) -> Finding:
        return Finding(words=f"{self._name} {words}", at_us=entry.at_us, streams=(entry.stream,))


def _breakers(
    lane: str, entries: Sequence[Recorded], attempts: Sequence[Attempt], tolerance_us: int
) -> Iterator[Finding]:
    """While a breaker is open one attempt at a time goes out, and none before its time."""
    opened: dict[int, int] = {}
    for entry in entries:
        match entry.event:
            case e.BreakerOpened(host=host, until_us=until_us):
                # A slow disk may take longer for it than the breaker is open: what had leave by then still begins.
                known_us = entry.at_us + tolerance_us
                opened[host] = max(until_us, known_us)
                between = known_us, until_us
                yield from _early(_place(lane, host), [a for a in attempts if (a.host or 0) == host], between)
            case e.BreakerClosed(host=host):
                between = opened.pop(host, entry.at_us), entry.at_us
                yield from _several(_place(lane, host), [a for a in attempts if (a.host or 0) == host], between)
            case _:
                pass


def _early(place: str, attempts: Sequence[Attempt], between: Span) -> Iterator[Finding]:
    since_us, until_us = between
    for attempt in attempts:
        if since_us < attempt.started_us < until_us:
            words = f"the breaker of {place} is open for another {(until_us - attempt.started_us) / 1e6:g} s"
            yield Finding(words=words, at_us=attempt.started_us, streams=(attempt.stream,))


def _several(place: str, attempts: Sequence[Attempt], between: Span) -> Iterator[Finding]:
    probes = [attempt for attempt in attempts if between[0] <= attempt.started_us < between[1]]
    for one, other in pairwise(probes):
        if one.ended_us is None or other.started_us < one.ended_us:
            words = f"the breaker of {place} is half open, and lets a second attempt out"
            yield Finding(words=words, at_us=other.started_us, streams=(one.stream, other.stream))


def _left_open(evidence: Evidence, lane: str, entries: Sequence[Recorded]) -> Iterator[Finding]:
    """A breaker whose probe was taken is closed then: else it would let one attempt at a time out for ever."""
    tolerance_us = noticed_us(evidence)
    for entry in entries:
        if not isinstance(entry.event, e.BreakerOpened):
            continue
        host, since_us = entry.event.host, entry.event.until_us + tolerance_us
        until_us = _known_until_us(evidence, entry, entries)
        probes = [attempt for attempt in evidence.chronicle.attempts_in(lane)
                  if (attempt.host or 0) == host and since_us < attempt.started_us < until_us]  # fmt: skip
        proved_us = min((a.ended_us for a in probes if a.ended_us and isinstance(a.outcome, Taken)), default=FOREVER)
        further = next((attempt for attempt in probes if attempt.started_us > proved_us + tolerance_us), None)
        if further is not None:
            words = f"the breaker of {_place(lane, host)} stays half open, although its probe was taken"
            yield Finding(words=words, at_us=further.started_us, streams=(entry.stream, further.stream))


def _known_until_us(evidence: Evidence, opened: Recorded, entries: Sequence[Recorded]) -> int:
    """How long an opening stands: until its breaker is told of again, or begins anew with a life or a policy."""
    assert isinstance(opened.event, e.BreakerOpened), "an opening is asked about"
    told = (entry.at_us for entry in entries if entry.version > opened.version and (
        isinstance(entry.event, e.PolicyAdopted)
        or (isinstance(entry.event, e.BreakerOpened | e.BreakerClosed) and entry.event.host == opened.event.host)
    ))  # fmt: skip  # one condition
    lives = (life.ended_us for life in evidence.lives if life.ended_us >= opened.at_us)
    return min(next(told, FOREVER), min(lives, default=FOREVER))


def _place(lane: str, host: int) -> str:
    return f"host {host} in lane {lane}" if host else f"lane {lane}"
