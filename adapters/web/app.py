"""The application that serves the table of routes.

This file answers for what every call has in common: who may make it, what becomes of what it raises, and which headers
go back. It must never hold what a single call does.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.typedefs import Handler as WebHandler
from prometheus_client import CollectorRegistry

from actors.system import System, World
from adapters.hooks.sources import Source
from adapters.web import failures, hooks, openapi
from adapters.web.auth import NOBODY, Caller, admit, secret_of
from adapters.web.desks import acting
from adapters.web.forwarding import forwarded
from adapters.web.front import Front, Route, WebBounds
from adapters.web.problems import problem, response
from adapters.web.reading import decline_query, given_back
from adapters.web.routes import ROUTES
from adapters.web.traffic import Traffic
from adapters.web.unreadable import ProblemServer
from core.errors import AppendUnknown
from core.settings import Settings
from core.views import Role

FRONT: Final = web.AppKey("front", Front)
# Who answers on paths without a variable, by method and path.
_FIXED: Final = web.AppKey("fixed", dict[tuple[str, str], WebHandler])
_NOT_HEADED: Final = frozenset({"text/event-stream"})


def create_app(
    system: System,
    world: World,
    *,
    settings: Settings,
    registry: CollectorRegistry,
    now_s: Callable[[], float],
    bounds: WebBounds = WebBounds(),  # noqa: B008  # A frozen value.
    sources: Iterable[Source] = (),
) -> web.Application:
    """The HTTP API over a running system, and the door for hooks of these sources. `runner_of` runs it.

    `now_s` is a clock that never steps, in seconds: by it answers are measured.
    """
    front = Front(
        acting(system, world),
        secrets=world.secrets,
        witness=world.witness,
        settings=settings,
        bounds=bounds,
        registry=registry,
        sources=sources,
    )
    return app_of(front, world.release, now_s)


def app_of(front: Front, release: str, now_s: Callable[[], float]) -> web.Application:
    """The HTTP API of a daemon, whichever side it is on; `Front.go_on` exchanges that under the calls to come."""
    bounds, registry = front.bounds, front.registry
    traffic = Traffic()
    registry.register(traffic)
    registry.register(front.hooks.figures)
    app = web.Application(client_max_size=bounds.body_bytes_max)
    app[FRONT] = front
    fixed = app[_FIXED] = {}
    methods: dict[str, list[str]] = {}
    for route in (*ROUTES, openapi.route(ROUTES, release)):
        answer = _answering(front, traffic, route, now_s)
        taken = [route.method]
        if route.method == "GET" and route.gives not in _NOT_HEADED:
            taken.append("HEAD")
        for method in taken:
            app.router.add_route(method, route.path, answer, expect_handler=_go_ahead)
            if "{" not in route.path:
                fixed[method, route.path] = answer
        if hooks.SOURCE in route.path:
            # Sources that come with a reload are found by the variable.
            for name in front.hooks.sources.names():
                fixed[route.method, route.path.replace(hooks.SOURCE, name)] = answer
        methods.setdefault(route.path, []).extend(taken)
    # Other methods of a known path, then every other path. A middleware would do as well, at a price for every call.
    for path, taken in methods.items():
        app.router.add_route("*", path, _wrong_method(sorted(taken)), expect_handler=_go_ahead)
    app.router.add_route("*", "/{path:.*}", _nothing_here, expect_handler=_go_ahead)
    app.on_shutdown.append(_let_followers_go)
    return app


def runner_of(app: web.Application, *, answers_end_s: float, lingers_s: float = 10.0) -> web.AppRunner:
    """What serves the application. Answers that are under way at its end may take `answers_end_s` more.

    After an answer that did not wait for the end of a body, it reads on for `lingers_s` before it hangs up.
    """
    return _Runner(
        app,
        # A log of accesses costs more than most calls do.
        access_log=None,
        handle_signals=False,
        shutdown_timeout=answers_end_s,
        lingering_time=lingers_s,
        # Packed bodies are declined, and must not be unpacked for that.
        auto_decompress=False,
        # It counts for a head of which only a part has come, too: whoever dribbles one holds a line no longer.
        keepalive_timeout=app[FRONT].bounds.idle_s,
    )


class _Runner(web.AppRunner):
    """Serves an application, and spares what it does for a request on a path that is known as it stands.

    Whoever answers there has no variable to ask for: such a request was never matched with a path.
    """

    async def setup(self) -> None:
        """Before anybody can connect, as the library has it."""
        await super().setup()
        server = self.server
        assert server is not None, "it was just set up"
        fixed, routed = self.app[_FIXED], server.request_handler

        def answered(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
            path = request.rel_url.raw_path
            answer = fixed.get((request.method, path))
            assert isinstance(request, web.Request), "an application makes its requests itself"
            if answer is None and not path.startswith("/"):
                # OPTIONS may ask for "*", and CONNECT for a host: no route is found for either, and no problem made.
                return _nothing_here(request)
            if answer is None or hdrs.EXPECT in request.headers:
                return routed(request)
            return answer(request)

        server.request_handler = answered

    async def _make_server(self) -> web.Server:
        return ProblemServer.like(await super()._make_server())


def _answering(front: Front, traffic: Traffic, route: Route, now_s: Callable[[], float]) -> WebHandler:
    """The route's handler behind its door: whatever it raises becomes a problem, and it is counted."""
    call, handler, role = route.call, route.handler, route.role
    # Hooks and probes may say more than they have to; whoever asks with a key asks for something.
    takes_no_query = role is not None and route.query is None

    async def answer(request: web.Request) -> web.StreamResponse:
        began_s = now_s()
        given: web.StreamResponse
        try:
            caller = NOBODY if role is None else await _caller(front, request, role)
            if takes_no_query and request.rel_url.raw_query_string:
                decline_query(request)
            if route.anywhere:
                given = await handler(front, request, caller)
            elif front.stand is None:
                given = await handler(front, request, caller)
                _still_acts(front, route)
            else:
                given = await forwarded(front, request)
        except ConnectionError:
            return _broken_off(request)  # The client has gone, so nobody is left to be told.
        except Exception as error:
            told, headers = failures.told(front, error, call)
            if request.writer.output_size:
                # Half an answer is out: only breaking it off tells the client that it is not whole.
                return _broken_off(request)
            given = response(told, headers)
        if not given.prepared:
            back = given_back(request)
            if back:
                given.headers.update(back)
        traffic.saw(call, given.status, now_s() - began_s)
        return given

    return answer


