"""Answers for a running house to knock at: log, actors and HTTP server, with a provider whose answers a test decides.

Only the provider is a stand-in, since it is the outside. It must never know what a test expects.
"""

import asyncio
import io
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, cast
from zoneinfo import ZoneInfo

import anyio
import msgspec
from aiohttp import ClientSession, web
from multidict import CIMultiDictProxy
from yarl import URL

from actors.hooks import Brought
from actors.system import System, World
from adapters.chance import KeyedChance, SystemSecrets
from adapters.clock import SystemClock, monotonic_s
from adapters.telemetry import Telemetry
from adapters.web.app import create_app, runner_of
from adapters.web.front import WebBounds
from core.news import News
from core.outcomes import Outcome, Taken
from core.policies import PRESETS
from core.ports import Channel, Log, Parcel
from core.settings import Bounds, Lane, Settings
from core.views import Role
from eventstore.memory import MemoryLog

Json = dict[str, object]

EMAIL: Final[Json] = {
    "channel": "email",
    "to": "ann@example.com",
    "content": {"subject": "Tomorrow", "text": "At eight."},
}


class Provider:
    """The other side of every lane. It takes all, unless a test gave it other answers to begin with."""

    def __init__(self) -> None:
        self.answers: list[Outcome] = []
        self.seen: list[Parcel] = []
        # What its answers wait for, where a test wants attempts to stay out.
        self.waits_for: anyio.Event | None = None

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        self.seen.append(parcel)
        handed_over()
        if self.waits_for is not None:
            await self.waits_for.wait()
        return self.answers.pop(0) if self.answers else Taken(code="250", provider_id="at-the-provider")

    async def close(self) -> None:
        pass


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What the API answered."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> Json:
        """The body, read as a JSON object."""
        return cast("Json", msgspec.json.decode(self.body))

    @property
    def lines(self) -> list[Json]:
        """The body, read as JSON lines."""
        return [cast("Json", msgspec.json.decode(line)) for line in self.body.splitlines()]

    @property
    def kind(self) -> str:
        """What kind of problem it is."""
        assert self.headers["Content-Type"] == "application/problem+json", self.body
        assert self.json["status"] == self.status, self.body
        return str(self.json["type"]).removeprefix("urn:tidings:problem:")

    @property
    def mistake(self) -> tuple[str, str]:
        """Where the first mistake is, and what was said about it."""
        errors = cast("list[dict[str, str]]", self.json["errors"])
        return errors[0]["at"], errors[0]["detail"]


