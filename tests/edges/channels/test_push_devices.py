"""A push lane over devices: users become messages, devices become tokens, and FCM's word is heeded."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from zoneinfo import ZoneInfo

import anyio
import msgspec
import pytest

from actors.system import System, World
from adapters.chance import KeyedChance, SystemSecrets
from adapters.channels.push_devices import PushDevices
from core.contents import read
from core.device_names import DeviceName, Registration, Token, TokenKind
from core.outcomes import Hold, Outcome, Permanent, Recipient, Taken, Transient
from core.policies import PRESETS, SECOND_US
from core.ports import Clock, Log
from core.settings import Lane, Settings
from eventstore.memory import MemoryLog
from tests.edges.channels.fcm_pushes import PUSH, TOKEN, channel_of
from tests.edges.channels.fcm_server import FcmServer, refusal
from tests.edges.channels.parcels import HandOver, parcel_of
from tests.promises.other_side import Notes, ObedientDisk

pytestmark = pytest.mark.anyio

PHONE: Final = DeviceName(user="ann", device="phone")
UNREGISTERED: Final = refusal(404, "NOT_FOUND", "Requested entity was not found.", fcm="UNREGISTERED")
MALFORMED: Final = refusal(400, "INVALID_ARGUMENT", "The registration token is not valid.", fcm="INVALID_ARGUMENT")


@pytest.fixture
async def server() -> AsyncIterator[FcmServer]:
    """FCM, with nothing against anybody."""
    async with FcmServer() as server:
        yield server


class PushLane:
    """A running system with one push lane that lets nothing out by itself, and the channel of that lane."""

    def __init__(self, system: System, channel: PushDevices, log: Log, clock: Clock) -> None:
        self.system = system
        self.log = log
        self.channel = channel
        self.clock = clock
        self.handed_over = HandOver()

    async def register(self, name: DeviceName = PHONE, token: str = TOKEN, kind: TokenKind = "token") -> None:
        """A device with a token."""
        held = Token(kind=kind, value=token)
        await self.system.devices.register("default", Registration(name=name, token=held, platform="android"))

    async def status(self, name: DeviceName = PHONE) -> str:
        """What a device is now."""
        return (await self.system.devices.device("default", name)).state.status

    async def send(self, to: str, *, stream: int = 1, within_us: int = 20 * SECOND_US) -> Outcome:
        """What one attempt at an address comes to."""
        parcel = msgspec.structs.replace(
            parcel_of(self.clock, to, PUSH, within_us=within_us), stream=stream, tenant="default"
        )
        return await self.channel.send(parcel, self.handed_over)

    async def accepted(self, user: str) -> int:
        """A push to a user that waits for its turn."""
        body = msgspec.json.encode({"channel": "push", "to": user, "content": PUSH})
        return (await self.system.intake.accept("default", read(body))).id


@asynccontextmanager
async def lane_to(server: FcmServer, clock: Clock, disk: ObedientDisk | None = None) -> AsyncIterator[PushLane]:
    """A push lane to the server, from the system's recovery to its stop."""
    log = MemoryLog(disk=disk)
    world = World(
        log=log,
        clock=clock,
        secrets=SystemSecrets(bytes(32)),
        witness=Notes(),
        chance_of=KeyedChance,
        zone_of=ZoneInfo,
        release="test",
    )
    lane = Lane(name="push", channel="push", provider="fcm", policy=PRESETS["push"])
    system = await System.open(world, Settings(lanes=(lane,), policies=PRESETS), {})
    async with channel_of(clock, server) as provider, anyio.create_task_group() as group:
        channel = PushDevices(provider, devices=system.devices, pushes=system.pushes, takes_users=False)
        await group.start(system.run)
        await system.errands.pause("push")
        yield PushLane(system, channel, log, clock)
        await system.stop()


async def test_a_device_is_reached_by_the_token_that_it_holds(clock: Clock, server: FcmServer) -> None:
    """A registration token and an installation id each arrive at FCM as what they are, in their present form."""
    async with lane_to(server, clock) as lane:
        await lane.register()
        assert isinstance(await lane.send(PHONE.address), Taken)
        await lane.register(token="cGzY1ut5RkGKJ3pLtQfR0w", kind="fid")
        taken = await lane.send(PHONE.address)
        assert isinstance(taken, Taken)
        assert taken.provider_id.startswith("projects/")
        assert [(message.token, message.fid) for message in server.taken] == [
            (TOKEN, ""),
            ("", "cGzY1ut5RkGKJ3pLtQfR0w"),
        ]
        assert lane.handed_over.count == 2


