"""A whole house on virtual time, over the memory log: production's actors between a provider and a disk that obey.

This file answers for the wiring, for writing to a house and for reading its log. It must never judge, and never reach
into an actor.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

import anyio
import msgspec
from msgspec.structs import replace

from actors.intake import Acknowledgement
from actors.system import System, World
from adapters.chance import KeyedChance
from core.contents import submission_of
from core.events import Event
from core.message import Message, fold
from core.policies import DAY_US, PRESETS, SECOND_US, BreakerRule, CircuitRule, Policy, Schedule
from core.ports import Channel
from core.records import Append, Draft, HeadChange
from core.settings import Bounds, Lane, Settings
from eventstore.durable import Durable
from eventstore.memory import MemoryLog
from scenarios.draws import Draws
from scenarios.world.clock import SimulatedClock, Timepiece
from scenarios.world.randomness import SimulatedSecrets
from tests.promises.other_side import START_US, Notes, ObedientDisk, Provider

ZoneOf = Callable[[str], tzinfo]


# Retries after ten, twenty and forty seconds sharp; circuits and breakers that never open unless a test wants them to.
PLAIN: Final = Policy(
    name="plain",
    retry=Schedule(after_us=(10 * SECOND_US, 20 * SECOND_US, 40 * SECOND_US), jitter=0.0),
    circuit=CircuitRule(failures=1_000),
    breaker=BreakerRule(of=1_000_000),
)
# Our own knobs, turned down until everything that can be forgotten, cut or read again is.
TIGHT: Final = Bounds(
    awake_max=2, idle_us=SECOND_US // 100, window_max=2, agenda_window_max=2, deferred_max=2, peers_max=3
)


class House:
    """One life of the daemon's actors. `durable` outlives it."""

    def __init__(
        self,
        durable: Durable,
        settings: Settings,
        *,
        provider: Channel,
        disk: ObedientDisk,
        zone_of: ZoneOf,
        log: MemoryLog | None = None,
    ) -> None:
        self.durable = durable
        self.settings = settings
        self.provider = provider
        self.disk = disk
        self._zone_of = zone_of
        self.notes = Notes()
        self.log = log if log is not None else MemoryLog(durable, disk)
        true_us = round(asyncio.get_running_loop().time() * SECOND_US)
        floor_us = self.log.newest()[1]
        self.clock = SimulatedClock(Timepiece(start_us=START_US, floor_us=floor_us, steps=(), true_us=true_us))
        # One seed, so the key by which addresses are found is the same over restarts.
        self.secrets = SimulatedSecrets(Draws(7))
        self.system: System

    async def open(self) -> None:
        """Wires the actors; nothing runs yet."""
        world = World(
            log=self.log,
            clock=self.clock,
            secrets=self.secrets,
            witness=self.notes,
            chance_of=KeyedChance,
            zone_of=self._zone_of,
            release="test",
        )
        self.system = await System.open(world, self.settings, self._channels())

    async def reload(self, settings: Settings) -> None:
        """Goes on under another configuration."""
        self.settings = settings
        await self.system.reload(settings, self._channels())

    def _channels(self) -> dict[str, Channel]:
        return {lane.name: self.provider for lane in self.settings.lanes}

    async def post(self, to: str, number: int = 1, *, tenant: str = "org1", **fields: object) -> Acknowledgement:
        """Accepts one message with this number in it: a mail where the address is one, else a webhook."""
        is_mail = "@" in to
        content = {"subject": str(number), "text": "."} if is_mail else {"type": "test", "data": {"n": number}}
        body = {"channel": "email" if is_mail else "webhook", "to": to, "content": content, **fields}
        encoded = msgspec.json.encode(body)
        submission = submission_of(encoded, now_us=self.clock.now_us(), send_at_max_us=400 * DAY_US)
        return await self.system.intake.accept(tenant, submission)

    @staticmethod
    def moment(instant_us: int) -> str:
        """An instant as a request writes it."""
        return (_EPOCH + timedelta(microseconds=instant_us)).isoformat()

    @staticmethod
    def local(instant_us: int, zone: tzinfo) -> datetime:
        """What a clock in a zone shows at an instant."""
        return (_EPOCH + timedelta(microseconds=instant_us)).astimezone(zone)

    async def all_at_once(self, calls: Sequence[Callable[[], Coroutine[object, None, object]]]) -> None:
        """Makes all of these calls at one instant, and waits for them."""
        async with anyio.create_task_group() as group:
            for call in calls:
                group.start_soon(call)

    @property
    def seconds(self) -> float:
        """How much virtual time has passed."""
        return asyncio.get_running_loop().time()

    async def pass_time(self, seconds: float) -> None:
        """Lets so much virtual time go by."""
        await asyncio.sleep(seconds)

    async def write_behind(self, stream: int, event: Event) -> None:
        """Puts an event behind a message's last one, past everybody who might object."""
        head = self.durable.heads[stream]
        draft = Draft(stream=stream, version=head.version + 1, event=event)
        change = HeadChange(head=replace(head, version=head.version + 1), was=head.status)
        await self.log.append(
            Append(shard=head.shard, tenant=head.tenant, at_us=self.clock.now_us(), drafts=(draft,), heads=(change,))
        )

    def message(self, stream: int) -> Message:
        """What the log holds of a message."""
        return fold(self.durable.streams[stream])

    def events(self, stream: int) -> list[Event]:
        """The events of a stream, in order."""
        return [entry.event for entry in self.durable.streams.get(stream, [])]

    def all_events(self) -> list[Event]:
        """Everything that the log holds, in order."""
        return [entry.event for entry in self.durable.events]

    def statuses(self) -> dict[str, int]:
        """How many messages there are of each status."""
        found: dict[str, int] = defaultdict(int)
        for head in self.durable.heads.values():
            if head.kind == "msg":
                found[head.status] += 1
        return dict(found)


