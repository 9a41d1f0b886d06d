"""How the other side behaves: which fault a request meets, and how long an answer takes.

This file answers for each of these being drawn by the request's own key: what happens to one message never depends on
which others there are.
"""

from collections.abc import Sequence

import msgspec

from scenarios.draws import Draws
from scenarios.file.readings import Answer
from scenarios.file.scenario import Scenario
from scenarios.file.tables import Fault, LatencyTable, Provider
from scenarios.world.choosing import Subject, fits

_USUAL = Provider()
# How much of an answer's time goes by before the request has left us, at most.
_CONNECTING = 0.3


class Meeting(msgspec.Struct, frozen=True, kw_only=True):
    """What awaits one request. `fails` None means that it is taken; `connects_us` comes before `answers_us`."""

    fails: Answer | None
    connects_us: int
    answers_us: int
    is_idempotent: bool


class Nature:
    """The behaviour of all other sides of one world."""

    def __init__(self, scenario: Scenario, draws: Draws) -> None:
        self._draws = draws
        self._runs_for_us = scenario.runs_for_us
        self._providers = scenario.providers
        self._faults: Sequence[tuple[Fault, Answer]] = [
            (fault, fault.answer) for fault in scenario.faults if fault.answer is not None
        ]

    def meet(self, subject: Subject, attempt: int, at_us: int) -> Meeting:
        """What awaits an attempt that begins at an instant since the start."""
        provider = next((known for known in self._providers if fits(known, subject)), _USUAL)
        fails = self._fails(subject, attempt, at_us)
        whole_us = latency_us(self._draws, provider.latency, "latency", subject.key, attempt)
        connects_us = round(self._draws.draw("connecting", subject.key, attempt) * _CONNECTING * whole_us)
        slow_us = fails.slow_us if fails is not None else 0
        return Meeting(
            fails=fails,
            connects_us=connects_us,
            answers_us=whole_us - connects_us + slow_us,
            is_idempotent=provider.idempotent,
        )

    def _fails(self, subject: Subject, attempt: int, at_us: int) -> Answer | None:
        for fault, answer in self._faults:
            if (
                fault.is_on(at_us, self._runs_for_us)
                and fault.attempt in (None, attempt)
                and fits(fault, subject)
                and self._is_hit(fault, answer, subject.key, attempt)
            ):
                return answer
        return None

    def _is_hit(self, fault: Fault, answer: Answer, key: str, attempt: int) -> bool:
        share = answer.share if answer.share is not None else fault.share
        if share is None:
            return True
        # By what the fault is, not by its place in the file: taking out another one must not move this one's draws.
        return self._draws.draw("fault", answer.kind, answer.status, fault.at_us, key, attempt) < share


def latency_us(draws: Draws, latency: LatencyTable, purpose: str, *key: int | str) -> int:
    """A time drawn from a latency of the file; without a 99th percentile, always its median."""
    p99_us = latency.p99_us if latency.p99_us is not None else latency.median_us
    return draws.latency_us(latency.median_us, p99_us, purpose, *key)
