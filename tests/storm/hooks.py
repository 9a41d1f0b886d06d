"""A storm of hooks: Stripe's events, each sent several times and shuffled, a handler that is down for a part of them
and misbehaves for the rest, and a daemon that is killed in the middle.

Answers for the books being true: what a sender was told, what the handler really did, and whether anybody meant it. It
must never decide what is right; test_hooks_storm.py does.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import anyio
import msgspec
from aiohttp import ClientError, ClientSession, web
from standardwebhooks import Webhook, WebhookVerificationError
from stripe import SignatureVerificationError, WebhookSignature

from scenarios.draws import Draws
from tests.storm.daemon import Daemon
from tests.storm.judging import Story, read_story

SECRET: Final = "whsec_storm"
OURS: Final = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
# Of the handler's answers, so many are bad; each sort is as likely as the others.
BAD_SHARE: Final = 0.15
_SETTLED_WITHIN_S: Final = 120.0

# Quick schedules, so that a storm takes seconds.
CONFIG: Final = f"""
[hooks.stripe]
scheme = "stripe"
secrets = ["whsec_old", "{SECRET}"]
forward = "http://127.0.0.1:{{port}}/stripe"
signing_secrets = ["{OURS}"]
order_by = "/data/object/customer"
policy = {{{{ preset = "storm" }}}}
[policies.storm]
extends = "hook"
retry = {{{{ first = "100ms", factor = 1.5, times = 60, ceiling = "1s" }}}}
circuit = {{{{ failures = 5, cooldown = "500ms", ceiling = "1s" }}}}
breaker = {{{{ share = 1.0, of = 1000, within = "10s" }}}}
"""


class Weather(msgspec.Struct, frozen=True, kw_only=True):
    """How much of everything. Kills come at these shares of all sends; between two others the handler is down."""

    events: int
    customers: int
    seed: int
    times: int = 3
    kills: tuple[float, ...] = (0.2, 0.6)
    down: tuple[float, float] = (0.35, 0.5)
    verify: bool = True


class Handled(msgspec.Struct, frozen=True, kw_only=True):
    """The handler did what a hook asked for: of which customer, which event."""

    customer: str
    event: str


class Aftermath(msgspec.Struct, frozen=True, kw_only=True):
    """What is known after a storm. `sent` has each customer's events in the order in which they were first sent,
    `answers` what senders were told of each event: status and the hook's id; `refused` what no signature vouched for.
    """

    sent: dict[str, list[str]]
    answers: dict[str, list[tuple[int, str]]]
    handled: list[Handled]
    moods: dict[str, int]
    refused: int
    story: Story
    starts: int
    exit_status: int


class Handler:
    """An endpoint that can be down, and keeps books."""

    def __init__(self, seed: int) -> None:
        self.handled: list[Handled] = []
        self.moods: dict[str, int] = {}
        self.refused = 0
        self.port = _free_port()
        self._draws = Draws(seed)
        self._asked = 0
        self._runner: web.AppRunner | None = None

    async def come_up(self) -> None:
        """Listens."""
        app = web.Application()
        app.router.add_post("/stripe", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()

    async def go_down(self) -> None:
        """Listens no more; whoever waits for an answer gets none."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if not _is_vouched_for(body, request):
            self.refused += 1
        event = msgspec.json.decode(body)
        mood = self._mood()
        if mood in {"ok", "lost_reply"}:
            self.handled.append(Handled(customer=event["data"]["object"]["customer"], event=event["id"]))
        if mood in {"lost_reply", "reset"}:
            assert request.transport is not None, "a request that is being answered has a transport"
            request.transport.abort()
        return web.Response(status=503 if mood == "503" else 200)

    def _mood(self) -> str:
        self._asked += 1
        is_bad = self._draws.draw("bad", self._asked) < BAD_SHARE
        mood = self._draws.choice("mood", self._asked, among=("503", "reset", "lost_reply")) if is_bad else "ok"
        self.moods[mood] = self.moods.get(mood, 0) + 1
        return mood


