"""Tokens and who holds them: what an application said is durable once answered, and one token is one device's."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from random import Random
from typing import Final

import pytest

from core import devices as d
from core import events as e
from core.device_names import DeviceName
from core.errors import Forbidden, NotFound
from core.policies import DAY_US, HOUR_US, SECOND_US
from eventstore.disk import Border
from eventstore.durable import Durable
from scenarios.loop.run import run_virtual
from scenarios.loop.virtual import PowerCut
from tests.promises.other_side import ObedientDisk
from tests.promises.push_house import PUSHES, PushHouse, UnreliablePower, days, insisting, pushing, silent

pytestmark = pytest.mark.slow

BORDERS: Final[tuple[Border, ...]] = ("before_sync", "before_answer")
"""Where the power may go out or a commit fail: nothing of it is written, or all of it is and nobody was told."""

Step = Callable[[PushHouse], Coroutine[object, None, object]]

# A family with one tablet: what their applications say one after another. Each is said until it is answered.
STEPS: Final[tuple[Step, ...]] = (
    lambda house: house.register("ann", "phone", "t-phone"),
    lambda house: house.register("ann", "tablet", "t-tablet"),
    lambda house: house.register("ben", "tablet", "t-tablet"),
    lambda house: house.register("ben", "tablet", "t-tablet-2"),
    lambda house: house.register("ann", "tablet", "t-tablet"),
    lambda house: house.register("ann", "tablet", "t-phone"),
    lambda house: house.system.devices.remove("org1", DeviceName(user="ben", device="tablet")),
)
AFTERWARDS: Final = {("ann", "phone"): "removed", ("ann", "tablet"): "active", ("ben", "tablet"): "removed"}


async def say(house: PushHouse, steps: tuple[Step, ...]) -> None:
    """Goes through these steps, each until it is answered, and looks at the law after every commit."""

    async def watch() -> None:
        while True:
            change = house.log.changed()
            house.assert_tokens_have_one_holder()
            await change

    watcher = asyncio.get_running_loop().create_task(watch())
    for step in steps:
        await insisting(partial(step, house))
    assert not watcher.done(), watcher.exception()
    watcher.cancel()


def assert_all_as_said(house: PushHouse) -> None:
    """Each device is what was said of it last."""
    house.assert_tokens_have_one_holder()
    assert {name: house.status(*name) for name in AFTERWARDS} == AFTERWARDS
    held = [private.held.value for _, private in house.devices().values() if private is not None]
    assert held == ["t-phone"]
    house.assert_sound()


def test_a_token_is_taken_from_whoever_had_it() -> None:
    """Who registers a token last has it; the device before is removed, and says why."""

    async def main() -> None:
        async with pushing() as house:
            await say(house, STEPS)
            assert_all_as_said(house)
            moved = [event for event in house.all_events() if isinstance(event, e.DeviceRemoved)]
            assert [event.reason for event in moved] == ["moved", "moved", "requested"]

    run_virtual(main)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("nth", range(9))
def test_the_power_may_go_out_at_any_commit(border: Border, nth: int) -> None:
    """Wherever a process dies, no token ever has two holders, and a client that repeats itself gets what it said."""
    durable, said = Durable(), 0

    async def dies() -> None:
        nonlocal said
        disk = UnreliablePower()
        async with pushing(durable=durable, disk=disk) as house:
            disk.go_out(border, after_commits=nth)
            for step in STEPS:
                await say(house, (step,))
                said += 1

    async def recovers() -> None:
        async with pushing(durable=durable) as house:
            house.assert_tokens_have_one_holder()
            await say(house, STEPS[said:])
            assert_all_as_said(house)

    with pytest.raises(PowerCut) as cut:
        run_virtual(dies)
    run_virtual(recovers, start_s=cut.value.now_s)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("nth", range(9))
def test_a_commit_of_unknown_fate_is_said_again(border: Border, nth: int) -> None:
    """Whichever commit nobody can tell the fate of, the client is told so, and its repetition makes it good."""

    async def main() -> None:
        disk = ObedientDisk()
        async with pushing(disk=disk) as house:
            disk.fail_later(border, after_commits=nth)
            await say(house, STEPS)
            assert_all_as_said(house)

    run_virtual(main)


def drawn(draw: Random) -> Step:
    """A registration or a removal, of few devices and fewer tokens."""
    name = DeviceName(user=f"user{draw.randrange(4)}", device=f"device{draw.randrange(2)}")
    token = f"token{draw.randrange(3)}"

    async def remove(house: PushHouse) -> None:
        with suppress(NotFound):
            await house.system.devices.remove("org1", name)

    if draw.random() < 0.15:
        return remove
    return lambda house: house.register(name.user, name.device, token)


@pytest.mark.parametrize("seed", range(5))
def test_many_may_claim_one_token_at_once(seed: int) -> None:
    """However registrations and removals meet on a slow disk, at no commit has a token two holders."""
    draw = Random(seed)  # noqa: S311  # A seed that can be repeated is the point.

    async def all_at_once(house: PushHouse) -> None:
        steps = [drawn(draw) for _ in range(150)]
        await house.all_at_once([partial(step, house) for step in steps])

    async def main() -> None:
        disk = ObedientDisk()
        disk.commit_us = 300
        async with pushing(disk=disk) as house:
            await say(house, (all_at_once,))
            house.assert_tokens_have_one_holder()
            holding = [state for state, _ in house.devices().values() if state.status in d.HOLDING]
            assert 1 <= len(holding) <= 3
            # The same again, now that nobody else speaks: whoever comes last has it.
            await house.register("user0", "device0", "token0")
            assert house.status("user0", "device0") == "active"

    run_virtual(main)


def test_starting_an_application_often_costs_little() -> None:
    """A hundred starts a day add one event for each day, and the device counts as heard of that day."""

    async def main() -> None:
        async with pushing() as house:
            first, is_new = await house.register("ann", "phone", "t-1")
            assert is_new
            again = first
            for _ in range(3 * 100):
                await house.pass_time(days(0.01))
                again, is_new = await house.register("ann", "phone", "t-1")
                assert (again.state.id, is_new) == (first.state.id, False)
            kinds = [type(event) for event in house.events(first.state.id)]
            assert kinds == [e.DeviceRegistered, *[e.DeviceSeen] * 3]
            assert house.clock.now_us() - again.state.seen_us < DAY_US

    run_virtual(main)


def test_a_device_of_many_years_is_read_from_its_snapshot() -> None:
    """A device that is heard of each day is what all its events come to, and only the last few are read for that."""

    async def main() -> None:
        async with pushing() as house:
            for _ in range(200):
                await house.register("ann", "phone", "t-1")
                await house.pass_time(days(1))
            ((stream, (state, _)),) = house.devices().items()
            assert state.version == 200
            assert house.durable.snapshots[stream].version == 192
            assert (await house.system.devices.device("org1", DeviceName(user="ann", device="phone"))).state == state

    run_virtual(main)


def test_a_removed_device_leaves_nothing_of_its_names_behind() -> None:
    """After a logout the vault holds neither user nor token of it; it may be asked about, and come back."""

    async def main() -> None:
        phone = DeviceName(user="ann", device="phone")
        async with pushing() as house:
            device, _ = await house.register("ann", "phone", "t-1")
            for _ in range(2):
                await house.system.devices.remove("org1", phone)
            assert [type(event) for event in house.events(device.state.id)] == [e.DeviceRegistered, e.DeviceRemoved]
            assert house.durable.sealed[device.state.id].private == b""
            assert (await house.system.devices.device("org1", phone)).state.status == "removed"
            assert await house.system.devices.of_user("org1", "ann") == []
            back, is_new = await house.register("ann", "phone", "t-1")
            assert (back.state.id, back.state.status, is_new) == (device.state.id, "active", False)
            house.assert_tokens_have_one_holder()

    run_virtual(main)


def test_users_of_other_tenants_are_other_users() -> None:
    """The same user, device and token of two tenants are two devices, and one of them goes without the other."""

    async def main() -> None:
        phone = DeviceName(user="ann", device="phone")
        async with pushing() as house:
            one, _ = await house.register("ann", "phone", "t-1")
            other, is_new = await house.register("ann", "phone", "t-1", tenant="org2")
            assert is_new
            assert one.state.id != other.state.id
            await house.system.devices.remove("org2", phone)
            assert [house.status("ann", "phone", tenant=tenant) for tenant in ("org1", "org2")] == ["active", "removed"]
            with pytest.raises(NotFound):
                await house.system.devices.device("org3", phone)
            with pytest.raises(NotFound):
                await house.system.devices.remove("org3", phone)

    run_virtual(main)


def test_a_user_has_so_many_devices_and_no_more() -> None:
    """Past the bound one more is refused, and nothing of it is kept; a device that gets no pushes makes room."""

    async def main() -> None:
        async with pushing(policy=silent(PUSHES, after_us=HOUR_US)) as house:
            for n in range(d.DEVICES_MAX - 1):
                await house.register("ann", f"device{n}", f"t-{n}")
            await house.system.devices.remove("org1", DeviceName(user="ann", device="device7"))
            for n in range(100, 102):
                await house.register("ann", f"device{n}", f"t-{n}")
            with pytest.raises(Forbidden, match="at most 50 devices"):
                await house.register("ann", "one more", "t-more")
            with pytest.raises(NotFound):
                await house.system.devices.device("org1", DeviceName(user="ann", device="one more"))
            # Those that are there already may say again what they are, and another user has room of his own.
            await house.register("ann", "device3", "t-3-2")
            await house.register("ben", "one more", "t-more")

            await house.pass_time(2 * HOUR_US / SECOND_US)
            await house.register("ann", "one more", "t-more")
            assert house.status("ann", "device0") == "removed"
            assert (house.status("ann", "device1"), house.status("ben", "one more")) == ("stale", "removed")
            assert len(await house.system.devices.of_user("org1", "ann") or []) == d.DEVICES_MAX
            house.assert_tokens_have_one_holder()

    run_virtual(main)


def test_nothing_of_a_registration_stands_in_the_log() -> None:
    """Events, heads and names hold no user, device or token in the clear."""

    async def main() -> None:
        async with pushing() as house:
            await house.register("ann-the-user", "the-phone", "the-token")
            kept = repr((house.durable.rows, house.durable.heads, house.durable.aliases, house.durable.snapshots))
            for word in ("ann-the-user", "the-phone", "the-token"):
                assert word not in kept
                assert word in repr(house.durable.sealed)

    run_virtual(main)