def _still_acts(front: Front, route: Route) -> None:
    """Raises AppendUnknown for a change where another daemon may act by now.

    What found nothing to change has written nothing, so no fence has spoken: it may have looked at what was true once.
    """
    if route.method != "GET" and not front.log.may_send():
        raise AppendUnknown("another daemon may act by now, and nobody can tell what became of this here")


async def _caller(front: Front, request: web.Request, role: Role) -> Caller:
    """Whoever makes the call, admitted. Raises Declined."""
    secret = secret_of(request)
    holder = None if secret is None else front.desk.keys.holder(secret)
    if secret is not None and holder is None and front.stand is not None:
        # The key may be a moment old, made by the acting daemon.
        await front.stand.look_again()
        holder = front.desk.keys.holder(secret)
    return admit(request, holder, role)


def _broken_off(request: web.Request) -> web.Response:
    """An answer that goes nowhere. An exception in its place would be logged by the server as a fault of ours."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _wrong_method(allowed: list[str]) -> WebHandler:
    async def answer(request: web.Request) -> web.StreamResponse:
        words = f"{request.path} takes {' or '.join(allowed)}, not {request.method}"
        return response(problem("method", words), {"Allow": ", ".join(allowed), **given_back(request)})

    return answer


async def _nothing_here(request: web.Request) -> web.StreamResponse:
    words = f"there is nothing at {request.path}; /openapi.json lists every path"
    return response(problem("not-found", words), given_back(request))


async def _go_ahead(request: web.Request) -> web.StreamResponse | None:
    """What a client is told that asks before it sends its body (RFC 9110 section 10.1.1)."""
    if request.version < HttpVersion11:
        return None  # It knows no answer before the answer.
    if request.headers[hdrs.EXPECT].lower() != "100-continue":
        return response(problem("expectation", "the only expectation that can be met is 100-continue"))
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    # What follows is the answer itself, of which nothing is out yet.
    request.writer.output_size = 0
    return None


async def _let_followers_go(app: web.Application) -> None:
    for scope in tuple(app[FRONT].followers):
        scope.cancel()
