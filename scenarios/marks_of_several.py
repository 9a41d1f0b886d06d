"""Places that a run of several daemons should get to now and then; see marks.py.

This file answers for reading each off who acted when, the log and the world's books.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Final

from core import events as e
from core.policies import SECOND_US
from scenarios.laws.evidence import Evidence
from scenarios.world.ground import Life

# A daemon that stops lets others act at once.
_AT_ONCE_US: Final = 2 * SECOND_US


def _turns(evidence: Evidence) -> Iterator[tuple[Life, Life]]:
    """Whoever acted, and who did after it."""
    return pairwise(evidence.lives) if evidence.scenario.daemons > 1 else iter(())


def _taken_over(*ended_by: str) -> Callable[[Evidence], bool]:
    return lambda evidence: any(
        one.ended_by in ended_by and other.ready_us is not None and one.machine != other.machine
        for one, other in _turns(evidence)
    )


def _handed_over(evidence: Evidence) -> bool:
    """One stopped, and another acted within a moment."""
    return any(
        one.ended_by == "stop" and one.machine != other.machine and other.began_us - one.ended_us < _AT_ONCE_US
        for one, other in _turns(evidence)
    )


def _left_by_another(evidence: Evidence) -> bool:
    """Something was taken in by a daemon that stood by."""
    return evidence.durable.parking.last > 0


def _accepted_while_nobody_acts(evidence: Evidence) -> bool:
    """A client was told that its message is accepted between one who acted and the next."""
    start_us = evidence.scenario.start_us
    told = [start_us + one.at_us for one in evidence.books.told if one.what == "accepted"]
    return any(one.ended_us < at_us < other.began_us for one, other in _turns(evidence) for at_us in told)


def _given_up_at_its_deadline(evidence: Evidence) -> bool:
    """What a daemon left open was waited for by the one after it."""
    later = [other.began_us for _, other in _turns(evidence)]
    return any(
        attempt.is_cut_off and any(attempt.started_us < at_us < (attempt.ended_us or 0) for at_us in later)
        for attempt in evidence.chronicle.attempts
    )


def _held_back(evidence: Evidence) -> bool:
    """An intent was durable, and nothing left since another might act."""
    return any(isinstance(entry.event, e.AttemptAborted) and entry.event.reason == "lease" for entry in evidence.events)


def _left_late(evidence: Evidence) -> bool:
    """A daemon that was held in the middle of sending went on with it when another acted."""
    return any(handed.was_held and handed.acted and not handed.acts for handed in evidence.books.handed)


MARKS_OF_SEVERAL: Final[Mapping[str, Callable[[Evidence], bool]]] = {
    "handed over in order": _handed_over,
    "taken over after a crash": _taken_over("crash"),
    "taken over after silence": _taken_over("replaced"),
    "left for the one that acts": _left_by_another,
    "accepted while nobody acts": _accepted_while_nobody_acts,
    "given up at its deadline": _given_up_at_its_deadline,
    "told that another acts": lambda evidence: evidence.books.fenced > 0,
    "held back where another may act": _held_back,
    "left a daemon that was replaced": _left_late,
    "asked by way of another": lambda evidence: evidence.books.carried_out > 0,
}
