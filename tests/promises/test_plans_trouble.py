"""Reminder plans and trouble: a store that fails, a caller who goes away, two callers at once, a stop in between."""

from collections import Counter

import anyio
import pytest

from core.settings import Bounds
from eventstore.disk import Border
from scenarios.loop.run import run_virtual
from tests.promises.house import House, address, living
from tests.promises.other_side import ObedientDisk, Provider
from tests.promises.planning import (
    AFTER,
    BEFORE,
    Json,
    assert_once_each,
    counts,
    hours,
    note_refusal,
    outcome,
    plan,
    put,
    refusal,
    show,
    undisturbed,
)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("border", ["before_sync", "before_answer"])
@pytest.mark.parametrize("nth", range(0, 22, 3))
def test_a_commit_of_unknown_fate_delays_a_plan_and_no_more(border: Border, nth: int) -> None:
    """Whichever commit fails so that nobody can tell, the plan is carried out without anybody asking again."""

    async def main() -> None:
        disk, provider = ObedientDisk(), Provider()
        disk.commit_us = 200
        async with living(provider=provider, disk=disk) as house:
            await put(house, BEFORE)
            await house.pass_time(10)
            disk.fail_later(border, after_commits=nth)
            await refusal(house, AFTER)
            await house.pass_time(10)
            disk.calm()
            if (await show(house)).revision == 1:
                # Nothing of it had been recorded, so nobody but its client knows of it.
                await put(house, AFTER)
            assert counts(await put(house, AFTER)) == (0, 0, 0, 16)
            await house.pass_time(10)
            assert await outcome(house) == undisturbed_outcome
            assert_once_each(house, provider)

    undisturbed_outcome = undisturbed()[0]
    run_virtual(main)


def test_a_full_disk_holds_a_plan_up() -> None:
    """The client is refused; once there is room again what was recorded goes on by itself, in time for its moments."""

    async def main() -> None:
        disk, provider = ObedientDisk(), Provider()
        disk.commit_us = 1_000
        async with living(provider=provider, disk=disk) as house:
            refused: list[str] = []
            async with anyio.create_task_group() as group:
                group.start_soon(note_refusal, house, plan("hour_before", people=range(600)), refused)
                await house.pass_time(0.0025)
                disk.fill()
            assert refused == ["no space is left on the disk"]
            assert not (await show(house)).is_applied
            await house.pass_time(600)
            assert not (await show(house)).is_applied
            assert 0 < house.notes.count("plan_refused") <= 601
            disk.empty()
            await house.pass_time(5)
            assert (await show(house)).is_applied
            assert house.statuses() == {"scheduled": 600}

    run_virtual(main)


def test_a_plan_for_more_than_may_wait_at_once_is_carried_out() -> None:
    """Its messages go through a small door one after another, and the plan is not refused each time anew."""

    async def main() -> None:
        async with living(bounds=Bounds(accepting_max=1)) as house:
            assert counts(await put(house, BEFORE)) == (16, 0, 0, 0)
            assert counts(await put(house, AFTER)) == (10, 3, 10, 3)

    run_virtual(main)


def test_a_plan_before_a_door_that_is_full_is_tried_again_now_and_then() -> None:
    """Others keep its messages out for a while: its client is refused, and it goes on by itself without haste."""

    async def main() -> None:
        disk = ObedientDisk()
        disk.commit_us = 1_000_000
        async with living(disk=disk, bounds=Bounds(accepting_max=1)) as house:
            refused: list[str] = []
            async with anyio.create_task_group() as group:
                group.start_soon(note_refusal, house, plan("hour_before"), refused)
                await house.pass_time(0.5)
                await house.post(address(9))
            assert refused == ["1 requests wait for the store already"]
            await house.pass_time(20)
            assert (await show(house)).is_applied
            assert 0 < house.notes.count("plan_refused") <= 5

    run_virtual(main)


