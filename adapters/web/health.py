"""Whether the daemon lives, whether it is ready, and its figures.

This file answers for three calls that machines make. Being not ready is an answer with reasons, never an exception.
"""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from adapters.web.answers import Answer, answer
from adapters.web.auth import Caller, everywhere
from adapters.web.front import Front
from adapters.web.gauges import standing


class Health(Answer, frozen=True, kw_only=True):
    """How the daemon is, and what is in the way of being ready."""

    status: str
    reasons: list[str]


async def live(_front: Front, _request: web.Request, _caller: Caller) -> web.Response:
    """Answers as long as the event loop turns."""
    return answer(Health(status="live", reasons=[]))


async def ready(front: Front, _: web.Request, _caller: Caller) -> web.Response:
    """200 where work can be taken, else 503 with the reasons."""
    reasons = front.system.ready()
    return answer(Health(status="not_ready" if reasons else "ready", reasons=reasons), 503 if reasons else 200)


async def metrics(front: Front, _: web.Request, caller: Caller) -> web.Response:
    """Every figure, as Prometheus reads it. The figures are of the whole installation."""
    everywhere(caller, "these figures are")
    system = front.system
    lanes, tallies = await system.errands.lanes(), await front.log.tallies(None)
    now = standing(lanes, tallies, awake=len(system.roster), is_ready=not system.ready())
    return web.Response(body=generate_latest(front.registry) + now, headers={"Content-Type": CONTENT_TYPE_LATEST})
