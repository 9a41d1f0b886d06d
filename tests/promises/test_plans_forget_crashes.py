"""Plans forget a person while there is trouble: whatever is killed or fails, nothing of them is left in the end."""

from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import Final

import anyio
import pytest

from core import events as e
from core.errors import AppendUnknown, StoreUnavailable
from eventstore.durable import Durable
from scenarios.laws.replay import as_it_lies
from scenarios.loop.run import run_virtual
from scenarios.loop.virtual import PowerCut
from tests.promises.failing_disk import FailingDisk
from tests.promises.house import House, address, living
from tests.promises.other_side import ObedientDisk, Provider
from tests.promises.planning import (
    AFTER,
    BEFORE,
    Json,
    Outcome,
    assert_once_each,
    outcome,
    plan,
    plan_rows_broken,
    put,
    show,
)

Deed = Callable[[House], Coroutine[object, None, object]]


async def forget(house: House) -> int:
    """Has plans forget the first of all."""
    return await house.system.plans.forget("org1", "webhook", address(1))


def assert_nothing_is_left(durable: Durable) -> None:
    """No plan holds the id or the address of the first of all, and what lies in the log makes sense."""
    for head in durable.heads.values():
        if head.kind == "plan":
            private = durable.sealed[head.stream].private
            assert b"p1" not in private
            assert b"a.example/1" not in private
    assert list(as_it_lies(durable)) == []
    assert plan_rows_broken(durable) == []


def revisions_in(durable: Durable) -> int:
    """How many revisions of plans were recorded."""
    return sum(isinstance(entry.event, e.PlanSet) for entry in durable.events)


def crashes(deed: Deed) -> Iterator[tuple[int, Durable, Provider, float]]:
    """Every border at which the power can go out while something is done to BEFORE, with what was left then."""
    for borders in range(1_000):
        durable, provider = Durable(), Provider()
        died_s = _until_the_power_fails(deed, borders, durable, provider)
        if died_s is None:
            assert borders > 10, "it has many borders"
            return
        yield borders, durable, provider, died_s


def _until_the_power_fails(deed: Deed, borders: int, durable: Durable, provider: Provider) -> float | None:
    async def main() -> None:
        disk = FailingDisk()
        async with living(provider=provider, durable=durable, disk=disk) as house:
            await put(house, BEFORE)
            await house.pass_time(10)
            # An attempt that is cut off may be repeated, which is another promise's business.
            await house.system.errands.pause("calls")
            disk.arm(borders)
            await deed(house)

    try:
        run_virtual(main)
    except PowerCut as cut:
        provider.hang_up()
        return cut.now_s
    return None


WORDS: Final[Json] = {"webhook": {"type": "test", "data": {"n": 1}}, "email": {"subject": "1", "text": "."}}

# How the plan stands, who got how many in the end, and how all messages ended.
Ending = tuple[Outcome, Counter[str], dict[str, int]]


def lives_on(durable: Durable, provider: Provider, died_s: float, deed: Deed) -> Ending:
    """The life after that, in which something is done; answers what it came to."""

    async def main() -> Ending:
        async with living(provider=provider, durable=durable) as house:
            await deed(house)
            await house.system.errands.resume("calls")
            await house.pass_time(10)
            assert_nothing_is_left(durable)
            assert await forget(house) == 0
            found = await outcome(house)
            await house.pass_time(70 * 3_600)
            assert_once_each(house, provider)
            return found, Counter(arrival.to for arrival in provider.seen), house.statuses()

    return run_virtual(main, start_s=died_s)


async def nothing(house: House) -> None:
    """Waits for the house to go on by itself."""
    await house.pass_time(1)


def undisturbed(*deeds: Deed) -> Ending:
    """What BEFORE, and then these, come to where nothing fails."""
    durable, provider = Durable(), Provider()

    async def main() -> None:
        async with living(provider=provider, durable=durable) as house:
            await put(house, BEFORE)
            await house.pass_time(10)
            await house.system.errands.pause("calls")
            for deed in deeds:
                await deed(house)

    run_virtual(main)
    return lives_on(durable, provider, 10, nothing)


@pytest.mark.slow
@pytest.mark.parametrize("deed", [nothing, forget])
def test_a_crash_anywhere_leaves_nothing_of_them(deed: Deed) -> None:
    """Forgetting that had been recorded is gone on with; asked for again or not, its end is as if nothing happened."""
    expected, recorded = undisturbed(forget), 0
    for borders, durable, provider, died_s in crashes(forget):
        recorded += revisions_in(durable) == 2
        if revisions_in(durable) == 2 or deed is forget:
            assert lives_on(durable, provider, died_s, deed) == expected, f"the power went out at border {borders}"
    assert recorded > 5


