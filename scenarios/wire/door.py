"""The HTTP API on the wire: production's own application, and the clients and senders that call it over HTTP.

This file answers for reading its answers as a careful client does: a call without an answer is of unknown fate,
whatever became of it. It must never reach past the door.
"""

from collections.abc import Mapping
from typing import Final, NoReturn

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar
from anyio import Lock
from prometheus_client import CollectorRegistry

from actors.hooks import Brought
from actors.intake import Acknowledgement
from actors.system import System, World
from adapters.hooks.requests import BadSignature
from adapters.web.app import create_app, runner_of
from adapters.web.front import WebBounds
from core import ids
from core.errors import AppendUnknown, Invalid, KeyReused, Refused, StreamConflict
from core.policies import SECOND_US
from scenarios.file.arriving import Request
from scenarios.loop.virtual import running_loop
from scenarios.wire.course import Course
from scenarios.wire.exchange import Call, UnderWay
from scenarios.wire.network import Server
from scenarios.world.ground import Ground
from scenarios.world.hooking import Post, signed
from scenarios.world.naming import traced

DOOR_HOST: Final = "tidings.wire.example"
_URL: Final = f"http://{DOOR_HOST}"
# As in production: how long answers in flight may take at the end.
_ANSWERS_END_S: Final = 1.0
_PATIENCE_S: Final = 30.0
# There are no threads in here: whatever comes in is taken apart where it is.
_BOUNDS: Final = WebBounds(hook_on_loop_bytes_max=1 << 30)
# One way between a client and the door.
_WAY_US: Final = 3_000


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer may hold, of all kinds."""

    id: str | None = None
    conversation: str | None = None
    status: str | int = ""
    duplicate: bool = False
    duplicates: int = 0
    type: str = ""
    detail: str = ""
    retry_after_s: int = 1


_DECODER: Final = msgspec.json.Decoder(_Said)


class Door:
    """The API of one life: serves, and is called. `close` lets answers in flight end."""

    def __init__(self, ground: Ground, system: System, world: World) -> None:
        self._ground = ground
        self._keys, self._hooks = system.keys, system.hooks
        self._loop = running_loop()
        self._lock = Lock()
        self._session: ClientSession | None = None
        sources = [ground.opened(hook.name).source for hook in ground.scenario.hooks]
        app = create_app(
            system,
            world,
            settings=ground.settings,
            registry=CollectorRegistry(),
            now_s=self._loop.time,
            bounds=_BOUNDS,
            sources=sources,
        )
        self._runner = runner_of(app, answers_end_s=_ANSWERS_END_S)

    async def open(self) -> Server:
        """Who answers at the door's name."""
        await self._runner.setup()
        server = self._runner.server
        assert server is not None, "a runner that is set up has a server"
        self._session = ClientSession(cookie_jar=DummyCookieJar(), timeout=ClientTimeout(total=_PATIENCE_S))
        return Server(protocol=server, carries=True)

    async def close(self) -> None:
        """Hangs up on everybody."""
        if self._session is not None:
            await self._session.close()
        await self._runner.cleanup()

    async def accept(self, request: Request) -> Acknowledgement:
        """See Entrance."""
        secret = await self._secret(request.tenant)
        headers = {
            "Authorization": f"Bearer {secret}",
            "Content-Type": "application/json",
            "traceparent": traced(request.key),
        }
        status, said = await self._post("/v1/messages", request.body, headers, (request.key, request.nth))
        if status in {200, 202}:
            return _acknowledged(said)
        return _raise(status, said)

    async def take(self, post: Post, nth: int) -> list[Acknowledgement]:
        """See Entrance."""
        key = post.updates[0]
        sent_us = self._ground.scenario.start_us + self._now_us()
        hook = signed(self._ground.opened(post.source), post, sent_us // SECOND_US)
        headers = {**dict(hook.headers), "traceparent": traced(key)}
        status, said = await self._post(hook.raw_path, hook.body, headers, (key, nth))
        if status == 401:
            raise BadSignature("mismatch")
        if status != 200:
            return _raise(status, said)
        return [_acknowledged(said)]

    async def heed(self, brought: Brought) -> None:
        """See Entrance. What nobody's hook brings needs no wire."""
        await self._hooks.heed(brought)

    async def _post(
        self, path: str, body: bytes, headers: Mapping[str, str], key: tuple[str, int]
    ) -> tuple[int, _Said]:
        assert self._session is not None, "the door is open"
        with UnderWay(Call(self._course(key))):
            try:
                async with self._session.post(
                    _URL + path, data=body, headers=headers, allow_redirects=False
                ) as response:
                    return response.status, _DECODER.decode(await response.read())
            except (ClientError, TimeoutError, OSError) as error:
                raise AppendUnknown(f"no answer came: {type(error).__name__}") from None

    def _course(self, key: tuple[str, int]) -> Course:
        """What becomes of one call: a share of the calls breaks off, some on their way in, some on their way out."""
        draws, plain = self._ground.draws, Course(there_us=_WAY_US, back_us=_WAY_US)
        at = (*key, self._now_us())
        if draws.draw("call breaks", *at) >= self._ground.scenario.api.cut:
            return plain
        share = draws.draw("call breaks at", *at)
        if draws.draw("call breaks on its way in", *at) < 0.5:
            return msgspec.structs.replace(plain, breaks_in=0, breaks_at=share)
        return msgspec.structs.replace(plain, ends_at=share, ends_by="breaks")

    async def _secret(self, tenant: str) -> str:
        """The tenant's key, made when it is first needed and kept by the client over all lives of the daemon."""
        async with self._lock:
            if tenant not in self._ground.secrets.of_clients:
                _, secret = await self._keys.add(tenant=tenant, role="send", label="simulated")
                self._ground.secrets.of_clients[tenant] = secret
        return self._ground.secrets.of_clients[tenant]

    def _now_us(self) -> int:
        return self._loop.now_us


def _acknowledged(said: _Said) -> Acknowledgement:
    stream = None if said.id is None else ids.decode("msg", said.id) or ids.decode("hook", said.id)
    assert stream is not None, "what was taken has an id"
    return Acknowledgement(
        id=stream,
        conversation=0,
        status=str(said.status),
        due_us=None,
        duplicate=said.duplicate or said.duplicates > 0,
    )


def _raise(status: int, said: _Said) -> NoReturn:
    """The error that a refusal tells of, as the caller would have met it without a wire."""
    match said.type.rpartition(":")[2]:
        case "busy" | "unavailable":
            raise Refused(said.detail, retry_after_s=said.retry_after_s)
        case "unknown-outcome":
            raise AppendUnknown(said.detail)
        case "key-reused":
            raise KeyReused(0)
        case "invalid" | "malformed" | "too-large":
            raise Invalid("", said.detail)
        case kind:
            # Nobody may ever see this one: clients of a world ask for nothing else.
            raise StreamConflict(f"{status} {kind}: {said.detail}")
