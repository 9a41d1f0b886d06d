"""Bulk redrives over HTTP: first what they would do, then doing it, watching it and calling it off.

This file answers for shapes and calls; which dead letters move when is decided behind it.
"""

from datetime import datetime
from typing import Final, Literal

import msgspec
from aiohttp import web

from adapters.config.units import Unfit, rate
from adapters.moments import moment
from adapters.web.answers import Answer, answer, moment_or_none
from adapters.web.auth import Caller
from adapters.web.front import Front
from adapters.web.narrowing import known_lane
from adapters.web.problems import invalid
from adapters.web.reading import body_of, id_in_path, id_of
from core import ids
from core.pointers import decoded
from core.records import MessageFilter
from core.views import AnyChannel, Plan, RedriveState


class DeadLetters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which dead letters; what is left out does not narrow."""

    channel: AnyChannel | None = None
    lane: str | None = None
    conversation: str | None = None


class RedriveRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bulk redrive. `rate` is a limit such as "10/s"; without it only the lanes' own limits slow it down.

    `filter` has to be said, be it empty, so that nobody moves every dead letter by leaving something out.
    """

    filter: DeadLetters
    rate: str | None = None
    dry_run: bool = False


class PlanAnswer(Answer, frozen=True, kw_only=True):
    """What a bulk redrive would move. `estimate_s` null: as fast as limits allow."""

    count: int
    oldest: datetime | None
    newest: datetime | None
    estimate_s: float | None

    @classmethod
    def of(cls, plan: Plan) -> "PlanAnswer":
        """The outside form of a plan."""
        return cls(
            count=plan.count,
            oldest=moment_or_none(plan.oldest_us),
            newest=moment_or_none(plan.newest_us),
            estimate_s=plan.estimate_s,
        )


class RedriveAnswer(Answer, frozen=True, kw_only=True):
    """One bulk redrive now. `count` dead letters were found at its start, `moved` are back on the agenda."""

    id: str
    tenant: str | None
    status: Literal["running", "done", "cancelled"]
    channel: str | None
    lane: str | None
    conversation: str | None
    before: datetime
    per_s: float | None
    count: int
    moved: int
    started_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, state: RedriveState) -> "RedriveAnswer":
        """The outside form of a redrive's state."""
        return cls(
            id=ids.encode("redrive", state.id),
            tenant=state.tenant,
            status=state.status,
            channel=state.channel,
            lane=state.lane,
            conversation=None if state.conversation is None else ids.encode("conv", state.conversation),
            before=moment(state.before_us),
            per_s=state.per_s,
            count=state.count,
            moved=state.moved,
            started_at=moment(state.started_us),
            ended_at=moment_or_none(state.ended_us),
        )


class RedriveBegun(Answer, frozen=True, kw_only=True):
    """A redrive that has begun, and what it set out to do."""

    id: str
    plan: PlanAnswer


_REQUESTS: Final = msgspec.json.Decoder(RedriveRequest)


async def start(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Begins a redrive, or with `dry_run` only says what it would do."""
    asked = decoded(_REQUESTS, await body_of(front, request))
    per_s = _per_s(asked.rate)
    wanted = _filter(front, asked.filter, caller.tenant)
    plan = PlanAnswer.of(await front.system.redrives.plan(wanted, per_s))
    if asked.dry_run:
        return answer(plan)
    job = await front.system.redrives.start(caller.tenant, wanted, per_s)
    return answer(RedriveBegun(id=ids.encode("redrive", job), plan=plan), 202)


async def show(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """One redrive now."""
    return answer(RedriveAnswer.of(await front.system.redrives.job(caller.tenant, id_in_path(request, "redrive"))))


async def cancel(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Stops a redrive; what it moved stays moved."""
    job = id_in_path(request, "redrive")
    return answer(RedriveAnswer.of(await front.system.redrives.cancel(caller.tenant, job)))


def _per_s(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        quota = rate(text)
    except Unfit as error:
        raise invalid("/rate", f"expected {error}") from error
    return quota.count * 1_000_000 / quota.window_us


def _filter(front: Front, wanted: DeadLetters, tenant: str | None) -> MessageFilter:
    named = wanted.conversation
    conversation = None if named is None else id_of(named, "conv", "/filter/conversation")
    return MessageFilter(
        tenant=tenant,
        status=("dead",),
        channel=wanted.channel,
        lane=known_lane(front, wanted.lane, "/filter/lane"),
        conversation=conversation,
    )
