"""Answers for a house that takes hooks in, configured by a text as a daemon is, and for senders who sign as vendors do.

Handlers are real servers; the providers of other lanes are the stand-in of house.py. It must never sign with our own
code.
"""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import anyio
import msgspec
from aiohttp import web
from standardwebhooks import Webhook
from stripe import WebhookSignature

from actors.system import System, World
from adapters.chance import KeyedChance, SystemSecrets
from adapters.channels.building import build
from adapters.clock import SystemClock, monotonic_s
from adapters.config.loading import Config, load
from adapters.telemetry import Telemetry
from adapters.web.app import FRONT, create_app, runner_of
from adapters.web.front import WebBounds
from core.ports import Channel, Log
from eventstore.memory import MemoryLog
from tests.edges.web.house import Given, House, Json, Provider

STRIPE_SECRET: Final = "whsec_test"
STANDARD_SECRET: Final = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
# A source without a handler, which is all that most of these tests need.
STRIPE: Final = f'[hooks.stripe]\nscheme = "stripe"\nsecrets = ["{STRIPE_SECRET}"]\n'


class HookHouse(House):
    """A house with sources of hooks."""

    app: web.Application
    config: Config

    async def post(self, source: str, body: bytes, headers: Mapping[str, str] | None = None) -> Given:
        """What a hook is answered."""
        return await self.ask(f"POST /hooks/{source}", raw=body, headers=headers, role=None)

    async def stripe(self, event: Json, *, secret: str = STRIPE_SECRET, source: str = "stripe") -> Given:
        """What an event is answered that Stripe's library signs."""
        body = msgspec.json.encode(event)
        return await self.post(source, body, {"Stripe-Signature": signed_by_stripe(body, secret)})

    async def hooks(self, query: str = "") -> list[Json]:
        """The hooks that were taken, newest first."""
        return (await self.ask(f"GET /v1/messages?channel=hook{query}")).json["messages"]  # type: ignore[return-value]

    async def types(self, stream: str) -> list[object]:
        """The types of all events of a stream, in their order."""
        events: list[Json] = (await self.ask("GET /v1/events?limit=1000")).json["events"]  # type: ignore[assignment]
        return [event["type"] for event in events if event["stream"] == stream]

    async def metric(self, name: str, **labels: str) -> float:
        """A figure of the metrics page, 0 where it is not there."""
        page = (await self.ask("GET /metrics")).body.decode().splitlines()
        told = ",".join(f'{label}="{labels[label]}"' for label in sorted(labels))
        found = [line for line in page if line.startswith(f"{name}{{{told}}} ")]
        return float(found[0].rpartition(" ")[2]) if found else 0.0

    async def adopt(self, text: str, room: Path) -> None:
        """Goes on under another configuration, as a daemon does that is told to."""
        self.config = configured(text, room)
        await self.system.reload(self.config.settings, _channels(self.config, self.provider))
        self.app[FRONT].hooks.sources.adopt(self.config.sources)


def signed_by_stripe(body: bytes, secret: str = STRIPE_SECRET, *, ago_s: int = 0) -> str:
    """What Stripe's library puts into its header for a body, so many seconds ago."""
    header: str = WebhookSignature.generate_signature_header(body.decode(), secret, int(time.time()) - ago_s)
    return header


def signed_by_the_standard(body: bytes, event: str, *, family: str = "webhook") -> dict[str, str]:
    """The headers that the library of Standard Webhooks signs."""
    at = datetime.now(UTC)
    signature = Webhook(STANDARD_SECRET).sign(event, at, body.decode())
    values = {"id": event, "timestamp": str(int(at.timestamp())), "signature": signature}
    return {f"{family}-{part}": value for part, value in values.items()}


def configured(text: str, room: Path) -> Config:
    """A text as the daemon reads it."""
    file = room / "tidings.toml"
    file.write_text(text)
    return load(file, data=room, environ={})


def _channels(config: Config, provider: Provider) -> dict[str, Channel]:
    clock, chance = SystemClock(floor_us=0), KeyedChance(1)

    def made(name: str, channel: str) -> Channel:
        if channel != "hook":
            return provider
        own = config.providers[name]
        return build(own, lane=name, channel=channel, clock=clock, chance=chance, release="test")

    return {lane.name: made(lane.name, lane.channel) for lane in config.settings.lanes}


@asynccontextmanager
async def taking_hooks(
    text: str, room: Path, *, log: Log | None = None, door: WebBounds | None = None
) -> AsyncIterator[HookHouse]:
    """A house under this configuration, until the end of the block."""
    config, provider, said = configured(text, room), Provider(), BytesIO()
    log = log if log is not None else MemoryLog()
    telemetry = Telemetry(stream=said, level="debug")
    world = World(
        log=log,
        clock=SystemClock(floor_us=log.newest()[1]),
        secrets=SystemSecrets(bytes(32)),
        witness=telemetry,
        chance_of=KeyedChance,
        zone_of=ZoneInfo,
        release="test",
    )
    channels = _channels(config, provider)
    system = await System.open(world, config.settings, channels)
    app = create_app(
        system,
        world,
        settings=config.settings,
        registry=telemetry.registry,
        now_s=monotonic_s,
        bounds=door if door is not None else WebBounds(),
        sources=config.sources,
    )
    async with anyio.create_task_group() as group:
        await group.start(system.run)
        house = HookHouse(system, log, provider=provider, telemetry=telemetry, said=said)
        house.app, house.config = app, config
        async with house.session:
            runner = runner_of(app, answers_end_s=5)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            house.port = runner.addresses[0][1]
            yield house
            await runner.cleanup()
        await system.stop()
    for channel in channels.values():
        await channel.close()
    await log.close()
