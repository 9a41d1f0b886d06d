"""All laws, in the order in which DESIGN numbers them, and the judging of a run by each.

This file answers for every law being asked about every run. It must never let one law's trouble hide another's.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

import msgspec

from scenarios.laws.acting import one_daemon_acts
from scenarios.laws.circuits import open_circuits_only_probe
from scenarios.laws.duplicates import twice_only_in_doubt
from scenarios.laws.endings import the_same_seed_gives_the_same_log, the_world_comes_to_rest
from scenarios.laws.evidence import Evidence
from scenarios.laws.explained import explanations_come_true
from scenarios.laws.finding import Finding
from scenarios.laws.flight import attempts_keep_their_turn
from scenarios.laws.forgetting import who_was_forgotten_stays_forgotten
from scenarios.laws.hooks import hooks_are_taken_once_and_in_order
from scenarios.laws.intent import intent_comes_first
from scenarios.laws.lost import nothing_is_lost
from scenarios.laws.privacy import nothing_private_is_recorded
from scenarios.laws.replay import state_is_the_fold
from scenarios.laws.shares import tenants_take_turns
from scenarios.laws.timing import nothing_comes_early_or_late
from scenarios.laws.windows import limits_hold_in_every_window

Judge = Callable[[Evidence], Iterator[Finding]]
# More of the same says nothing new.
_FINDINGS_MAX: Final = 10


class Law(msgspec.Struct, frozen=True, kw_only=True):
    """One law. `name` is what must hold, in words."""

    number: int
    name: str
    judge: Judge


class Breach(msgspec.Struct, frozen=True, kw_only=True):
    """A law that a run broke, and how. Number 0: the daemon itself failed."""

    law: int
    name: str
    findings: tuple[Finding, ...]


def daemon_does_not_fail(evidence: Evidence) -> Iterator[Finding]:
    """No actor and no channel raised what nobody meant to raise."""
    for alarm in evidence.books.alarms:
        yield Finding(words=alarm)


LAWS: Final = (
    Law(number=0, name="the daemon does not fail", judge=daemon_does_not_fail),
    Law(number=1, name="nothing is lost", judge=nothing_is_lost),
    Law(number=2, name="attempts keep their turn", judge=attempts_keep_their_turn),
    Law(number=3, name="an intent comes first and is resolved once", judge=intent_comes_first),
    Law(number=4, name="limits hold in every window", judge=limits_hold_in_every_window),
    Law(number=5, name="nothing comes early, or late without a reason", judge=nothing_comes_early_or_late),
    Law(number=6, name="an open circuit sends nothing but its probe", judge=open_circuits_only_probe),
    Law(number=7, name="state is the fold of the log", judge=state_is_the_fold),
    Law(number=8, name="twice only where the outcome was in doubt", judge=twice_only_in_doubt),
    Law(number=9, name="tenants take turns", judge=tenants_take_turns),
    Law(number=10, name="nothing private is recorded", judge=nothing_private_is_recorded),
    Law(number=11, name="the same seed gives the same log", judge=the_same_seed_gives_the_same_log),
    Law(number=12, name="the world comes to rest", judge=the_world_comes_to_rest),
    Law(number=13, name="hooks are taken once and in order", judge=hooks_are_taken_once_and_in_order),
    Law(number=14, name="explanations come true", judge=explanations_come_true),
    Law(number=15, name="one daemon acts at a time", judge=one_daemon_acts),
    Law(number=16, name="who was forgotten stays forgotten", judge=who_was_forgotten_stays_forgotten),
)


def breaches(evidence: Evidence) -> list[Breach]:
    """Every law that the run broke."""
    found = []
    for law in LAWS:
        findings = tuple(islice(law.judge(evidence), _FINDINGS_MAX))
        if findings:
            found.append(Breach(law=law.number, name=law.name, findings=findings))
    return found
