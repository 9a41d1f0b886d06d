"""What a run came to, in the figures by which two policies are compared.

This file answers for each figure's meaning. Deliveries are those of the world's own books; modelled answers are counted
and never hidden: a comparison is worth as much as the share of answers that somebody really gave.
"""

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from core import events as e
from core.policies import MINUTE_US, SECOND_US
from scenarios.file.tables import Expect
from scenarios.laws.evidence import Evidence
from scenarios.laws.registry import breaches
from scenarios.run.counting import measured

# Whoever waits longer than this from the due instant has it late.
LATE_US: Final = MINUTE_US
_PERCENTILES: Final = (50, 95, 99, 100)
_SCOPES: Final = ("lane", "tenant", "recipient", "host")
_WINDOWS_US: Final = (SECOND_US, MINUTE_US)


class Peak(msgspec.Struct, frozen=True, kw_only=True):
    """The most hand-overs of one member of a scope within any window of a length."""

    scope: str
    within_us: int
    count: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `took_us` are percentiles of the time from due to delivered, None where nothing was.

    `late` were delivered later than a minute after they were due; `open` have not ended. `recorded` and `modelled`
    count the answers that attempts met. `broken` names the laws that did not hold.
    """

    accepted: int
    delivered: int
    late: int
    dead: int
    expired: int
    cancelled: int
    open: int
    attempts: int
    duplicates: int
    took_us: dict[str, int | None]
    peaks: tuple[Peak, ...]
    recorded: int
    modelled: int
    broken: tuple[str, ...]

    @property
    def modelled_share(self) -> float:
        """The share of answers that nobody recorded."""
        return self.modelled / max(1, self.recorded + self.modelled)


def figures_of(evidence: Evidence) -> Figures:
    """The figures of a finished run."""
    stories, start_us = evidence.chronicle.stories, evidence.scenario.start_us
    deliveries = evidence.deliveries
    first = {handed.stream: handed.arrives_us or 0 for handed in reversed(deliveries)}
    took = sorted(max(0, start_us + at_us - stories[stream].accepted.due_us) for stream, at_us in first.items())
    statuses = [head.status for head in evidence.durable.heads.values() if head.kind == "msg"]
    ended = {status: statuses.count(status) for status in ("dead", "expired", "cancelled")}
    done = sum(1 for story in stories.values() if any(isinstance(one.event, _TAKEN) for one in story.entries))
    return Figures(
        accepted=len(stories),
        delivered=len(first),
        late=sum(1 for took_us in took if took_us > LATE_US),
        **ended,
        open=len(stories) - done - sum(ended.values()),
        attempts=len(evidence.chronicle.attempts),
        duplicates=len(deliveries) - len(first),
        took_us={f"p{percentile}": _percentile(took, percentile) for percentile in _PERCENTILES},
        peaks=tuple(_peak(evidence, scope, within_us) for scope in _scopes(evidence) for within_us in _WINDOWS_US),
        recorded=evidence.books.recorded,
        modelled=evidence.books.modelled,
        broken=tuple(f"law {breach.law}: {breach.name}" for breach in breaches(evidence)),
    )


_TAKEN: Final = (e.AttemptTaken, e.AttemptProved)


def _scopes(evidence: Evidence) -> Sequence[str]:
    """The scopes that messages of this run are in; only webhooks have hosts."""
    has_hosts = any(story.accepted.host is not None for story in evidence.chronicle.stories.values())
    return _SCOPES if has_hosts else [scope for scope in _SCOPES if scope != "host"]


def _percentile(values: Sequence[int], percentile: int) -> int | None:
    return values[max(0, math.ceil(len(values) * percentile / 100) - 1)] if values else None


def _peak(evidence: Evidence, scope: str, within_us: int) -> Peak:
    return Peak(
        scope=scope,
        within_us=within_us,
        count=measured(evidence, Expect(that="peak", scope=scope, within_us=within_us)),
    )
