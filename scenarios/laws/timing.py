"""Law 5: no retry before its schedule or Retry-After, none after its end; lateness has a named reason.

The first half reads the schedule off the policy and holds every recorded wait against it. The second half is the waits
(waiting.py) with a hole in which no limit had been in the way.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from core import events as e
from core.outcomes import Ambiguous, Config, Hold, Rate, Transient, Window
from core.policies import HOUR_US, Exponential, Policy, QuietHours, Retry
from core.records import Recorded
from scenarios.laws.chronicle import Attempt, Story
from scenarios.laws.evidence import Evidence
from scenarios.laws.finding import Finding
from scenarios.laws.waiting import idle_waits, slack_us

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Recorded waits are whole microseconds of products of fractions.
_ROUNDING_US: Final = 1


def nothing_comes_early_or_late(evidence: Evidence) -> Iterator[Finding]:
    """Judges every wait of every message, then those that had no reason."""
    for story in evidence.chronicle.stories.values():
        policy = evidence.scenario.policy_of(story.accepted.lane, story.accepted.policy)
        yield from _waits_as_scheduled(story, policy)
        yield from _starts_when_allowed(story, policy)
    yield from _pauses_are_kept(evidence)
    for wait in idle_waits(evidence):
        if not wait.behind_limit:
            yield wait.finding


def _waits_as_scheduled(story: Story, policy: Policy) -> Iterator[Finding]:
    used = 0
    for entry in story.entries:
        event = entry.event
        if isinstance(event, e.MessageRedriven):
            used = 0
        if not isinstance(event, e.AttemptFailed):
            continue
        follows = _follows(story, entry)
        moves_on = _moves_on(story, event, follows.get("LaneChanged"))
        is_free = isinstance(event.outcome, Rate | Hold | Config | Window) or moves_on
        used += not is_free
        if event.used == is_free:
            yield _finding(story, entry, f"{event.outcome.code} {'uses' if is_free else 'must use'} up an attempt")
        if event.due_us is None:
            continue
        if "ReconcileStarted" in follows:
            least_us = most_us = policy.reconcile_us
        elif moves_on:
            least_us = most_us = 0
        else:
            least_us, most_us = _wait_us(event, policy, used)
        waited_us = event.due_us - entry.at_us
        if not least_us - _ROUNDING_US <= waited_us <= most_us + _ROUNDING_US:
            expected = f"{_span(least_us)} to {_span(most_us)}" if most_us >= 0 else "the end"
            yield _finding(story, entry, f"is due again after {_span(waited_us)}, where its policy asks for {expected}")


def _follows(story: Story, failed: Recorded) -> dict[str, e.Event]:
    """What was recorded together with a failed attempt, by name."""
    found: dict[str, e.Event] = {}
    for entry in story.entries[failed.version :]:
        if entry.at_us != failed.at_us or isinstance(entry.event, e.AttemptStarted):
            break
        found[type(entry.event).__name__] = entry.event
    return found


def _moves_on(story: Story, failed: e.AttemptFailed, moves: e.Event | None) -> bool:
    """Whether a failed message goes on in a further lane of its failover, before its round is over."""
    if not isinstance(moves, e.LaneChanged) or moves.reason != "failed":
        return False
    lanes = story.accepted.lanes
    left = next(attempt.lane for attempt in story.attempts if attempt.number == failed.attempt)
    return lanes.index(moves.lane) > lanes.index(left)


def _wait_us(event: e.AttemptFailed, policy: Policy, used: int) -> tuple[int, int]:
    """How long a failed message has to wait at least and at most; an impossible span where it may not go on."""
    ceiling_us = policy.retry_after_ceiling_us
    match event.outcome:
        case Transient(after_us=after_us):
            least_us, most_us = _backoff_us(policy.retry, used)
            floor_us = min(after_us or 0, ceiling_us)
            return (max(least_us, floor_us), max(most_us, floor_us)) if most_us >= 0 else (least_us, most_us)
        case Ambiguous():
            return _backoff_us(policy.retry, used)
        case Rate(after_us=after_us):
            pause_us = policy.rate_pause_us if after_us is None else max(1, min(after_us, ceiling_us))
            return pause_us, pause_us
        case Hold(after_us=after_us):
            hold_us = min(HOUR_US if after_us is None else after_us, ceiling_us)
            return hold_us, hold_us
        case Config() | Window():
            return 0, 0
        case _:
            return 0, -1


def _backoff_us(retry: Retry, used: int) -> tuple[int, int]:
    if isinstance(retry, Exponential):
        base_us = min(float(retry.ceiling_us), retry.first_us * retry.factor ** min(used - 1, 500))
        is_through = used > retry.times
    else:
        is_through = used > len(retry.after_us)
        base_us = 0.0 if is_through else float(retry.after_us[used - 1])
    if is_through:
        return 0, -1
    return round(base_us * (1 - retry.jitter)), round(base_us * (1 + retry.jitter))


def _starts_when_allowed(story: Story, policy: Policy) -> Iterator[Finding]:
    due_us, accepted = story.accepted.due_us, story.accepted
    for entry in story.entries:
        event = entry.event
        if not isinstance(event, e.AttemptStarted):
            due_us = getattr(event, "due_us", None) or due_us
            continue
        if entry.at_us < due_us:
            yield _finding(story, entry, f"was started {_span(due_us - entry.at_us)} before it was due")
        if accepted.expires_us is not None and entry.at_us >= accepted.expires_us:
            yield _finding(story, entry, f"was started {_span(entry.at_us - accepted.expires_us)} after it expired")
        quiet = policy.quiet_hours
        if quiet is not None and _is_quiet(quiet, accepted.zone or quiet.zone, entry.at_us):
            yield _finding(story, entry, f"was started in the quiet hours of {accepted.zone or quiet.zone}")


def _is_quiet(quiet: QuietHours, zone: str, at_us: int) -> bool:
    local = (_EPOCH + timedelta(microseconds=at_us)).astimezone(ZoneInfo(zone))
    minute = local.hour * 60 + local.minute
    if quiet.from_minute <= quiet.to_minute:
        return quiet.from_minute <= minute < quiet.to_minute
    return minute >= quiet.from_minute or minute < quiet.to_minute


def _pauses_are_kept(evidence: Evidence) -> Iterator[Finding]:
    """Nothing starts where the other side asked for a slower pace."""
    for conversation, entries in evidence.chronicle.conversations.items():
        until_us = 0
        for entry in entries:
            if isinstance(entry.event, e.ConversationPaused):
                until_us = entry.event.until_us
            elif isinstance(entry.event, e.CircuitClosed) and entry.event.by == "operator":
                until_us = 0
            elif isinstance(entry.event, e.AttemptStarted) and entry.at_us < until_us:
                words = f"conversation {conversation} was paused for another {_span(until_us - entry.at_us)}"
                yield Finding(words=words, at_us=entry.at_us, streams=(entry.stream,))
    for lane, entries in evidence.chronicle.lanes.items():
        attempts = [attempt for attempt in evidence.chronicle.attempts if attempt.lane == lane]
        for entry in entries:
            if isinstance(entry.event, e.LaneThrottled):
                # A permit that was out when the pause was recorded may still begin.
                yield from _throttled(entry.event, attempts, entry.at_us + slack_us(evidence))


def _throttled(pause: e.LaneThrottled, attempts: Sequence[Attempt], since_us: int) -> Iterator[Finding]:
    for attempt in attempts:
        if pause.host in {0, attempt.host} and since_us < attempt.started_us < pause.until_us:
            words = f"lane {attempt.lane} was throttled until {_span(pause.until_us - attempt.started_us)} later"
            yield Finding(words=words, at_us=attempt.started_us, streams=(attempt.stream,))


def _finding(story: Story, entry: Recorded, words: str) -> Finding:
    return Finding(words=f"{story.accepted.trace} {words}", at_us=entry.at_us, streams=(story.stream,))


def _span(span_us: int) -> str:
    return f"{span_us / 1_000_000:.6g} s"
