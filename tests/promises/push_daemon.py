"""A real daemon that pushes to a fake of FCM with a memory for tokens, and an application that registers devices there.

This file answers for speaking to both, and for reading devices from the log of a daemon that is dead. It must never
judge.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, cast

import anyio
import msgspec
from aiohttp import ClientError, ClientSession, web

from core import devices as d
from core.device_names import Token, unsealed
from eventstore.sqlite.log import SqliteLog
from tests.edges.channels.fcm_server import FcmServer, Message, Received, SendRequest, Told, refusal
from tests.storm.daemon import Daemon

Json = dict[str, object]

UNREGISTERED: Final = refusal(404, "NOT_FOUND", "Requested entity was not found.", fcm="UNREGISTERED")
UNAVAILABLE: Final = refusal(
    503, "UNAVAILABLE", "The service is unavailable.", fcm="UNAVAILABLE", headers={"Retry-After": "0"}
)

_SETTLED_WITHIN_S: Final = 60.0
_LANE: Final = """
[lanes.push]
channel = "push"
provider = "fcm"
fcm = {{ service_account = {{ file = "{account}" }}, url = "{url}" }}
policy = {{ retry = {{ after = ["100ms", "200ms", "400ms"] }}, stale_after = "{stale_after}" }}
"""


class Fcm(FcmServer):
    """FCM that knows some tokens to be dead or out of reach, and calls whoever wants to hear of each request."""

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[str, list[Told]] = {}
        self.heard: Callable[[int], Awaitable[None]] | None = None

    def pushes(self) -> Counter[str]:
        """How often each token was pushed to, refused or not."""
        return Counter(_message_in(received).token for received in self.sends)

    def ids(self) -> dict[str, set[str]]:
        """Under which ids of ours pushes reached each token."""
        found: dict[str, set[str]] = {}
        for message in self.taken:
            found.setdefault(message.token, set()).add(message.data["tidings_id"])
        return found

    async def _send(self, request: web.Request) -> web.Response:
        answer = await super()._send(request)
        if self.heard is not None:
            await self.heard(len(self.sends))
        return answer

    def _judged(self, received: Received, project: str) -> Told:
        orders = self.told.get(_message_in(received).token)
        return orders.pop(0) if orders else super()._judged(received, project)


def _message_in(received: Received) -> Message:
    return msgspec.json.decode(received.body, type=SendRequest).message


class Application:
    """Everybody who uses the daemon: over HTTP, with the admin key, until they are answered."""

    def __init__(self, daemon: Daemon, session: ClientSession) -> None:
        self._daemon = daemon
        self._session = session

    async def call(self, method: str, path: str, body: object = None) -> tuple[int, Json]:
        """One call. Raises aiohttp's ClientError where no answer comes."""
        headers = {"Authorization": f"Bearer {self._daemon.key()}"}
        async with self._session.request(method, f"{self._daemon.url}{path}", json=body, headers=headers) as answer:
            return answer.status, await answer.json() if answer.status != 204 else {}

    async def register(self, path: str, token: str) -> Json | None:
        """Registers a device; None where no answer came."""
        try:
            status, device = await self.call("PUT", f"/v1/devices/{path}", {"token": token, "platform": "android"})
        except (ClientError, OSError):
            return None
        assert status in {200, 201}, device
        return device

    async def push(self, user: str) -> str:
        """Pushes to a user; the id of the message."""
        content = {"title": "News", "body": "It happened."}
        status, message = await self.call("POST", "/v1/messages", {"channel": "push", "to": user, "content": content})
        assert status == 202, message
        return str(message["id"])

    async def state(self, message: str) -> Json:
        """What became of a message."""
        return (await self.call("GET", f"/v1/messages/{message}"))[1]

    async def children(self, message: str) -> list[Json]:
        """The messages that a push led to."""
        _, page = await self.call("GET", f"/v1/messages?cause={message}&limit=500")
        return cast("list[Json]", page["messages"])

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Returns once it holds; it is looked at whenever something happens."""
        headers = {"Authorization": f"Bearer {self._daemon.key()}"}
        url = f"{self._daemon.url}/v1/events/stream"
        with anyio.fail_after(_SETTLED_WITHIN_S):
            async with self._session.get(url, headers=headers) as events:
                assert events.status == 200
                while not await holds():
                    assert await events.content.readany(), "the stream of events has ended"

    async def settled(self, message: str, *, devices: int) -> list[Json]:
        """What a push led to, once it has gone to so many devices and each of their messages has ended."""

        async def is_settled() -> bool:
            children = await self.children(message)
            return len(children) == devices and {str(child["status"]) for child in children} <= {"sent", "dead"}

        await self.until(is_settled)
        assert (await self.state(message))["status"] == "sent"
        return await self.children(message)


class Together:
    """A daemon, what it pushes to, and who uses it."""

    def __init__(self, daemon: Daemon, fcm: Fcm, application: Application, data: Path) -> None:
        self.daemon = daemon
        self.fcm = fcm
        self.application = application
        self._data = data

    async def holders(self) -> Counter[Token]:
        """How many devices hold each token, as the log of a daemon says that does not run."""
        log = await SqliteLog.open(self._data / "tidings.db")
        found: Counter[Token] = Counter()
        try:
            for head in await log.heads_of_kind("device"):
                state, sealed = d.fold(await log.events_of(head.stream)), await log.sealed_of(head.stream)
                assert sealed is not None
                if state.status in d.HOLDING:
                    found[unsealed(sealed, state.commitment).held] += 1
        finally:
            await log.close()
        return found


@asynccontextmanager
async def together(room: Path, *, stale_after: str = "30d") -> AsyncIterator[Together]:
    """All of them for the length of a block."""
    data = room / "data"
    data.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    fcm = Fcm()
    async with fcm, ClientSession() as session:
        (data / "service-account.json").write_text(fcm.account())
        config = room / "tidings.toml"
        config.write_text(_LANE.format(account=data / "service-account.json", url=fcm.url, stale_after=stale_after))
        daemon = Daemon(data, config, port)
        await daemon.start()
        try:
            yield Together(daemon, fcm, Application(daemon, session), data)
        finally:
            await daemon.kill()


async def first_of(tasks: "list[asyncio.Task[Json | None]]") -> None:
    """Returns as soon as one of them is through."""
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