async def _cut_short(house: House, disk: ObedientDisk) -> None:
    """Sets a plan for six hundred people, of which the disk takes a part, and has the disk mended at once."""
    refused: list[str] = []
    async with anyio.create_task_group() as group:
        group.start_soon(note_refusal, house, plan("hour_before", people=range(600)), refused)
        await house.pass_time(0.0045)
        disk.fill()
    assert refused
    assert 0 < house.statuses()["scheduled"] < 600
    disk.empty()
    await house.pass_time(0.01)


def test_another_plan_right_after_trouble_forgets_no_message() -> None:
    """What the plan before it had made until it was cut short is known, and withdrawn where nobody wants it now."""

    async def main() -> None:
        disk = ObedientDisk()
        disk.commit_us = 1_000
        async with living(disk=disk) as house:
            await _cut_short(house, disk)
            change = await put(house, plan("hour_before", people=[1]))
            assert (change.revision, len(change.cancelled), change.kept) == (2, 599, 1)
            assert house.statuses() == {"scheduled": 1, "cancelled": 599}

    run_virtual(main)


def test_a_repetition_is_answered_what_is_owed_to_it() -> None:
    """Whoever sets the plan again that was cut short learns of all that was made for it, and then of nothing more."""

    async def main() -> None:
        disk = ObedientDisk()
        disk.commit_us = 1_000
        async with living(disk=disk) as house:
            await _cut_short(house, disk)
            change = await put(house, plan("hour_before", people=range(600)))
            assert (counts(change), change.revision) == ((600, 0, 0, 0), 1)
            again = await put(house, plan("hour_before", people=range(600)))
            assert (counts(again), again.revision) == ((0, 0, 0, 600), 1)

    run_virtual(main)


def test_two_who_set_a_plan_at_once_come_one_after_the_other() -> None:
    """The plan is wholly what one of them asked for, and nobody is reminded for both."""

    async def main() -> None:
        disk, provider = ObedientDisk(), Provider()
        disk.commit_us = 500
        async with living(provider=provider, disk=disk) as house:
            wishes = [plan("activation", "hour_before", version=version, starts_h=40 + version) for version in range(6)]
            await house.all_at_once([lambda wish=wish: _set(house, wish) for wish in wishes])  # type: ignore[misc]  # One wish each.
            state = await show(house)
            assert state.revision == 6
            open_at = {hours(one.head.due_us) for one in state.messages if one.head.due_us is not None}
            assert open_at <= {44.0}
            await house.pass_time(60 * 3_600)
            assert Counter(arrival.to for arrival in provider.seen) == {address(n): 2 for n in range(3)}
            assert_once_each(house, provider)

    run_virtual(main)


async def _set(house: House, wish: Json) -> None:
    await put(house, wish)


def test_a_caller_who_goes_away_leaves_no_plan_half_done() -> None:
    """What was recorded is carried out though nobody waits for its answer any more."""

    async def main() -> None:
        disk = ObedientDisk()
        disk.commit_us = 1_000
        async with living(disk=disk) as house:
            with anyio.move_on_after(0.0035):
                await put(house, plan("hour_before", people=range(400)))
            assert not (await show(house)).is_applied
            await house.pass_time(5)
            assert (await show(house)).is_applied
            assert house.statuses() == {"scheduled": 400}

    run_virtual(main)


def test_a_stop_in_between_is_gone_on_from() -> None:
    """A daemon that stops while a plan is carried out says so, and the next one finishes it."""

    async def main() -> None:
        disk = ObedientDisk()
        disk.commit_us = 1_000
        async with living(disk=disk) as house:
            refused: list[str] = []
            async with anyio.create_task_group() as group:
                group.start_soon(note_refusal, house, plan("hour_before", people=range(400)), refused)
                await house.pass_time(0.0015)
                await house.system.stop()
            assert refused == ["the daemon is stopping and takes nothing new"]
        async with living(durable=house.durable) as house:
            await house.pass_time(5)
            assert (await show(house)).is_applied
            assert house.statuses() == {"scheduled": 400}

    run_virtual(main)
