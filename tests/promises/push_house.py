"""A house with a push lane, whose provider knows tokens and nothing else.

This file answers for registering devices and pushing to users as applications do, for a disk on which the power may go
out, and for reading what the log holds of devices. It must never judge but by the laws of devices.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC
from typing import Final

import anyio
import msgspec
from msgspec.structs import replace

from actors.devices import DEVICE, TOKEN, USER, Registered
from actors.intake import Acknowledgement
from adapters.channels.push_devices import PushDevices
from core import devices as d
from core.contents import submission_of
from core.device_names import DeviceName, DevicePrivate, Registration, Token, named_in, unsealed
from core.errors import AppendUnknown, Refused
from core.message import Message, fold
from core.policies import DAY_US, PRESETS, SECOND_US, Policy
from core.ports import Channel
from core.records import Private
from core.settings import Bounds, Lane, Settings
from eventstore.disk import Border
from eventstore.durable import Durable
from eventstore.integrity import check
from eventstore.memory_book import MemoryBook
from scenarios.loop.run import cut_power
from tests.promises.house import PLAIN, House, under
from tests.promises.other_side import ObedientDisk, Provider

DEVICES: Final = ("laptop", "phone", "tablet")
PUSHES: Final = under(PLAIN, name="pushes", order="any", stale_after_us=30 * DAY_US)


class PushHouse(House):
    """One life of the daemon's actors, its push lanes over devices as the daemon has them."""

    takes_users = False

    async def open(self) -> None:
        await super().open()
        self.system.use(self._channels())

    def _channels(self) -> dict[str, Channel]:
        if not hasattr(self, "system"):
            return {}
        system = self.system
        over = PushDevices(self.provider, devices=system.devices, pushes=system.pushes, takes_users=self.takes_users)
        return {lane.name: over if lane.channel == "push" else self.provider for lane in self.settings.lanes}

    async def register(
        self,
        user: str,
        device: str,
        token: str,
        *,
        tenant: str = "org1",
        kind: str = "token",
        platform: str = "android",
    ) -> tuple[Registered, bool]:
        """An application says what its token is."""
        return await self.system.devices.register(
            tenant,
            msgspec.convert(
                {
                    "name": {"user": user, "device": device},
                    "token": {"kind": kind, "value": token},
                    "platform": platform,
                    "app": "com.example.shop",
                },
                Registration,
            ),
        )

    async def push(self, user: str, number: int = 1, *, tenant: str = "org1", **fields: object) -> Acknowledgement:
        """Accepts one push with this number in it."""
        content = {"title": "News", "body": ".", "data": {"n": str(number)}}
        encoded = msgspec.json.encode({"channel": "push", "to": user, "content": content, **fields})
        submission = submission_of(encoded, now_us=self.clock.now_us(), send_at_max_us=400 * DAY_US)
        return await self.system.intake.accept(tenant, submission)

    # -- what the log holds

    def devices(self) -> dict[int, tuple[d.Device, DevicePrivate | None]]:
        """Every device, with what the vault holds of it."""
        found: dict[int, tuple[d.Device, DevicePrivate | None]] = {}
        for stream, head in self.durable.heads.items():
            if head.kind == "device":
                state = d.fold(self.durable.streams[stream])
                sealed = self.durable.sealed.get(stream)
                # A removed one has an empty row, one whose user was forgotten has none.
                is_kept = sealed is not None and sealed.private
                found[stream] = state, unsealed(sealed, state.commitment) if sealed and is_kept else None
        return found

    def status(self, user: str, device: str, *, tenant: str = "org1") -> d.DeviceStatus:
        """What the log says of one device."""
        (stream,) = self.durable.aliases[DEVICE, tenant, self.secrets.keyed_hash("device", tenant, user, device)]
        return d.fold(self.durable.streams[stream]).status

    def children(self, push: int) -> dict[str, Message]:
        """The messages that a push led to, by the device that each is for."""
        found: dict[str, Message] = {}
        for stream in self.durable.caused.get(push, []):
            private = msgspec.msgpack.decode(self.durable.sealed[stream].private, type=Private)
            name = named_in(private.to)
            assert name is not None, f"{private.to!r} is no device"
            assert name.device not in found, f"two messages are for {name.device}"
            found[name.device] = fold(self.durable.streams[stream])
        return found

    # -- laws

    def assert_sound(self) -> None:
        """Whatever follows from the log's events is as they say."""
        assert check(MemoryBook(self.durable)).faults == ()

    def assert_tokens_have_one_holder(self) -> None:
        """No two devices of a tenant hold one token, and names lead to devices exactly as their states say."""
        named: dict[tuple[str, str, bytes], set[int]] = {}
        holders: Counter[tuple[str, Token]] = Counter()
        for stream, (state, private) in self.devices().items():
            assert (private is None) == (state.status == "removed"), f"{state} has {private}"
            if private is not None:
                named.setdefault(self._user_key(state, private.name), set()).add(stream)
            if private is not None and state.status in d.HOLDING:
                holders[state.tenant, private.held] += 1
                named.setdefault(self._token_key(state, private.held), set()).add(stream)
        assert max(holders.values(), default=1) == 1, f"tokens have several holders: {holders}"
        removed = {stream for stream, (state, _) in self.devices().items() if state.status == "removed"}
        for space in (USER, TOKEN):
            kept = {
                key: left
                for key, streams in self.durable.aliases.items()
                if key[0] == space and (left := set(streams) - (removed if space == USER else set()))
            }
            assert kept == {key: streams for key, streams in named.items() if key[0] == space}

    def _user_key(self, state: d.Device, name: DeviceName) -> tuple[str, str, bytes]:
        return USER, state.tenant, self.secrets.keyed_hash("address", state.tenant, "push", name.user)

    def _token_key(self, state: d.Device, token: Token) -> tuple[str, str, bytes]:
        name = self.secrets.keyed_hash("device_token", state.tenant, token.kind, token.value)
        return TOKEN, state.tenant, name


