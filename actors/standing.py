"""How a lane stands now, for people: limits used, breaker, depth, lateness and a forecast.

Pure reading of what the lane's actor, the governor and the log's counts say at one instant.
"""

from collections.abc import Sequence

from actors.governor import LaneLimits
from core.lane_life import LaneLife
from core.message import WAITING
from core.policies import SECOND_US, Quota
from core.records import AgendaGroup, Tally
from core.views import LaneState, LimitUse, Position


def lane_state(
    actor: LaneLife,
    limits: LaneLimits,
    tallies: Sequence[Tally],
    groups: Sequence[AgendaGroup],
    *,
    now_us: int,
    is_whole: bool,
) -> LaneState:
    """One lane's present state, from what is in the log of all tenants (`is_whole`) or of one of them.

    When a tenant's own messages will be through depends on everybody else's, so then nothing is forecast.
    """
    name = actor.lane.name
    own = [tally for tally in tallies if tally.lane == name]
    depth = sum(tally.count for tally in own if tally.status in WAITING)
    oldest_us = min((group.due_us for group in groups if group.lane == name), default=None)
    open_until_us = actor.breaker.open_until_us
    breaker: Position = "closed" if open_until_us is None else "open" if open_until_us > now_us else "half_open"
    return LaneState(
        name=name,
        channel=actor.lane.channel,
        provider=actor.lane.provider,
        paused_by=actor.paused_by,
        pause_code=actor.paused_code,
        throttled_until_us=actor.throttled_until_us if actor.throttled_until_us > now_us else None,
        breaker=breaker,
        breaker_until_us=open_until_us,
        limits=tuple(_uses(limits, now_us)),
        depth=depth,
        in_flight=limits.lane.out if is_whole else sum(tally.count for tally in own if tally.status == "sending"),
        oldest_due_us=oldest_us,
        lateness_us=max(0, now_us - oldest_us) if oldest_us is not None else 0,
        drain_forecast_s=_forecast_s(actor, depth, now_us) if is_whole else None,
    )


def _uses(limits: LaneLimits, now_us: int) -> list[LimitUse]:
    lane = limits.lane
    uses = [
        LimitUse(
            scope="gap" if quota.count == 1 else "lane",
            used=lane.used(quota, now_us),
            of=quota.count,
            window_us=quota.window_us,
        )
        for quota in lane.bound.quotas
    ]
    for tenant, scope in limits.tenants.items():
        for quota in scope.bound.quotas:
            used = scope.used(quota, now_us)
            if used:
                uses.append(
                    LimitUse(scope="tenant", used=used, of=quota.count, window_us=quota.window_us, tenant=tenant)
                )
    if lane.bound.concurrency is not None:
        uses.append(LimitUse(scope="concurrency", used=lane.out, of=lane.bound.concurrency))
    return uses


def _forecast_s(actor: LaneLife, depth: int, now_us: int) -> float | None:
    """How long the waiting messages take at the lane's own rate; None where it stands still or has no rate."""
    if actor.paused_by is not None:
        return None
    limits = actor.policy.limits
    rates = [quota.count / quota.window_us for quota in (limits.lane, _gap(limits.gap_us)) if quota is not None]
    blocked_us = max(actor.throttled_until_us, actor.breaker.open_until_us or 0, now_us) - now_us
    if not depth:
        return 0.0
    return (blocked_us + depth / min(rates)) / SECOND_US if rates else None


def _gap(gap_us: int) -> Quota | None:
    return Quota(count=1, window_us=gap_us) if gap_us else None
