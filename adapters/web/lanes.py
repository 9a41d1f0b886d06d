"""Lanes over HTTP: their state, and pausing and resuming them.

This file answers for shapes and calls. Lanes are shared by all tenants, so only a key for all of them may stop one.
"""

from datetime import datetime
from typing import Literal

from aiohttp import web

from adapters.web.answers import Answer, answer, moment_or_none
from adapters.web.auth import Caller, everywhere
from adapters.web.front import Front
from adapters.web.percent_codes import name_in_path
from core.errors import NotFound
from core.views import LaneState, LimitUse, Position


class LimitAnswer(Answer, frozen=True, kw_only=True):
    """How much of one limit is used. `window_s` null: it bounds what is in flight, not a rate."""

    scope: Literal["lane", "tenant", "recipient", "gap", "concurrency"]
    used: int
    of: int
    window_s: float | None
    tenant: str | None

    @classmethod
    def of_use(cls, use: LimitUse) -> "LimitAnswer":
        """The outside form of a limit's use."""
        window_s = None if use.window_us is None else use.window_us / 1_000_000
        return cls(scope=use.scope, used=use.used, of=use.of, window_s=window_s, tenant=use.tenant)


class LaneAnswer(Answer, frozen=True, kw_only=True):
    """One lane now. `drain_forecast_s` null: it stands still, or nothing was measured yet."""

    name: str
    channel: str
    provider: str
    paused: bool
    paused_by: Literal["operator", "config", "provider"] | None
    pause_code: str | None
    throttled_until: datetime | None
    breaker: Position
    breaker_until: datetime | None
    limits: list[LimitAnswer]
    depth: int
    in_flight: int
    oldest_due: datetime | None
    lateness_s: float
    drain_forecast_s: float | None

    @classmethod
    def of(cls, state: LaneState, tenant: str | None) -> "LaneAnswer":
        """The outside form of a lane's state, without the shares of other tenants (`tenant` None: of all)."""
        uses = [use for use in state.limits if tenant is None or use.tenant in (None, tenant)]
        return cls(
            name=state.name,
            channel=state.channel,
            provider=state.provider,
            paused=state.paused_by is not None,
            paused_by=state.paused_by,
            pause_code=state.pause_code or None,
            throttled_until=moment_or_none(state.throttled_until_us),
            breaker=state.breaker,
            breaker_until=moment_or_none(state.breaker_until_us),
            limits=[LimitAnswer.of_use(use) for use in uses],
            depth=state.depth,
            in_flight=state.in_flight,
            oldest_due=moment_or_none(state.oldest_due_us),
            lateness_s=state.lateness_us / 1_000_000,
            drain_forecast_s=state.drain_forecast_s,
        )


class LaneList(Answer, frozen=True, kw_only=True):
    """All lanes, in configured order."""

    lanes: list[LaneAnswer]


async def listing(front: Front, _: web.Request, caller: Caller) -> web.Response:
    """Every lane now."""
    states = await front.system.errands.lanes(None if caller.is_everywhere else caller.tenant)
    return answer(LaneList(lanes=[LaneAnswer.of(state, caller.tenant) for state in states]))


async def pause(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Lets nothing out of a lane until it is resumed; what is in flight ends by itself."""
    everywhere(caller, "a lane is")
    await front.system.errands.pause(name_in_path(request, "name"))
    return await _one(front, request, caller)


async def resume(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Lets a lane go on."""
    everywhere(caller, "a lane is")
    await front.system.errands.resume(name_in_path(request, "name"))
    return await _one(front, request, caller)


async def _one(front: Front, request: web.Request, caller: Caller) -> web.Response:
    name = name_in_path(request, "name")
    for state in await front.system.errands.lanes():
        if state.name == name:
            return answer(LaneAnswer.of(state, caller.tenant))
    raise NotFound(f"there is no lane {name}")
