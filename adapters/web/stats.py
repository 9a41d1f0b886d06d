"""Counts of everything: by status, channel and lane, and what is oldest.

This file answers for one call. Its counts are those that the log keeps with each commit, so it costs the same however
much there is.
"""

from collections.abc import Collection, Iterable
from datetime import datetime

from aiohttp import web

from adapters.moments import moment
from adapters.web.answers import Answer, answer
from adapters.web.auth import Caller
from adapters.web.front import Front
from adapters.web.message_ids import message_id
from core.message import OPEN, WAITING
from core.records import MessageFilter, Tally


class Landmark(Answer, frozen=True, kw_only=True):
    """One message that stands out."""

    id: str
    accepted_at: datetime


class Stats(Answer, frozen=True, kw_only=True):
    """Counts of messages now. `scheduled` counts those that were accepted for later and not tried yet, due or not;
    what a paused lane holds counts as `held`.
    """

    messages: int
    open: int
    dead_letters: int
    by_status: dict[str, int]
    by_channel: dict[str, dict[str, int]]
    by_lane: dict[str, dict[str, int]]
    average_attempts: float
    oldest_open: Landmark | None
    newest_open: Landmark | None


async def show(front: Front, _: web.Request, caller: Caller) -> web.Response:
    """The counts of the caller's tenant."""
    tallies = await front.log.tallies(caller.tenant)
    return answer(
        counted(
            tallies,
            front.views.paused_lanes,
            oldest=await _landmark(front, caller.tenant, oldest=True),
            newest=await _landmark(front, caller.tenant, oldest=False),
        )
    )


def counted(
    tallies: Iterable[Tally], paused_lanes: Collection[str], *, oldest: Landmark | None, newest: Landmark | None
) -> Stats:
    """The sums over all tallies."""
    by_status: dict[str, int] = {}
    by_channel: dict[str, dict[str, int]] = {}
    by_lane: dict[str, dict[str, int]] = {}
    messages = attempts = still_open = 0
    for tally in tallies:
        if not tally.count:
            continue
        held = tally.status in WAITING and tally.lane in paused_lanes
        status = "held" if held else tally.status
        for sums in (by_status, by_channel.setdefault(tally.channel, {}), by_lane.setdefault(tally.lane, {})):
            sums[status] = sums.get(status, 0) + tally.count
        messages += tally.count
        attempts += tally.attempts
        still_open += tally.count if tally.status in OPEN else 0
    return Stats(
        messages=messages,
        open=still_open,
        dead_letters=by_status.get("dead", 0),
        by_status=by_status,
        by_channel=by_channel,
        by_lane=by_lane,
        average_attempts=attempts / messages if messages else 0.0,
        oldest_open=oldest,
        newest_open=newest,
    )


async def _landmark(front: Front, tenant: str | None, *, oldest: bool) -> Landmark | None:
    wanted = MessageFilter(tenant=tenant, status=tuple(sorted(OPEN)))
    heads = await front.log.heads(wanted, limit=1, oldest_first=oldest)
    if not heads:
        return None
    return Landmark(id=message_id(heads[0].stream, heads[0].channel), accepted_at=moment(heads[0].accepted_us))
