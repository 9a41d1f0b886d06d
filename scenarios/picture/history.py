"""A run as counts over time: what a picture of it shows.

This file answers for the numbers; how they look is drawing.py's business. It must never know an address or a content.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from core import events as e
from core.policies import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from scenarios.laws.evidence import Evidence

# So many steps at most are told apart across a picture.
STEPS_MAX: Final = 150
_STEPS_US: Final = (
    *(SECOND_US, 2 * SECOND_US, 5 * SECOND_US, 10 * SECOND_US, 30 * SECOND_US),
    *(MINUTE_US, 2 * MINUTE_US, 5 * MINUTE_US, 10 * MINUTE_US, 30 * MINUTE_US),
    *(HOUR_US, 2 * HOUR_US, 6 * HOUR_US, 12 * HOUR_US, DAY_US, 7 * DAY_US),
)
_CONCLUDED: Final = (e.AttemptTaken, e.AttemptProved, e.MessageDead, e.MessageExpired, e.MessageCancelled)


class Shade(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which something was wrong, since the start: with the other side, or with the daemon."""

    since_us: int
    until_us: int
    words: str


class History(msgspec.Struct, frozen=True, kw_only=True):
    """One run in steps of `step_us`: how many arrived, were tried and were delivered in each, and waited at its end."""

    title: str
    step_us: int
    arrived: tuple[int, ...]
    tried: tuple[int, ...]
    delivered: tuple[int, ...]
    waiting: tuple[int, ...]
    shades: tuple[Shade, ...]
    gone: tuple[Shade, ...]


def histories(runs: Sequence[tuple[str, Evidence]]) -> list[History]:
    """The histories of several runs, each with its title, in the same steps."""
    whole_us = max((_length_us(evidence) for _, evidence in runs), default=0) + 1
    step_us = next((step for step in _STEPS_US if whole_us <= step * STEPS_MAX), -(-whole_us // STEPS_MAX))
    count = -(-whole_us // step_us)
    return [_history(title, evidence, step_us, count) for title, evidence in runs]


def _length_us(evidence: Evidence) -> int:
    """Until when anything happened to a message."""
    start_us = evidence.scenario.start_us
    return max((story.entries[-1].at_us - start_us for story in evidence.chronicle.stories.values()), default=0)


def _history(title: str, evidence: Evidence, step_us: int, count: int) -> History:
    start_us = evidence.scenario.start_us
    arrived, tried, left = [0] * count, [0] * count, [0] * count
    for story in evidence.chronicle.stories.values():
        for entry in story.entries:
            place = min(count - 1, max(0, entry.at_us - start_us) // step_us)
            match entry.event:
                case e.MessageAccepted():
                    arrived[place] += 1
                    left[place] += 1
                case e.MessageRedriven():
                    left[place] += 1
                case e.AttemptStarted():
                    tried[place] += 1
                case event if isinstance(event, _CONCLUDED):
                    left[place] -= 1
                case _:
                    pass
    delivered = [0] * count
    for handed in evidence.deliveries:
        delivered[min(count - 1, max(0, handed.arrives_us or 0) // step_us)] += 1
    return History(
        title=title,
        step_us=step_us,
        arrived=tuple(arrived),
        tried=tuple(tried),
        delivered=tuple(delivered),
        waiting=tuple(_summed(left)),
        shades=tuple(_shades(evidence)),
        gone=tuple(_gone(evidence)),
    )


def _summed(changes: Iterable[int]) -> Iterable[int]:
    total = 0
    for change in changes:
        total += change
        yield total


def _shades(evidence: Evidence) -> Iterable[Shade]:
    scenario = evidence.scenario
    for fault in scenario.faults:
        if fault.answer is None and fault.account != "down":
            continue
        if fault.attempt is not None or fault.message is not None:
            continue  # What one message met is no outage.
        until_us = scenario.runs_for_us if fault.for_us is None else fault.at_us + fault.for_us
        where = fault.host or fault.lane or fault.channel or "everything"
        yield Shade(since_us=fault.at_us, until_us=until_us, words=f"{where} fails")


def _gone(evidence: Evidence) -> Iterable[Shade]:
    start_us = evidence.scenario.start_us
    for life, following in zip(evidence.lives, evidence.lives[1:], strict=False):
        words = "crash" if life.ended_by == "crash" else "restart"
        yield Shade(since_us=life.ended_us - start_us, until_us=following.began_us - start_us, words=words)