async def test_a_dead_token_is_given_up_by_the_time_its_outcome_is_known(clock: Clock, server: FcmServer) -> None:
    """Whoever hears that a push was refused for its token finds the device invalid; nothing is sent to it again."""
    async with lane_to(server, clock) as lane:
        await lane.register()
        server.orders.append(UNREGISTERED)
        assert await lane.send(PHONE.address) == Recipient(
            code="UNREGISTERED", detail="Requested entity was not found."
        )
        assert await lane.status() == "invalid"
        assert await lane.send(PHONE.address) == Permanent(code="device_invalid", unasked=True)
        assert (len(server.sends), lane.handed_over.count) == (1, 1)


async def test_a_refusal_that_may_mean_the_message_ends_no_device(clock: Clock, server: FcmServer) -> None:
    """FCM's word for a bad token is its word for a bad message as well: alone it proves nothing."""
    async with lane_to(server, clock) as lane:
        await lane.register()
        server.orders.append(MALFORMED)
        outcome = await lane.send(PHONE.address)
        assert isinstance(outcome, Recipient)
        assert outcome.soft
        assert await lane.status() == "active"


async def test_what_is_no_device_any_more_is_sent_nothing(clock: Clock, server: FcmServer) -> None:
    """A device that was removed, or that nobody ever heard of, ends the message at once, and no byte leaves."""
    async with lane_to(server, clock) as lane:
        await lane.register()
        await lane.system.devices.remove("default", PHONE)
        assert await lane.send(PHONE.address) == Permanent(code="device_removed", unasked=True)
        stranger = DeviceName(user="ann", device="watch")
        assert await lane.send(stranger.address) == Permanent(code="device_removed", unasked=True)
        assert await lane.send("ann") == await lane.send("nobody") == Recipient(code="no_device", unasked=True)
        assert (server.sends, lane.handed_over.count) == ([], 0)


async def test_a_user_is_handed_over_once_all_messages_are_there(clock: Clock, server: FcmServer) -> None:
    """A push to a user sends nothing itself: when it is taken, each device has a message, however often it is tried."""
    async with lane_to(server, clock) as lane:
        for n in range(3):
            await lane.register(DeviceName(user="ann", device=f"device{n}"), f"{TOKEN}{n}")
        push = await lane.accepted("ann")
        for count in (1, 2):
            assert await lane.send("ann", stream=push) == Taken(code="devices:3")
            assert lane.handed_over.count == count
            (tally,) = await lane.log.tallies("default")
            assert (tally.status, tally.count) == ("queued", 1 + 3)
        assert server.sends == []


async def test_trouble_of_our_own_log_is_nobodys_failure(clock: Clock, server: FcmServer) -> None:
    """While the log cannot tell, the attempt is put off; a verdict that cannot be recorded is asked for again."""
    disk = ObedientDisk()
    async with lane_to(server, clock, disk) as lane:
        await lane.register()
        disk.is_unreadable = True
        for address in (PHONE.address, "ann"):
            assert await lane.send(address) == Hold(code="store_unavailable", after_us=SECOND_US, unasked=True)
        assert server.sends == []
        disk.is_unreadable = False
        server.orders += [UNREGISTERED, UNREGISTERED]
        disk.fail_later("before_sync")
        assert await lane.send(PHONE.address) == Hold(code="store_unavailable", after_us=SECOND_US, unasked=True)
        while lane.log.health()[0] != "ok":
            await anyio.lowlevel.checkpoint()
        assert isinstance(await lane.send(PHONE.address), Recipient)
        assert await lane.status() == "invalid"


async def test_deadlines_are_the_providers_to_keep(clock: Clock, server: FcmServer) -> None:
    """An attempt that comes too late is given up without doubt, and closing closes what is below."""
    async with lane_to(server, clock) as lane:
        await lane.register()
        assert await lane.send(PHONE.address, within_us=-SECOND_US) == Transient(code="timeout")
        assert (server.sends, lane.handed_over.count) == ([], 0)
        for _ in range(2):
            await lane.channel.close()
