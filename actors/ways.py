"""What a lane and its limits put in the way of one message: each by its name, as of one instant.

This file answers for telling apart what the scheduler asks as one: it asks the same functions, one constraint at a
time. It must never change what it reads.
"""

from collections.abc import Iterator
from typing import Final

from actors.governor import Governor, LaneLimits
from core.circuit import Breaker
from core.explain import Constraint, Kind
from core.lane_life import LaneLife
from core.limits import UNKNOWN, Bound, Scope
from core.message import Message

_GAP: Final = 1


def ways_of(lane: LaneLife, governor: Governor, message: Message, now_us: int) -> tuple[Constraint, ...]:
    """Everything of its lane that might be in a message's way; what bars nothing is told all the same."""
    limits = governor.lane(lane.lane.name)
    return (*_of_health(lane, message.host, now_us), *_of_limits(limits, message))


def _of_health(lane: LaneLife, host: int | None, now_us: int) -> Iterator[Constraint]:
    if not lane.is_served:
        yield Constraint(kind="lane_gone")
    if lane.paused_by is not None:
        yield Constraint(kind="lane_paused", by=lane.paused_by, code=lane.paused_code)
    yield Constraint(kind="lane_throttled", until_us=lane.throttled_until_us)
    yield _of_breaker(lane.breaker, now_us, opened="breaker", ramps="ramp")
    health = None if host is None else lane.host_health(host)
    if health is not None:
        breaker, throttled_until_us = health
        yield Constraint(kind="host_throttled", until_us=throttled_until_us)
        yield _of_breaker(breaker, now_us, opened="host_breaker", ramps="host_ramp")


def _of_breaker(breaker: Breaker, now_us: int, *, opened: Kind, ramps: Kind) -> Constraint:
    is_open = breaker.open_until_us is not None
    return Constraint(kind=opened if is_open else ramps, until_us=breaker.room_at(now_us))


def _of_limits(limits: LaneLimits, message: Message) -> Iterator[Constraint]:
    yield from _of_scope(limits.lane, "lane_limit", "concurrency")
    tenant, peer = limits.tenants.get(message.tenant), limits.peers.get(message.conversation)
    if tenant is not None:
        yield from _of_scope(tenant, "tenant_limit", "concurrency")
    if peer is not None:
        yield from _of_scope(peer, "recipient_limit", "concurrency")
    host = None if message.host is None else limits.hosts.get(message.host)
    if host is not None:
        yield from _of_scope(host, "lane_limit", "host_concurrency")


def _of_scope(scope: Scope, quotas: Kind, concurrency: Kind) -> Iterator[Constraint]:
    """Each of a scope's bounds by itself."""
    for quota in scope.bound.quotas:
        room_us = scope.under(Bound(quotas=(quota,))).room_at()
        kind: Kind = "gap" if quotas == "lane_limit" and quota.count == _GAP else quotas
        yield Constraint(kind=kind, until_us=_instant(room_us), count=quota.count, window_us=quota.window_us)
    most = scope.bound.concurrency
    if most is not None:
        room_us = scope.under(Bound(concurrency=most)).room_at()
        yield Constraint(kind=concurrency, until_us=_instant(room_us), count=most)


def _instant(room_us: int) -> int | None:
    return None if room_us == UNKNOWN else room_us