class House:
    """A running system behind its HTTP API."""

    def __init__(self, system: System, log: Log, *, provider: Provider, telemetry: Telemetry, said: io.BytesIO) -> None:
        self.system = system
        self.log = log
        self.provider = provider
        self.telemetry = telemetry
        self.said = said
        self.port = 0
        self.stop_serving: Callable[[], Awaitable[None]]
        self.session = ClientSession()
        self._secrets: dict[tuple[str | None, Role], str] = {}

    @property
    def url(self) -> str:
        """Where the API is."""
        return f"http://127.0.0.1:{self.port}"

    async def secret(self, role: Role = "admin", tenant: str | None = None) -> str:
        """The secret of a key with this role; `tenant` None: for all tenants."""
        known = self._secrets.get((tenant, role))
        if known is None:
            _, known = await self.system.keys.add(tenant=tenant, role=role, label="test")
            self._secrets[tenant, role] = known
        return known

    async def ask(
        self,
        call: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        role: Role | None = "admin",
        tenant: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Given:
        """What a call such as "GET /v1/lanes" is answered with. `role` None: without a key."""
        method, _, path = call.partition(" ")
        given = dict(headers or {})
        if role is not None:
            given.setdefault("Authorization", f"Bearer {await self.secret(role, tenant)}")
        data = raw if raw is not None else None if body is None else msgspec.json.encode(body)
        if data is not None:
            given.setdefault("Content-Type", "application/json")
        # A stream, since aiohttp warns of large bodies that it is given as bytes.
        sent = None if data is None else io.BytesIO(data)
        # As it stands, since the client would mend percent codes that a test broke.
        url = URL(self.url + path, encoded=True)
        async with self.session.request(method, url, data=sent, headers=given) as answered:
            return Given(status=answered.status, headers=answered.headers, body=await answered.read())

    async def accepted(self, **changes: object) -> Json:
        """An email that was taken charge of, with changes to the request."""
        given = await self.ask("POST /v1/messages", EMAIL | changes)
        assert given.status == 202, given.body
        return given.json

    async def paused(self, lane: str = "mail") -> None:
        """Lets nothing out of a lane, so that messages stay where a test wants them."""
        assert (await self.ask(f"POST /v1/lanes/{lane}/pause")).status == 200

    async def state(self, message: Json) -> Json:
        """What became of a message."""
        return (await self.ask(f"GET /v1/messages/{message['id']}")).json

    async def until(self, message: Json, status: str) -> Json:
        """The message's state once it has this status."""
        return await self.until_it(message, lambda state: state["status"] == status)

    async def until_it(self, message: Json, is_so: Callable[[Json], object]) -> Json:
        """The message's state once it is so; every commit is looked at, so nothing is waited for in vain."""
        with anyio.fail_after(10):
            while True:
                change = self.log.changed()
                state = await self.state(message)
                if is_so(state):
                    return state
                await change

    async def hears(self, *news: News, lane: str = "mail") -> None:
        """What a provider's hook tells about this lane and its account is heeded."""
        await self.system.hooks.heed(Brought(tenant="default", news=news, lanes=(lane,), accounts=(lane,)))

    async def count(self) -> int:
        """How many messages there are in all."""
        return sum(tally.count for tally in await self.log.tallies(None))


class Line:
    """A bare connection to the house, for clients that behave as no library would."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    async def send(self, sent: bytes) -> None:
        """Sends all of it, however long the other side takes."""
        await asyncio.get_running_loop().sock_sendall(self._connection, sent)

    async def receive(self, bytes_max: int) -> bytes:
        """What has arrived, empty at the end."""
        return await asyncio.get_running_loop().sock_recv(self._connection, bytes_max)

    async def all(self) -> bytes:
        """Everything up to the end."""
        given = bytearray()
        with anyio.fail_after(60):
            while piece := await self.receive(1 << 20):
                given += piece
        return bytes(given)


def bare_line(house: House) -> AbstractAsyncContextManager[Line]:
    """A connection to the house that takes in hardly anything that is not asked for."""
    return line_to(house.port)


@asynccontextmanager
async def line_to(port: int) -> AsyncIterator[Line]:
    """The same to any port of this machine."""
    with socket.socket() as connection:
        connection.settimeout(0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        yield Line(connection)


def later(**ahead: float) -> str:
    """An RFC 3339 time from now on."""
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat()


@asynccontextmanager
async def running(
    given: Log | None = None, *, door: WebBounds | None = None, bounds: Bounds | None = None, lingers_s: float = 10
) -> AsyncIterator[House]:
    """A house over this log (a new one in memory without it), until the end of the block.

    After an answer that did not wait for the end of a body, the server reads on for `lingers_s` before it hangs up.
    """
    log: Log = given if given is not None else MemoryLog()
    provider, said = Provider(), io.BytesIO()
    telemetry = Telemetry(stream=said)
    world = World(
        log=log,
        clock=SystemClock(floor_us=log.newest()[1]),
        secrets=SystemSecrets(bytes(32)),
        witness=telemetry,
        chance_of=KeyedChance,
        zone_of=ZoneInfo,
        release="test",
    )
    lanes = (
        Lane(name="mail", channel="email", provider="stand-in", policy=PRESETS["email"]),
        Lane(name="spare", channel="email", provider="stand-in", policy=PRESETS["email"]),
        Lane(name="calls", channel="webhook", provider="stand-in", policy=PRESETS["webhook"]),
        Lane(name="chat", channel="whatsapp", provider="stand-in", policy=PRESETS["whatsapp"]),
        Lane(name="shop", channel="hook", provider="stand-in", policy=PRESETS["hook"]),
    )
    settings = Settings(lanes=lanes, policies=PRESETS, bounds=bounds if bounds is not None else Bounds())
    channels: dict[str, Channel] = {lane.name: provider for lane in lanes}
    system = await System.open(world, settings, channels)
    door = door if door is not None else WebBounds()
    registry = telemetry.registry
    app = create_app(system, world, settings=settings, registry=registry, now_s=monotonic_s, bounds=door)
    async with anyio.create_task_group() as group:
        await group.start(system.run)
        house = House(system, log, provider=provider, telemetry=telemetry, said=said)
        async with house.session:
            runner = runner_of(app, answers_end_s=5, lingers_s=lingers_s)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            house.port = runner.addresses[0][1]
            house.stop_serving = runner.cleanup
            yield house
            await runner.cleanup()
        await system.stop()
    await log.close()