@pytest.mark.slow
def test_a_plan_under_way_is_finished_first() -> None:
    """One that was cut short anywhere is carried out for all others when it forgets somebody before it went on."""

    async def change(house: House) -> None:
        await put(house, AFTER)

    (expected, _, _), recorded = undisturbed(change, forget), 0
    for borders, durable, provider, died_s in crashes(change):
        if revisions_in(durable) == 2:
            recorded += 1
            found, _, _ = lives_on(durable, provider, died_s, forget)
            assert found == expected, f"the power went out at border {borders}"
    assert recorded > 30


@pytest.mark.slow
@pytest.mark.parametrize("nth", range(3))
def test_a_commit_of_unknown_fate_delays_forgetting_and_no_more(nth: int) -> None:
    """Whichever commit fails, whoever asked is told, and asked again nothing is left."""

    async def main() -> None:
        disk = ObedientDisk()
        disk.commit_us = 200
        async with living(disk=disk) as house:
            await put(house, BEFORE)
            await house.pass_time(10)
            disk.fail_later("before_answer", after_commits=nth)
            with pytest.raises(AppendUnknown):
                await forget(house)
            disk.calm()
            await house.pass_time(5)
            await forget(house)
            assert_nothing_is_left(house.durable)
            assert (await show(house)).is_applied

    run_virtual(main)


def test_a_full_disk_is_told_and_nothing_is_changed() -> None:
    """The caller hears it as it is; once there is room, forgetting is done when it is asked for again."""

    async def main() -> None:
        disk = ObedientDisk()
        async with living(disk=disk) as house:
            await put(house, BEFORE)
            disk.fill()
            with pytest.raises(StoreUnavailable):
                await forget(house)
            disk.empty()
            await house.pass_time(5)
            assert ((await show(house)).revision, await forget(house)) == (1, 1)
            assert_nothing_is_left(house.durable)

    run_virtual(main)


async def cut_short(house: House, disk: ObedientDisk, deed: Deed) -> None:
    """Does something that the disk takes the beginning of, and has the disk mended at once."""
    disk.commit_us = 1_000
    refused: list[str] = []

    async def try_it() -> None:
        try:
            await deed(house)
        except StoreUnavailable as error:
            refused.append(str(error))

    async with anyio.create_task_group() as group:
        group.start_soon(try_it)
        await house.pass_time(0.0015)
        disk.fill()
    assert refused == ["no space is left on the disk"]
    disk.empty()
    assert not (await show(house)).is_applied


def test_a_plan_that_is_cut_short_and_forgets_at_once_is_finished_first() -> None:
    """Nobody waits for it to go on by itself: the others get theirs, and what was made for them is withdrawn."""

    async def main() -> None:
        disk = ObedientDisk()
        async with living(disk=disk) as house:
            await cut_short(house, disk, lambda house: put(house, plan("hour_before", people=[1, 2, 3])))
            assert (await forget(house), (await show(house)).is_applied) == (1, True)
            assert (house.statuses(), (await show(house)).revision) == ({"scheduled": 2, "cancelled": 1}, 2)
            assert_nothing_is_left(house.durable)

    run_virtual(main)


def test_forgetting_that_is_cut_short_is_finished_by_whoever_asks_again() -> None:
    """Also where the plan names them no more, and no message of theirs tells who it was for."""

    async def main() -> None:
        disk = ObedientDisk()
        async with living(disk=disk) as house:
            asked = plan({"kind": "day_before", "content": WORDS}, people=[2])
            theirs = {"channel": "email", "to": "one@b.example", "fallback": [{"channel": "webhook", "to": address(1)}]}
            asked["participants"] = [{"id": "p1"} | theirs, *asked["participants"]]  # type: ignore[misc]  # A list.
            await put(house, asked)
            await cut_short(house, disk, forget)
            assert (await forget(house), (await show(house)).is_applied) == (0, True)
            assert_nothing_is_left(house.durable)
            assert house.statuses() == {"scheduled": 1, "cancelled": 1}

    run_virtual(main)


def test_a_plan_under_way_that_does_not_name_them_holds_nobody_up() -> None:
    """It is left alone, whatever keeps it, while those that name them forget."""

    async def main() -> None:
        disk = ObedientDisk()
        async with living(disk=disk) as house:
            await put(house, plan("hour_before", people=[1, 2]), "event43")
            await cut_short(house, disk, lambda house: put(house, plan("hour_before", people=[2, 3])))
            assert (await forget(house), (await show(house)).is_applied) == (1, False)
            await house.pass_time(5)
            assert (await show(house)).is_applied
            assert_nothing_is_left(house.durable)

    run_virtual(main)
