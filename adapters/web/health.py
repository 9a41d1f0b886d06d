"""Whether the daemon lives, whether it is ready, and its figures.

This file answers for three calls that machines make. Being not ready is an answer with reasons, never an exception.
"""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from adapters.web.answers import Answer, answer
from adapters.web.auth import Caller, everywhere
from adapters.web.front import Front
from adapters.web.gauges import acting_figures, standing_figures


class Health(Answer, frozen=True, kw_only=True):
    """How the daemon is, and what is in the way of being ready."""

    status: str
    reasons: list[str]


class Readiness(Health, frozen=True, kw_only=True):
    """Whether work can be taken. `acts`: this daemon sends; one that stands by takes in for the one that does."""

    acts: bool


async def live(_front: Front, _request: web.Request, _caller: Caller) -> web.Response:
    """Answers as long as the event loop turns."""
    return answer(Health(status="live", reasons=[]))


async def ready(front: Front, _: web.Request, _caller: Caller) -> web.Response:
    """200 where work can be taken, else 503 with the reasons."""
    reasons = front.desk.ready()
    status = "not_ready" if reasons else "ready"
    return answer(Readiness(status=status, reasons=reasons, acts=front.stand is None), 503 if reasons else 200)


async def metrics(front: Front, _: web.Request, caller: Caller) -> web.Response:
    """Every figure, as Prometheus reads it. Those of the whole installation are the acting daemon's to tell."""
    everywhere(caller, "these figures are")
    is_ready = not front.desk.ready()
    if front.stand is None:
        system = front.system
        lanes, tallies = await system.errands.lanes(), await front.log.tallies(None)
        now = acting_figures(lanes, tallies, awake=len(system.roster), is_ready=is_ready)
    else:
        now = standing_figures(is_ready=is_ready)
    return web.Response(body=generate_latest(front.registry) + now, headers={"Content-Type": CONTENT_TYPE_LATEST})
