"""A whole house on virtual time, over the memory log: production's actors between a provider and a disk that obey.

This file answers for the wiring and for what the other side saw. The provider and the disk are implementations of their
ports that answer to order. It must never judge, and never reach into an actor.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

import anyio
import msgspec
from msgspec.structs import replace

from actors.intake import Receipt
from actors.system import System, World
from adapters.chance import KeyedChance
from core.contents import submission_of
from core.errors import AppendUnknown, StoreUnavailable
from core.events import Event
from core.message import Message, fold
from core.outcomes import Outcome, Taken
from core.policies import DAY_US, PRESETS, SECOND_US, BreakerRule, CircuitRule, Policy, Schedule
from core.ports import Channel, Parcel
from core.records import Append, Draft, HeadChange
from core.settings import Bounds, Lane, Settings
from eventstore.disk import Border
from eventstore.durable import Durable
from eventstore.memory import MemoryLog
from scenarios.draws import Draws
from scenarios.world.clock import SimulatedClock, Timepiece
from scenarios.world.randomness import SimulatedSecrets

ZoneOf = Callable[[str], tzinfo]

START_US: Final = 1_769_760_000_000_000  # 2026-01-30T08:00:00Z

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


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt as the other side saw it: who it was for, the number in its content, and when its bytes came."""

    to: str
    number: int
    attempt: int
    at_us: int
    stream: int


class Provider:
    """The other side of a lane. It takes everything, a millisecond after it came, unless it is told otherwise."""

    def __init__(self, moods: Iterator[Outcome] | None = None) -> None:
        """`moods` are its answers, one after another, where an address has none of its own."""
        self.seen: list[Arrival] = []
        self.given: list[tuple[str, int, Outcome]] = []
        self._moods = moods
        self.takes_us = 1_000
        self.answers: dict[str, deque[Outcome]] = defaultdict(deque)
        self.always: dict[str, Outcome] = {}
        self.in_flight = self.in_flight_most = 0
        self._gate: anyio.Event | None = None
        self._door: anyio.Event | None = None
        self._loses: Callable[[Parcel], bool] = lambda _parcel: False

    def hold(self) -> None:
        """Lets requests come in, and answers none of them until `let_go`."""
        self._gate = anyio.Event()

    def hold_connections(self) -> None:
        """Lets nobody connect until `let_go`, so that no byte leaves."""
        self._door = anyio.Event()

    def let_go(self) -> None:
        """Goes on with what it held."""
        for held in (self._gate, self._door):
            if held is not None:
                held.set()
        self.hang_up()

    def hang_up(self) -> None:
        """Whoever it held is gone, with the life that called; it holds nobody else."""
        self._gate = self._door = None

    def soothe(self) -> None:
        """Takes everything from here on."""
        self._moods = None
        self.always.clear()

    def refuse_connections(self, which: Callable[[Parcel], bool]) -> None:
        """Before a byte of these could leave."""
        self._loses = which

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        """Answers to order, else takes it."""
        outcome = self._answer(parcel.to)
        if self._door is not None:
            await self._door.wait()
        if self._loses(parcel):
            return outcome
        handed_over()
        number = _number_in(parcel.content)
        at_us = round(asyncio.get_running_loop().time() * SECOND_US) + START_US
        self.seen.append(
            Arrival(to=parcel.to, number=number, attempt=parcel.attempt, at_us=at_us, stream=parcel.stream)
        )
        self.in_flight += 1
        self.in_flight_most = max(self.in_flight, self.in_flight_most)
        try:
            if self._gate is not None:
                await self._gate.wait()
            await asyncio.sleep(self.takes_us / SECOND_US)
        finally:
            self.in_flight -= 1
        self.given.append((parcel.to, number, outcome))
        return outcome

    def _answer(self, to: str) -> Outcome:
        if self.answers[to]:
            return self.answers[to].popleft()
        if to in self.always or self._moods is None:
            return self.always.get(to, Taken(code="200"))
        return next(self._moods)

    async def close(self) -> None:
        """There is nothing to close."""

    def numbers(self, to: str) -> list[int]:
        """The numbers that came for one address, in the order in which they came."""
        return [arrival.number for arrival in self.seen if arrival.to == to]


class ObedientDisk:
    """A disk as slow as it is told, that fails when it is told. Reads and commits take no time at first."""

    def __init__(self) -> None:
        self.read_us = self.commit_us = 0
        self.is_full = self.is_unreadable = False
        self._mended: anyio.Event | None = None
        self._unknown: tuple[Border, int] | None = None

    def fail_later(self, border: Border, *, after_commits: int = 0) -> None:
        """One commit fails at this border so that nobody can tell what became of it: the next, or one after that."""
        self._unknown = border, after_commits

    def calm(self) -> None:
        """Nothing fails any more."""
        self._unknown = None
        self.empty()

    def fill(self) -> None:
        """No write goes through from here on; reads do."""
        self.is_full, self._mended = True, anyio.Event()

    def empty(self) -> None:
        """Writes go through again."""
        self.is_full = False
        if self._mended is not None:
            self._mended.set()

    def at(self, border: Border, rows: int) -> Awaitable[None] | None:
        """Called at a border of a commit or a read."""
        if border == "before_read":
            if self.is_unreadable:
                raise StoreUnavailable("the disk answers with an I/O error")
            return asyncio.sleep(self.read_us / SECOND_US) if self.read_us else None
        if self.is_full and border == "before_write":
            raise StoreUnavailable("no space is left on the disk")
        if rows and self._unknown is not None and self._unknown[0] == border:
            self._fail_if_due()
        return asyncio.sleep(self.commit_us / SECOND_US) if self.commit_us and border == "before_sync" else None

    def _fail_if_due(self) -> None:
        assert self._unknown is not None, "a failure was planned"
        border, after_commits = self._unknown
        self._unknown = (border, after_commits - 1) if after_commits else None
        if not after_commits:
            raise AppendUnknown("the disk failed while it was writing")

    def mended(self) -> Awaitable[None] | None:
        """Ends when writing may be tried again."""
        return self._mended.wait() if self.is_full and self._mended is not None else asyncio.sleep(0.001)


class Notes:
    """The witness: what the actors say happened."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, str | int | float | None]]] = []

    def note(self, name: str, /, **values: str | int | float | None) -> None:
        """One thing that happened."""
        self.said.append((name, values))

    def count(self, name: str) -> int:
        """How often something happened."""
        return sum(1 for said, _ in self.said if said == name)


class House:
    """One life of the daemon's actors. `durable` outlives it."""

    def __init__(
        self, durable: Durable, settings: Settings, *, provider: Channel, disk: ObedientDisk, zone_of: ZoneOf
    ) -> None:
        self.durable = durable
        self.settings = settings
        self.provider = provider
        self.disk = disk
        self._zone_of = zone_of
        self.notes = Notes()
        self.log = MemoryLog(durable, disk)
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

    async def post(self, to: str, number: int = 1, *, tenant: str = "org1", **fields: object) -> Receipt:
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
) -> AsyncIterator[House]:
    """A house with the lanes `calls` and `mail`, from its recovery to its clean stop."""
    settings = settings if settings is not None else settings_of(policy, bounds=bounds)
    house = House(
        durable if durable is not None else Durable(),
        settings,
        provider=provider if provider is not None else Provider(),
        disk=disk if disk is not None else ObedientDisk(),
        zone_of=zone_of,
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


def _number_in(content: bytes) -> int:
    decoded = msgspec.json.decode(content)
    return int(decoded["subject"]) if "subject" in decoded else int(decoded["data"]["n"])


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
