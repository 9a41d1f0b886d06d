"""The scopes that limits speak of, as the log shows them: which attempts fall under each, and what each must keep.

This file answers for reading limits off a policy without any help of the code that keeps them.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from core.policies import Limits, Quota
from scenarios.laws.chronicle import Attempt
from scenarios.laws.evidence import Evidence

ScopeName = Literal["lane", "tenant", "recipient", "host"]
Member = tuple[ScopeName, str | int]


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """One scope of one lane: `quotas` are exact in every window, `concurrency` bounds what is in flight."""

    lane: str
    member: Member
    quotas: tuple[Quota, ...]
    concurrency: int | None
    attempts: tuple[Attempt, ...]

    def __str__(self) -> str:
        """As people call it."""
        name, who = self.member
        return f"lane {self.lane}" if name == "lane" else f"{name} {who} in lane {self.lane}"


def scopes_of(evidence: Evidence) -> list[Scope]:
    """Every scope that bounds anything and has an attempt."""
    return evidence.once(_scopes)


def _scopes(evidence: Evidence) -> list[Scope]:
    found: list[Scope] = []
    for lane in evidence.scenario.settings.lanes:
        for member, attempts in _members(evidence, lane.name).items():
            quotas, concurrency = bound_of(lane.policy.limits, member[0])
            if quotas or concurrency is not None:
                found.append(
                    Scope(
                        lane=lane.name,
                        member=member,
                        quotas=quotas,
                        concurrency=concurrency,
                        attempts=tuple(attempts),
                    )
                )
    return found


def _members(evidence: Evidence, lane: str) -> dict[Member, list[Attempt]]:
    found: dict[Member, list[Attempt]] = {}
    for attempt in evidence.chronicle.attempts_in(lane):
        for member in members_of(attempt):
            found.setdefault(member, []).append(attempt)
    return found


def members_of(attempt: Attempt) -> Iterator[Member]:
    """The scopes of its lane that an attempt falls under."""
    yield "lane", attempt.lane
    yield "tenant", attempt.tenant
    yield "recipient", attempt.conversation
    if attempt.host is not None:
        yield "host", attempt.host


def bound_of(limits: Limits, name: ScopeName) -> tuple[tuple[Quota, ...], int | None]:
    """What a scope of this name has to keep: a gap is a window of one, a burst a shorter window of the same pace."""
    match name:
        case "lane":
            gap = (Quota(count=1, window_us=limits.gap_us),) if limits.gap_us else ()
            return (*_quotas(limits.lane, limits.burst), *gap), limits.concurrency
        case "tenant":
            return _quotas(limits.tenant, limits.burst), None
        case "recipient":
            return _quotas(limits.recipient, limits.burst), None
        case "host":
            return (), limits.host_concurrency


def _quotas(rate: Quota | None, burst: int | None) -> tuple[Quota, ...]:
    if rate is None:
        return ()
    if burst is None or burst >= rate.count:
        return (rate,)
    return rate, Quota(count=burst, window_us=-(-rate.window_us * burst // rate.count))