class UnreliablePower(ObedientDisk):
    """A disk on which the power goes out at one border of one commit, once that was ordered."""

    def __init__(self) -> None:
        super().__init__()
        self._cut: tuple[Border, int] | None = None

    def go_out(self, border: Border, *, after_commits: int) -> None:
        """The power goes out there: at the next commit, or so many after that."""
        self._cut = border, after_commits

    def at(self, border: Border, rows: int) -> Awaitable[None] | None:
        """Called at a border of a commit or a read."""
        if not rows or self._cut is None or border != self._cut[0]:
            return super().at(border, rows)
        left = self._cut[1]
        self._cut = (border, left - 1) if left else None
        return super().at(border, rows) if left else cut_power()


async def insisting(call: Callable[[], Coroutine[object, None, object]]) -> None:
    """A client that says it again until it is answered."""
    while True:
        try:
            await call()
        except (AppendUnknown, Refused):
            await asyncio.sleep(1)
        else:
            return


@asynccontextmanager
async def pushing(
    *,
    durable: Durable | None = None,
    provider: Provider | None = None,
    disk: ObedientDisk | None = None,
    policy: Policy = PUSHES,
    takes_users: bool = False,
    bounds: Bounds = Bounds(),  # noqa: B008  # It is frozen.
) -> AsyncIterator[PushHouse]:
    """A house with one push lane, from its recovery to its clean stop."""
    house = PushHouse(
        durable if durable is not None else Durable(),
        settings_for(policy, bounds=bounds),
        provider=provider if provider is not None else Provider(),
        disk=disk if disk is not None else ObedientDisk(),
        zone_of=lambda _: UTC,
    )
    house.takes_users = takes_users
    await house.open()
    async with anyio.create_task_group() as group:
        await group.start(house.system.run)
        yield house
        await house.system.stop()


async def family(house: PushHouse, user: str = "ann") -> None:
    """Three devices of one user."""
    for device in DEVICES:
        await house.register(user, device, f"{user}-{device}")


def to(device: str, user: str = "ann") -> str:
    """How the provider is told of a device of the family."""
    return f"token:{user}-{device}"


def ends(house: PushHouse, push: int) -> dict[str, tuple[str, str]]:
    """What the messages of a push came to: status and code by device."""
    return {device: (message.status, message.code) for device, message in house.children(push).items()}


def settings_for(policy: Policy = PUSHES, *, bounds: Bounds = Bounds(), lanes: tuple[str, ...] = ("push",)) -> Settings:  # noqa: B008  # It is frozen.
    """Settings with push lanes of these names under one policy."""
    return Settings(
        lanes=tuple(Lane(name=name, channel="push", provider="test", policy=policy, fans_out=True) for name in lanes),
        policies={**PRESETS, policy.name: policy},
        bounds=bounds,
    )


def silent(policy: Policy = PUSHES, *, after_us: int) -> Policy:
    """A policy under which devices may be silent for so long."""
    return replace(policy, stale_after_us=after_us)


def days(count: float) -> float:
    """So many days in seconds."""
    return count * DAY_US / SECOND_US
