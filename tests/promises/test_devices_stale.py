"""The sweep: a device that is silent for too long becomes stale at its instant, and nobody polls for it."""

from collections.abc import Awaitable

import pytest

from core import events as e
from core.policies import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from eventstore.disk import Border
from eventstore.durable import Durable
from scenarios.loop.run import run_virtual
from tests.promises.other_side import ObedientDisk
from tests.promises.push_house import PUSHES, PushHouse, days, pushing, settings_for, silent


def staled_after_us(house: PushHouse) -> dict[int, list[int]]:
    """For each device how long before each of its staling it was last heard of."""
    found: dict[int, list[int]] = {}
    heard_us: dict[int, int] = {}
    for entry in house.durable.events:
        if isinstance(entry.event, e.DeviceRegistered | e.DeviceSeen):
            heard_us[entry.stream] = entry.at_us
        if isinstance(entry.event, e.DeviceStaled):
            found.setdefault(entry.stream, []).append(entry.at_us - heard_us[entry.stream])
    return found


def test_a_silent_device_becomes_stale_at_its_instant() -> None:
    """Thirty days to the microsecond after it was last heard of, each at its own; whoever speaks stays active."""

    async def main() -> None:
        async with pushing() as house:
            for n in range(10):
                await house.register(f"user{n}", "phone", f"t-{n}")
                await house.pass_time(days(1))
            for _ in range(35):
                await house.pass_time(days(1))
                await house.register("user3", "phone", "t-3")
            stale = staled_after_us(house)
            assert [*stale.values()] == [[30 * DAY_US]] * 9
            assert house.status("user3", "phone") == "active"

    run_virtual(main)


def test_a_stale_device_is_active_again_once_it_is_heard_of() -> None:
    """Its application registers the same token, and the next push goes to it; silence counts from there."""

    async def main() -> None:
        async with pushing() as house:
            await house.register("ann", "phone", "t-1")
            await house.pass_time(days(31))
            assert house.status("ann", "phone") == "stale"
            device, is_new = await house.register("ann", "phone", "t-1")
            assert (device.state.status, is_new) == ("active", False)
            push = (await house.push("ann")).id
            await house.pass_time(1)
            assert house.message(push).code == "devices:1"
            await house.pass_time(days(31))
            assert staled_after_us(house) == {device.state.id: [30 * DAY_US] * 2}

    run_virtual(main)


def test_a_restart_forgets_no_device() -> None:
    """What falls due while nobody runs is made good at the start, and what comes later comes at its instant."""

    async def main() -> None:
        durable = Durable()
        async with pushing(durable=durable) as house:
            await house.register("early", "phone", "t-1")
            await house.pass_time(days(10))
            await house.register("late", "phone", "t-2")
        await house.pass_time(days(25))
        async with pushing(durable=durable) as house:
            await house.pass_time(1)
            assert (house.status("early", "phone"), house.status("late", "phone")) == ("stale", "active")
            await house.pass_time(days(6))
            first, second = (spans[0] for spans in staled_after_us(house).values())
            assert first > 30 * DAY_US
            assert second == 30 * DAY_US

    run_virtual(main)


def test_another_policy_counts_from_its_adoption() -> None:
    """A shorter time makes stale at once what was silent for longer; a longer one lets the others be."""

    async def main() -> None:
        async with pushing() as house:
            await house.register("ann", "phone", "t-1")
            await house.pass_time(days(2))
            await house.register("ben", "phone", "t-2")
            await house.reload(settings_for(silent(PUSHES, after_us=DAY_US)))
            await house.pass_time(1)
            assert (house.status("ann", "phone"), house.status("ben", "phone")) == ("stale", "active")
            await house.reload(settings_for(silent(PUSHES, after_us=3 * DAY_US)))
            await house.pass_time(days(2.5))
            assert house.status("ben", "phone") == "active"
            await house.pass_time(days(1))
            assert house.status("ben", "phone") == "stale"

    run_virtual(main)


