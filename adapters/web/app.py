"""The application that serves the table of routes.

This file answers for what every call has in common: who may make it, what becomes of what it raises, and which headers
go back. It must never hold what a single call does.
"""

from collections.abc import Mapping
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler as WebHandler
from aiohttp.typedefs import Middleware
from prometheus_client import CollectorRegistry

from actors.system import System, World
from adapters.web import failures, openapi
from adapters.web.auth import NOBODY, admit, secret_of
from adapters.web.front import Front, Route, WebBounds
from adapters.web.problems import of_http, problem, response
from adapters.web.reading import given_back
from adapters.web.routes import ROUTES
from adapters.web.traffic import Traffic
from core.settings import Settings

FRONT: Final = web.AppKey("front", Front)


def create_app(
    system: System,
    world: World,
    *,
    settings: Settings,
    registry: CollectorRegistry,
    bounds: WebBounds = WebBounds(),  # noqa: B008  # A frozen value.
) -> web.Application:
    """The HTTP API over a running system. Run it without an access log: that costs more than most calls do."""
    front = Front(system, world, settings=settings, bounds=bounds, registry=registry)
    routes = (*ROUTES, openapi.route(ROUTES, world.release))
    guarded = {_guarded(front, route): route for route in routes}
    traffic = Traffic()
    registry.register(traffic)
    answering = _answering(front, traffic, {handler: route.call for handler, route in guarded.items()})
    app = web.Application(middlewares=[answering], client_max_size=bounds.body_bytes_max)
    app[FRONT] = front
    for handler, route in guarded.items():
        app.router.add_route(route.method, route.path, handler)
    app.on_shutdown.append(_let_followers_go)
    return app


def _guarded(front: Front, route: Route) -> WebHandler:
    """The route's handler behind its door."""
    handler, role, holder_of = route.handler, route.role, front.system.keys.holder

    async def handle(request: web.Request) -> web.StreamResponse:
        if role is None:
            return await handler(front, request, NOBODY)
        secret = secret_of(request)
        caller = admit(request, None if secret is None else holder_of(secret), role)
        return await handler(front, request, caller)

    return handle


def _answering(front: Front, traffic: Traffic, calls: Mapping[WebHandler, str]) -> Middleware:
    """The one middleware: whatever a call raises becomes a problem, and what came with a request goes back."""

    @web.middleware
    async def answer(request: web.Request, handler: WebHandler) -> web.StreamResponse:
        began_s = request.loop.time()
        call = calls.get(handler, "unknown")
        try:
            given = await handler(request)
        except web.HTTPException as error:
            given = response(*of_http(error, request))
        except web.RequestPayloadError:
            given = response(problem("malformed", "the body breaks off or is not encoded as it says"))
        except ConnectionError:
            raise  # The client has gone, so nobody is left to be told.
        except Exception as error:
            if request.writer.output_size:
                # Half an answer is out: only breaking it off tells the client that it is not whole.
                failures.told(front, error, call)
                raise ConnectionResetError("an answer broke off") from error
            given = response(failures.told(front, error, call), getattr(error, "headers", None))
        if not given.prepared:
            given.headers.update(given_back(request))
        traffic.saw(call, given.status, request.loop.time() - began_s)
        return given

    return answer


async def _let_followers_go(app: web.Application) -> None:
    for scope in tuple(app[FRONT].followers):
        scope.cancel()