class _Senders:
    """Everybody who sends: each customer's events in their own order, the next only once the one before is answered."""

    def __init__(self, daemon: Daemon, session: ClientSession, weather: Weather) -> None:
        self._daemon = daemon
        self._session = session
        self._weather = weather
        self._draws = Draws(weather.seed)
        self._passed = asyncio.Condition()
        self.done = 0
        self.sent: dict[str, list[str]] = {}
        self.answers: dict[str, list[tuple[int, str]]] = {}

    async def run(self) -> None:
        """Sends everything."""
        async with anyio.create_task_group() as group:
            for nth in range(self._weather.customers):
                group.start_soon(self._customer, f"cus_{nth}")

    async def reached(self, share: float) -> None:
        """Returns once so many of all sends were answered."""
        wanted = share * self._weather.events * self._weather.times
        async with self._passed:
            await self._passed.wait_for(lambda: self.done >= wanted)

    async def _customer(self, customer: str) -> None:
        each = self._weather.events // self._weather.customers
        sends = [f"evt_{customer}_{number}" for number in range(each)] * self._weather.times
        sends = [sends[place] for place in sorted(range(len(sends)), key=lambda n: self._draws.draw(customer, n))]
        self.sent[customer] = list(dict.fromkeys(sends))
        for event in sends:
            self.answers.setdefault(event, []).append(await self._insist(customer, event))
            async with self._passed:
                self.done += 1
                self._passed.notify_all()

    async def _insist(self, customer: str, event: str) -> tuple[int, str]:
        body = msgspec.json.encode({"id": event, "type": "invoice.paid", "data": {"object": {"customer": customer}}})
        while True:
            header = WebhookSignature.generate_signature_header(body.decode(), SECRET, int(time.time()))
            # Nobody listens while the daemon is dead: then Stripe comes again.
            with suppress(ClientError, ConnectionError):
                async with self._session.post(
                    f"{self._daemon.url}/hooks/stripe", data=body, headers={"Stripe-Signature": header}
                ) as answer:
                    told = await answer.json(content_type=None)
                    return answer.status, str(told.get("id"))
            await anyio.sleep(0.05)


async def storm(folder: Path, weather: Weather) -> Aftermath:
    """Lets it blow, waits until every hook has reached the handler, and reads the log."""
    handler = Handler(weather.seed)
    async with _daemon(folder, handler) as daemon, ClientSession() as session:
        senders = _Senders(daemon, session, weather)
        async with anyio.create_task_group() as group:
            group.start_soon(_fails, handler, senders, weather)
            group.start_soon(_lightning, daemon, senders, weather)
            await senders.run()
        await _settled(daemon, session)
        exit_status = await daemon.stop()
    return Aftermath(
        sent=senders.sent,
        answers=senders.answers,
        handled=handler.handled,
        moods=handler.moods,
        refused=handler.refused,
        story=await read_story(folder / "data" / "tidings.db"),
        starts=daemon.starts,
        exit_status=exit_status,
    )


async def _fails(handler: Handler, senders: _Senders, weather: Weather) -> None:
    """The handler's outage."""
    await senders.reached(weather.down[0])
    await handler.go_down()
    await senders.reached(weather.down[1])
    await handler.come_up()


async def _lightning(daemon: Daemon, senders: _Senders, weather: Weather) -> None:
    """Kills the daemon, and starts it again."""
    for share in weather.kills:
        await senders.reached(share)
        await daemon.kill()
        await daemon.start()
        if weather.verify:
            await daemon.verify()


@asynccontextmanager
async def _daemon(folder: Path, handler: Handler) -> AsyncIterator[Daemon]:
    config = folder / "tidings.toml"
    config.write_text(CONFIG.format(port=handler.port))
    (folder / "data").mkdir()
    daemon = Daemon(folder / "data", config, _free_port())
    await handler.come_up()
    try:
        await daemon.start()
        yield daemon
    finally:
        await daemon.kill()
        await handler.go_down()


async def _settled(daemon: Daemon, session: ClientSession) -> None:
    """Returns once nothing is open any more."""
    with anyio.fail_after(_SETTLED_WITHIN_S):
        while True:
            if not await _is_busy(daemon, session):
                return
            await anyio.sleep(0.1)


async def _is_busy(daemon: Daemon, session: ClientSession) -> bool:
    headers = {"Authorization": f"Bearer {daemon.key()}"}
    async with session.get(f"{daemon.url}/v1/stats", headers=headers) as answer:
        return bool((await answer.json())["open"])


def _is_vouched_for(body: bytes, request: web.Request) -> bool:
    """Whether both Stripe's own signature and ours fit the bytes."""
    try:
        WebhookSignature.verify_header(body, request.headers["Stripe-Signature"], SECRET)
        Webhook(OURS).verify(body, dict(request.headers))
    except (SignatureVerificationError, WebhookVerificationError):
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