def test_many_become_stale_together() -> None:
    """Hundreds that were registered at once are all found within a second of it, whatever page they are on."""

    async def main() -> None:
        disk = ObedientDisk()
        async with pushing(disk=disk) as house:
            await house.all_at_once(
                [lambda n=n: house.register(f"user{n}", "phone", f"t-{n}") for n in range(700)]  # type: ignore[misc]
            )
            disk.commit_us = 1_000
            await house.pass_time(days(30) - 1)
            assert {state.status for state, _ in house.devices().values()} == {"active"}
            await house.pass_time(2)
            assert {state.status for state, _ in house.devices().values()} == {"stale"}

    run_virtual(main)


class CountingDisk(ObedientDisk):
    """A disk that counts how often it is read."""

    reads = 0

    def at(self, border: Border, rows: int) -> Awaitable[None] | None:
        self.reads += border == "before_read"
        return super().at(border, rows)


def test_nobody_looks_while_nothing_is_due() -> None:
    """Between two instants that matter the sweep reads nothing, whether there are devices or none."""

    async def main() -> None:
        disk = CountingDisk()
        async with pushing(disk=disk) as house:
            before = disk.reads
            await house.pass_time(days(29))
            assert disk.reads == before
            await house.register("ann", "phone", "t-1")
            await house.pass_time(days(2))
            before = disk.reads
            await house.pass_time(days(26))
            assert disk.reads == before
            assert house.status("ann", "phone") == "active"

    run_virtual(main)


@pytest.mark.parametrize("minutes", [1, pytest.param(90, marks=pytest.mark.slow)])
def test_trouble_with_the_log_delays_the_sweep(minutes: int) -> None:
    """While nothing can be written or read nobody becomes stale; once it is over everybody who is due does."""

    async def main() -> None:
        disk = ObedientDisk()
        async with pushing(disk=disk, policy=silent(PUSHES, after_us=HOUR_US)) as house:
            for n in range(5):
                await house.register(f"user{n}", "phone", f"t-{n}")
            await house.pass_time((HOUR_US - MINUTE_US) / SECOND_US)
            disk.fill()
            await house.pass_time(minutes * 60)
            disk.is_unreadable = True
            await house.pass_time(minutes * 60)
            assert staled_after_us(house) == {}
            disk.is_unreadable = False
            disk.empty()
            await house.pass_time(10)
            assert len(staled_after_us(house)) == 5

    run_virtual(main)


def test_a_device_that_speaks_as_its_time_ends_stays_or_returns() -> None:
    """However the sweep and a registration meet at one instant, the device is active afterwards."""

    async def main() -> None:
        disk = ObedientDisk()
        disk.commit_us = 500
        for early_us in (-1_000, -400, 0, 400, 1_000):
            async with pushing(disk=disk, policy=silent(PUSHES, after_us=HOUR_US)) as house:
                device, _ = await house.register("ann", "phone", "t-1")
                await house.pass_time((device.state.seen_us + HOUR_US - early_us - house.clock.now_us()) / SECOND_US)
                again, _ = await house.register("ann", "phone", "t-1")
                assert again.state.status == "active"
                await house.pass_time(60)
                assert house.status("ann", "phone") == "active"

    run_virtual(main)


def test_a_device_that_makes_no_sense_hides_nobody() -> None:
    """An event that cannot follow parks its own device; those behind it become stale all the same."""

    async def main() -> None:
        async with pushing() as house:
            broken, _ = await house.register("broken", "phone", "t-1")
            await house.pass_time(days(1))
            await house.register("ann", "phone", "t-2")
            await house.write_behind(broken.state.id, e.LaneResumed(by="operator"))
            await house.pass_time(days(32))
            assert house.status("ann", "phone") == "stale"
            assert house.notes.count("device_parked") >= 1

    run_virtual(main)
