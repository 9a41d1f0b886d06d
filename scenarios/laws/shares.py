"""Law 9: no tenant waits while another takes more than its share of a common scope.

Where a lane has no room for all, its tenants take turns: while one of them has something that only the lane keeps
waiting, nobody else starts more than a turn's worth between two starts of its own.
"""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from scenarios.laws.evidence import Evidence
from scenarios.laws.finding import Finding
from scenarios.laws.readiness import waits
from scenarios.laws.spans import Span, Spans, uncovered
from scenarios.laws.waiting import Constraints, slack_us

# One turn each, and one more at each edge: a permit that was out already, and the turn that was under way.
_TURNS: Final = 3


def tenants_take_turns(evidence: Evidence) -> Iterator[Finding]:
    """Judges every pair of tenants of every lane."""
    for lane in evidence.scenario.settings.lanes:
        starts: dict[str, list[int]] = {}
        for attempt in evidence.chronicle.attempts_in(lane.name):
            starts.setdefault(attempt.tenant, []).append(attempt.started_us)
        if len(starts) > 1:
            yield from _turns(evidence, lane.name, starts)


def _turns(evidence: Evidence, lane: str, starts: dict[str, list[int]]) -> Iterator[Finding]:
    slack = slack_us(evidence)
    for tenant, spans in _kept_waiting(evidence, lane).items():
        own = starts.get(tenant, [])
        for since_us, until_us in spans.spans():
            turns = [since_us, *own[bisect_left(own, since_us) : bisect_left(own, until_us)], until_us]
            for between in (turn for turn in pairwise(turns) if turn[1] - turn[0] > slack):
                yield from _greedy(lane, tenant, starts, between)


def _greedy(lane: str, tenant: str, starts: dict[str, list[int]], between: Span) -> Iterator[Finding]:
    before_us, after_us = between
    for other, taken in starts.items():
        # What starts at the very edges belongs to the turns beyond them.
        turns = bisect_left(taken, after_us) - bisect_left(taken, before_us + 1)
        if other != tenant and turns > _TURNS:
            words = (
                f"tenant {tenant} waited for lane {lane} for {(after_us - before_us) / 1e6:.3f} s, while tenant {other}"
                f" started {turns} times"
            )
            yield Finding(words=words, at_us=before_us)


def _kept_waiting(evidence: Evidence, lane: str) -> dict[str, Spans]:
    """When each tenant had something to start that nothing but the lane's room kept waiting."""
    constraints = evidence.once(Constraints)
    found: dict[str, list[Span]] = {}
    for wait in evidence.once(waits):
        if wait.lane != lane or wait.what != "start" or wait.ended_us - wait.ready_us <= constraints.slack_us:
            continue
        others = [constraints.anywhere, *constraints.lane(wait), *constraints.own(wait)]
        found.setdefault(wait.story.tenant, []).extend(uncovered(wait.ready_us, wait.ended_us, others))
    return {tenant: Spans(spans) for tenant, spans in found.items()}
