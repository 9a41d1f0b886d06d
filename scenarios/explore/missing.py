"""How an expectation is missed, and whether another world misses it in the same way.

This file answers for a miss meaning something: too few of what is not there says nothing. It must never judge whether
an expectation is met; scenarios/run/expecting.py does.
"""

from typing import Final

import msgspec

from scenarios.file.scenario import Scenario
from scenarios.file.sides import Fault
from scenarios.file.tables import MEASURED, Expect
from scenarios.laws.evidence import Evidence
from scenarios.run.counting import happened, measured
from scenarios.run.expecting import unmet
from scenarios.world.choosing import fits
from scenarios.world.naming import named

# Of these the value is no number of messages or attempts.
_SPANS: Final = frozenset({"lateness"})


class Miss(msgspec.Struct, frozen=True, kw_only=True):
    """One missed expectation. `is_below`: there is too little of it; of its subjects there were so many."""

    is_below: bool
    subjects: int


def miss_in(evidence: Evidence) -> Miss | None:
    """How a run misses the only expectation of its world; None where it is met."""
    if not unmet(evidence):
        return None
    (expect,) = evidence.scenario.expects
    value = measured(evidence, expect) if expect.that in MEASURED else len(happened(evidence, expect))
    wanted = _wanted(expect)
    return Miss(is_below=wanted is not None and value < wanted, subjects=_subjects(evidence, expect))


def is_missed_alike(first: Miss, evidence: Evidence) -> bool:
    """Whether a run misses what another missed, from the same side, and with what it would take to meet it.

    A world that had less than that to begin with has to keep all of it.
    """
    miss = miss_in(evidence)
    if miss is None or miss.is_below != first.is_below:
        return False
    (expect,) = evidence.scenario.expects
    return miss.subjects >= min(first.subjects, _least(expect, is_below=first.is_below))


def _wanted(expect: Expect) -> int | None:
    """How much of it there must be at least."""
    return expect.count if expect.at_least is None else expect.at_least


def _least(expect: Expect, *, is_below: bool) -> int:
    """How many subjects it takes before anything can be said of them."""
    wanted = _wanted(expect)
    if not is_below or wanted is None or expect.that in _SPANS:
        return 1
    return wanted


def _subjects(evidence: Evidence, expect: Expect) -> int:
    """How many there are of whom it could be true."""
    scenario = evidence.scenario
    match expect.that:
        case "crashes" | "takeovers":
            return sum(_may_end(fault) for fault in scenario.faults)
        case "lanes_paused":
            paused = sum(operator.do == "pause" for operator in scenario.operators)
            return paused + sum(fault.account is not None or fault.answer is not None for fault in scenario.faults)
        case "invalidated":
            return len(scenario.devices)
        case _:
            too_late = _asked_after(scenario, expect.by_us)
            meant = (subject.key for subject in evidence.subjects.values() if fits(expect, subject))
            return sum(named(key).partition("+")[0] not in too_late for key in meant)


def _may_end(fault: Fault) -> bool:
    """Whether a daemon may be gone, or taken for gone, by a fault."""
    return fault.daemon is not None or fault.cut is not None or fault.database is not None


def _asked_after(scenario: Scenario, by_us: int | None) -> set[str]:
    """Messages that nobody asks for before an expectation's time is over."""
    return {
        f"{arrive.name}/{number}"
        for arrive in scenario.arrivals
        for number in range(arrive.number, arrive.number + arrive.count)
        if by_us is not None and arrive.at_us > by_us
    }