@asynccontextmanager
async def living(
    *,
    policy: Policy = PLAIN,
    bounds: Bounds = Bounds(),  # noqa: B008 - it is frozen
    durable: Durable | None = None,
    provider: Provider | None = None,
    disk: ObedientDisk | None = None,
    settings: Settings | None = None,
    zone_of: ZoneOf = lambda _: UTC,
    log: MemoryLog | None = None,
) -> AsyncIterator[House]:
    """A house with the lanes `calls` and `mail`, from its recovery to its clean stop.

    `log` is one over `durable`, where it is not to be that of a single daemon.
    """
    settings = settings if settings is not None else settings_of(policy, bounds=bounds)
    house = House(
        durable if durable is not None else Durable(),
        settings,
        provider=provider if provider is not None else Provider(),
        disk=disk if disk is not None else ObedientDisk(),
        zone_of=zone_of,
        log=log,
    )
    await house.open()
    async with anyio.create_task_group() as group:
        await group.start(house.system.run)
        yield house
        await house.system.stop()


def settings_of(
    policy: Policy = PLAIN,
    *,
    bounds: Bounds = Bounds(),  # noqa: B008 - it is frozen
    lanes: tuple[str, ...] = ("calls", "mail"),
) -> Settings:
    """Settings with lanes of these names under one policy: `mail` takes email, every other one webhooks."""
    channels = {"mail": "email"}
    return Settings(
        lanes=tuple(
            Lane(name=name, channel=channels.get(name, "webhook"), provider="test", policy=policy) for name in lanes
        ),
        policies={**PRESETS, policy.name: policy},
        bounds=bounds,
    )


def address(number: int, *, host: str = "a.example") -> str:
    """The URL of a peer."""
    return f"https://{host}/{number}"


def under(policy: Policy = PLAIN, **changes: object) -> Policy:
    """A policy with other values."""
    return replace(policy, **changes)


def mail(number: int) -> str:
    """The address of a peer who gets mail."""
    return f"p{number}@example.com"


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
