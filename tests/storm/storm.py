"""The storm itself: clients that insist, a daemon that is killed at random, and sinks that misbehave."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import anyio
import msgspec
from aiohttp import ClientError, ClientSession

from eventstore.copying.copying import extract
from eventstore.sqlite.checking import verify
from scenarios.draws import Draws
from tests.storm.daemon import Daemon
from tests.storm.judging import Story, read_story
from tests.storm.sinks import Books, http_sink, smtp_sink

_SETTLED_WITHIN_S: Final = 120.0

# Quick schedules, so that a storm takes minutes; limits that are felt at this rate.
CONFIG: Final = """
[lanes.mail]
channel = "email"
provider = "smtp"
smtp = {{ host = "127.0.0.1", port = {smtp}, tls = "none", from = "Tidings <no-reply@example.com>" }}
policy = {{ preset = "storm" }}
[lanes.calls]
channel = "webhook"
provider = "webhook"
webhook = {{ allow_private = ["127.0.0.0/8"], allow_http = true, secrets = ["whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"] }}
policy = {{ preset = "storm" }}
[policies.storm]
extends = "webhook"
retry = {{ first = "200ms", factor = 1.5, times = 40, ceiling = "2s" }}
limits = {{ lane = "{per_s}/s", recipient = "20/s", host_concurrency = 64 }}
circuit = {{ failures = 5, cooldown = "1s", ceiling = "2s" }}
breaker = {{ share = 1.0, of = 1000, within = "10s" }}
"""


class Weather(msgspec.Struct, frozen=True, kw_only=True):
    """How much of everything. Half of the conversations are mail, half are webhooks."""

    messages: int
    conversations: int
    kills: int
    per_s: int
    seed: int
    verify: bool = True


class Aftermath(msgspec.Struct, frozen=True, kw_only=True):
    """What is known after a storm. `accepted` maps (peer, number) to the message's id."""

    accepted: dict[tuple[str, int], str]
    books: Books
    story: Story
    starts: int
    exit_status: int


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """A log that is not in the data directory: the URL by which the daemon knows it, and the one to look at it by."""

    url: str
    seen_at: str


Lightning = Callable[[Daemon, Weather], Awaitable[None]]


async def strike(daemon: Daemon, weather: Weather) -> None:
    """Kills the daemon at random, and starts it again."""
    for nth in range(weather.kills):
        await pause(weather, nth)
        await daemon.kill()
        await daemon.start()
        if weather.verify:
            await daemon.verify()


async def pause(weather: Weather, nth: int) -> None:
    """The time before something strikes for the n-th time."""
    await anyio.sleep(0.3 + 1.5 * Draws(weather.seed).draw("lightning", nth))


async def storm(
    folder: Path, weather: Weather, *, lightning: Lightning = strike, store: Store | None = None
) -> Aftermath:
    """Lets it blow, waits until everything has arrived, and reads the log."""
    books = Books(weather.seed)
    accepted: dict[tuple[str, int], str] = {}
    async with _daemon(folder, weather, books, store) as (daemon, http_port), ClientSession() as session:
        door = _Door(daemon=daemon, session=session)
        async with anyio.create_task_group() as clients:
            for nth in range(weather.conversations):
                clients.start_soon(_client, door, Peer(nth, http_port), weather, accepted)
            await lightning(daemon, weather)
        await _settled(door)
        exit_status = await daemon.stop()
    file = folder / "data" / "tidings.db"
    if store is not None:
        await extract(store.seen_at, file)
        assert not verify(file).faults
    story = await read_story(file)
    return Aftermath(accepted=accepted, books=books, story=story, starts=daemon.starts, exit_status=exit_status)


@asynccontextmanager
async def _daemon(
    folder: Path, weather: Weather, books: Books, store: Store | None
) -> AsyncIterator[tuple[Daemon, int]]:
    async with http_sink(books) as http_port, smtp_sink(books) as smtp_port:
        config = folder / "tidings.toml"
        where = "" if store is None else f'[store]\nurl = "{store.url}"\n'
        config.write_text(where + CONFIG.format(smtp=smtp_port, per_s=weather.per_s))
        (folder / "data").mkdir()
        daemon = Daemon(folder / "data", config, _free_port(), None if store is None else store.seen_at)
        await daemon.start()
        try:
            yield daemon, http_port
        finally:
            await daemon.kill()


class Peer:
    """One conversation's other end, as the daemon and as the books call it."""

    def __init__(self, nth: int, http_port: int) -> None:
        self.is_mail = nth % 2 == 0
        self.books_name = f"peer{nth}@example.com" if self.is_mail else f"/peer{nth}"
        self.to = self.books_name if self.is_mail else f"http://127.0.0.1:{http_port}/peer{nth}"

    def request(self, number: int) -> bytes:
        """The request for one message to this peer."""
        mail = {"subject": f"Number {number}", "text": "See you tomorrow."}
        event = {"type": "storm.blew", "data": {"n": number}}
        return msgspec.json.encode(
            {
                "channel": "email" if self.is_mail else "webhook",
                "to": self.to,
                "content": mail if self.is_mail else event,
                "idempotency_key": f"{self.books_name}/{number}",
            }
        )


class _Door(msgspec.Struct, frozen=True, kw_only=True):
    """The daemon and the session it is asked through."""

    daemon: Daemon
    session: ClientSession

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"Authorization": f"Bearer {self.daemon.key()}", "Tidings-Tenant": "default"}


async def _client(door: _Door, peer: Peer, weather: Weather, accepted: dict[tuple[str, int], str]) -> None:
    """Sends one peer's messages, the next only once the one before was accepted, and insists until it is."""
    for number in range(weather.messages // weather.conversations):
        accepted[peer.books_name, number] = await _insist(door, peer.request(number))
        await anyio.sleep(Draws(weather.seed).draw("client", peer.books_name, number))


async def _insist(door: _Door, request: bytes) -> str:
    while True:
        # Where it was killed, the same key makes it safe to say it again.
        with suppress(ClientError, ConnectionError):
            accepted = await _post(door, request)
            if accepted is not None:
                return accepted
        await anyio.sleep(0.1)


async def _post(door: _Door, request: bytes) -> str | None:
    """The message's id, None where the daemon cannot take it now."""
    headers = {**door.headers, "Content-Type": "application/json"}
    async with door.session.post(f"{door.daemon.url}/v1/messages", data=request, headers=headers) as answer:
        body = await answer.json(content_type=None)
        assert answer.status in {200, 202, 429, 503}, f"{answer.status}: {body}"
        return str(body["id"]) if answer.status in {200, 202} else None


async def _settled(door: _Door) -> None:
    """Returns once nothing is open any more."""
    with anyio.fail_after(_SETTLED_WITHIN_S):
        while await _count_open(door):  # noqa: ASYNC110  # What is waited for lives in another process.
            await anyio.sleep(0.2)


async def _count_open(door: _Door) -> int:
    async with door.session.get(f"{door.daemon.url}/v1/stats", headers=door.headers) as answer:
        # Where the store is away, nobody can tell.
        return 1 if answer.status == 503 else int((await answer.json(content_type=None))["open"])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
