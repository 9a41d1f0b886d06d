"""Law 5: no retry before its schedule or Retry-After, none after its end; lateness has a named reason.

The first half reads the schedule off the policy and holds every recorded wait against it. The second half is the waits
(waiting.py) with a hole in which no limit had been in the way. What else a start has to heed stands in starting.py,
moves from one lane to another in moving.py.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from core import events as e
from core.outcomes import Ambiguous, Config, Hold, OptOut, Permanent, Rate, Recipient, Transient, Window
from core.policies import HOUR_US, SECOND_US, Exponential, Policy, Retry
from core.records import Recorded
from scenarios.laws.chronicle import Story
from scenarios.laws.evidence import Evidence
from scenarios.laws.finding import Finding
from scenarios.laws.moving import lanes_are_left_in_time
from scenarios.laws.pace import grown_us, refusals_before
from scenarios.laws.redriving import redrives_keep_their_pace
from scenarios.laws.starting import pauses_are_kept, starts_when_allowed
from scenarios.laws.waiting import idle_waits

# Recorded waits are whole microseconds of products of fractions.
_ROUNDING_US: Final = 1
# What begins a recorded wait.
_WAITS: Final = frozenset({e.AttemptFailed, e.AmbiguityResolved})
# What no further attempt can follow.
_NEVER: Final = 0, -1

Waited = tuple[int, int]
"""How long something has to wait at least and at most; an impossible span where it may not go on."""


def nothing_comes_early_or_late(evidence: Evidence) -> Iterator[Finding]:
    """Judges every wait of every message, then those that had no reason."""
    refusals = evidence.once(refusals_before)
    for story in evidence.chronicle.stories.values():
        if not _WAITS.isdisjoint(story.kinds):
            yield from _Schedule(evidence, story, refusals).judge()
        yield from starts_when_allowed(evidence, story)
    yield from pauses_are_kept(evidence)
    yield from lanes_are_left_in_time(evidence)
    yield from redrives_keep_their_pace(evidence)
    for wait in idle_waits(evidence):
        if not wait.behind_limit:
            yield wait.finding


class _Schedule:
    """One message's attempts under the policies of their lanes."""

    def __init__(self, evidence: Evidence, story: Story, refusals: Mapping[tuple[int, int], int]) -> None:
        self._evidence = evidence
        self._story = story
        self._refusals = refusals
        self._lanes = {attempt.number: attempt.lane for attempt in story.attempts}
        self._template = {
            entry.event.attempt for entry in story.entries
            if isinstance(entry.event, e.AttemptStarted) and entry.event.by_template
        }  # fmt: skip  # one set
        self._used = 0
        self._faults = 0

    def judge(self) -> Iterator[Finding]:
        """Each failure's next try, and each end that came for want of one; then the ends of doubts."""
        doubted: tuple[int, Recorded] | None = None
        for entry in self._story.entries:
            match entry.event:
                case e.MessageRedriven():
                    self._used = self._faults = 0
                case e.MessageReleased():
                    self._faults = 0
                case e.AttemptFailed():
                    yield from self._failed(entry, entry.event)
                case e.ReconcileStarted():
                    doubted = self._used, entry
                case e.AmbiguityResolved(evidence="policy", resolution="resend") if doubted is not None:
                    yield from self._decided(doubted[1], entry, entry.event)
                case _:
                    pass

    def _failed(self, entry: Recorded, event: e.AttemptFailed) -> Iterator[Finding]:
        lane = self._lanes[event.attempt]
        policy = self._evidence.policy_of(self._story, lane)
        follows = _follows(self._story, entry)
        moves_on = self._is_further(lane, follows.get("LaneChanged"))
        is_free = isinstance(event.outcome, Rate | Hold | Config | Window) or moves_on
        self._used += not is_free
        if event.used == is_free:
            verb = "uses" if is_free else "must use"
            yield self._finding(entry, f"{event.outcome.code} {verb} up an attempt")
        waits = self._wait_us(event, policy)
        if isinstance(event.outcome, Transient | Ambiguous):
            self._faults += 1
        else:
            self._faults = 0
        if event.due_us is None:
            yield from self._ended(entry, event, follows, waits)
            return
        if "ReconcileStarted" in follows:
            waits = policy.reconcile_us, policy.reconcile_us
        elif moves_on:
            waits = 0, 0
        yield from self._waited(entry, event.due_us - entry.at_us, waits)

    def _ended(
        self, entry: Recorded, event: e.AttemptFailed, follows: Mapping[str, e.Event], waits: Waited
    ) -> Iterator[Finding]:
        """A message is dead when nothing may follow, and no sooner."""
        dead = follows.get("MessageDead")
        if isinstance(dead, e.MessageDead) and dead.reason in {"exhausted", "refused"} and waits[1] >= 0:
            yield self._finding(entry, f"is dead after {event.outcome.code}, where its policy would try again")

    def _decided(self, doubted: Recorded, entry: Recorded, event: e.AmbiguityResolved) -> Iterator[Finding]:
        """Sent again after a vain wait: as if the answer had not come, or in a further lane at once."""
        if event.due_us is None:
            return
        lane = self._lanes[event.attempt]
        moves = _follows(self._story, entry).get("LaneChanged")
        if self._is_further(lane, moves):
            yield from self._waited(entry, event.due_us - entry.at_us, (0, 0))
            return
        least_us, most_us = _backoff_us(self._evidence.policy_of(self._story, lane).retry, self._used)
        passed_us = entry.at_us - doubted.at_us
        waits = max(0, least_us - passed_us), max(0, most_us - passed_us) if most_us >= 0 else most_us
        yield from self._waited(entry, event.due_us - entry.at_us, waits)

    def _waited(self, entry: Recorded, waited_us: int, waits: Waited) -> Iterator[Finding]:
        least_us, most_us = waits
        if not least_us - _ROUNDING_US <= waited_us <= most_us + _ROUNDING_US:
            expected = f"{_span(least_us)} to {_span(most_us)}" if most_us >= 0 else "the end"
            words = f"is due again after {_span(waited_us)}, where its policy asks for {expected}"
            yield self._finding(entry, words)

    def _is_further(self, left: str, moves: e.Event | None) -> bool:
        """Whether a failed message goes on in a further lane of its failover, before its round is over."""
        if not isinstance(moves, e.LaneChanged) or moves.reason != "failed":
            return False
        lanes = self._story.accepted.lanes
        return lanes.index(moves.lane) > lanes.index(left)

    def _wait_us(self, event: e.AttemptFailed, policy: Policy) -> Waited:
        """How long a failed message has to wait in its lane; `_used` counts this attempt already."""
        ceiling_us = policy.retry_after_ceiling_us
        match event.outcome:
            case Transient(retries_max=most) if most is not None and self._faults >= most:
                return _NEVER
            case Transient(after_us=after_us):
                least_us, most_us = self._backoff_us(event, policy)
                floor_us = min(after_us or 0, ceiling_us)
                return (max(least_us, floor_us), max(most_us, floor_us)) if most_us >= 0 else _NEVER
            case Ambiguous():
                return self._backoff_us(event, policy)
            case Rate(after_us=after_us) as rate:
                pause_us = grown_us(rate, policy, self._refusals.get((self._story.stream, event.attempt), 0))
                return pause_us, pause_us
            case Hold(after_us=after_us):
                hold_us = max(SECOND_US, min(HOUR_US if after_us is None else after_us, ceiling_us))
                return hold_us, hold_us
            case Window():
                is_spent = not self._story.accepted.has_template or event.attempt in self._template
                return _NEVER if is_spent else (0, 0)
            case Config():
                return 0, 0
            case Permanent() | Recipient() | OptOut():
                return _NEVER

    def _backoff_us(self, event: e.AttemptFailed, policy: Policy) -> Waited:
        # An attempt that was free would have been the next of its schedule.
        return _backoff_us(policy.retry, self._used + (not event.used))

    def _finding(self, entry: Recorded, words: str) -> Finding:
        return Finding(words=f"{self._story.key} {words}", at_us=entry.at_us, streams=(self._story.stream,))


def _follows(story: Story, failed: Recorded) -> dict[str, e.Event]:
    """What was recorded together with an event, behind it, by name."""
    found: dict[str, e.Event] = {}
    for entry in story.entries[failed.version :]:
        if entry.at_us != failed.at_us or isinstance(entry.event, e.AttemptStarted):
            break
        found[type(entry.event).__name__] = entry.event
    return found


def _backoff_us(retry: Retry, used: int) -> Waited:
    if isinstance(retry, Exponential):
        base_us = min(float(retry.ceiling_us), retry.first_us * retry.factor ** min(used - 1, 500))
        is_through = used > retry.times
    else:
        is_through = used > len(retry.after_us)
        base_us = 0.0 if is_through else float(retry.after_us[used - 1])
    if is_through:
        return _NEVER
    return round(base_us * (1 - retry.jitter)), round(base_us * (1 + retry.jitter))


def _span(span_us: int) -> str:
    return f"{span_us / 1_000_000:.6g} s"
