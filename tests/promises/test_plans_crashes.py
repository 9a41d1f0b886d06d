"""Reminder plans and trouble: whatever is killed or fails while a plan is carried out, it comes to the same end."""

from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest
from msgspec.structs import replace

from core import events as e
from eventstore.durable import Durable
from scenarios.loop.run import run_virtual
from scenarios.loop.virtual import PowerCut
from tests.promises.failing_disk import FailingDisk
from tests.promises.house import address, living, settings_of
from tests.promises.other_side import Provider
from tests.promises.planning import (
    AFTER,
    BEFORE,
    EXPIRING,
    Ending,
    Json,
    assert_once_each,
    cancel,
    counts,
    outcome,
    plan,
    put,
    undisturbed,
    whys,
)


def lives_until_the_power_fails(borders: int, durable: Durable, provider: Provider) -> float | None:
    """Sets BEFORE, then AFTER on a disk that fails there; answers when the power went out, None where it did not."""

    async def main() -> None:
        disk = FailingDisk()
        async with living(provider=provider, durable=durable, disk=disk) as house:
            await put(house, BEFORE)
            await house.pass_time(10)
            # An attempt that is cut off may be repeated, which is another promise's business.
            await house.system.errands.pause("calls")
            disk.arm(borders)
            await put(house, AFTER)

    try:
        run_virtual(main)
    except PowerCut as cut:
        provider.hang_up()
        return cut.now_s
    return None


def crashes() -> Iterator[tuple[int, Durable, Provider, float]]:
    """Every border at which the power can go out while AFTER is set, with what was left then."""
    for borders in range(1_000):
        durable, provider = Durable(), Provider()
        died_s = lives_until_the_power_fails(borders, durable, provider)
        if died_s is None:
            assert borders > 30, "setting a plan has many borders"
            return
        yield borders, durable, provider, died_s


def lives_on(durable: Durable, provider: Provider, died_s: float, *, is_repeated: bool) -> Ending:
    """The life after that, in which the client may come again; answers what it came to."""

    async def main() -> Ending:
        async with living(provider=provider, durable=durable) as house:
            if is_repeated:
                assert (await put(house, AFTER)).revision == 2
            await house.system.errands.resume("calls")
            await house.pass_time(10)
            found = await outcome(house)
            assert counts(await put(house, AFTER)) == (0, 0, 0, 16)
            await house.pass_time(70 * 3_600)
            assert_once_each(house, provider)
            return found, Counter(arrival.to for arrival in provider.seen), house.statuses()

    return run_virtual(main, start_s=died_s)


@pytest.mark.slow
@pytest.mark.parametrize("is_repeated", [False, True])
def test_a_crash_anywhere_comes_to_the_same_end(is_repeated: bool) -> None:  # noqa: FBT001 - a column
    """A plan that had been recorded is gone on with; repeated or not, its end is as if nothing had happened."""
    expected, recorded = undisturbed(), 0
    for borders, durable, provider, died_s in crashes():
        was_set = any(isinstance(entry.event, e.PlanSet) and entry.event.revision == 2 for entry in durable.events)
        recorded += was_set
        if was_set or is_repeated:
            ending = lives_on(durable, provider, died_s, is_repeated=is_repeated)
            assert ending == expected, f"the power went out at border {borders}"
    assert recorded > 30


def interrupted(asked: Json, durable: Durable, provider: Provider) -> float:
    """A life that ends as soon as the plan is recorded; answers when."""

    async def main() -> None:
        disk = FailingDisk()
        async with living(provider=provider, durable=durable, disk=disk) as house:
            await house.pass_time(1)
            # Three borders of the commit that records the plan.
            disk.arm(3)
            await put(house, asked)

    with pytest.raises(PowerCut) as cut:
        run_virtual(main)
    assert any(isinstance(entry.event, e.PlanSet) for entry in durable.events)
    assert not any(isinstance(entry.event, e.MessageAccepted) for entry in durable.events)
    return cut.value.now_s


def test_a_moment_that_passed_while_nobody_lived_is_made_up_for() -> None:
    """It was to come when the plan was set, so it is sent late, as any message; one that expired meanwhile is not."""
    durable, provider = Durable(), Provider()
    died_s = interrupted(plan("hour_before", EXPIRING, people=[1], starts_h=3), durable, provider)

    async def main() -> None:
        async with living(provider=provider, durable=durable) as house:
            await house.pass_time(10)
            assert [(arrival.to, arrival.attempt) for arrival in provider.seen] == [(address(1), 1)]
            assert await outcome(house) == {("p1", "hour_before"): ("delivered", None)}
            again = await put(house, plan("hour_before", EXPIRING, people=[1], starts_h=3))
            assert (counts(again), whys(again)) == ((0, 0, 0, 1), {"past": 1})

    run_virtual(main, start_s=died_s + 4 * 3_600)


def test_a_lane_that_went_meanwhile_costs_its_own_messages_alone() -> None:
    """A start without that lane makes all other messages; once it is back, setting the plan again makes the rest."""
    durable, provider = Durable(), Provider()
    asked = plan("hour_before", people=range(3))
    asked["participants"][1]["lane"] = "spare"  # type: ignore[index]  # It is a list.
    with_spare = settings_of(lanes=("calls", "mail", "spare"))

    async def first() -> None:
        disk = FailingDisk()
        async with living(provider=provider, durable=durable, disk=disk, settings=with_spare) as house:
            await house.pass_time(1)
            disk.arm(3)
            await put(house, asked)

    async def second() -> None:
        async with living(provider=provider, durable=durable) as house:
            await house.pass_time(1)
            assert set(await outcome(house)) == {("p0", "hour_before"), ("p2", "hour_before")}
            await house.reload(with_spare)
            assert counts(await put(house, asked)) == (1, 0, 0, 2)

    with pytest.raises(PowerCut) as cut:
        run_virtual(first)
    run_virtual(second, start_s=cut.value.now_s)


def test_a_plan_whose_row_was_changed_waits_for_a_person() -> None:
    """A row that is not what the log committed to is not acted on, and everything else goes on."""
    durable, provider = Durable(), Provider()
    died_s = interrupted(plan("hour_before", people=[1]), durable, provider)
    (stream,) = (head.stream for head in durable.heads.values() if head.kind == "plan")
    row = durable.sealed[stream]
    durable.sealed[stream] = replace(row, private=row.private + msgspec.msgpack.encode(1))

    async def main() -> None:
        async with living(provider=provider, durable=durable) as house:
            await house.pass_time(5)
            assert house.notes.count("plan_parked") == 1
            assert counts(await put(house, plan("activation", people=[1]), "event43")) == (1, 0, 0, 0)
            assert counts(await cancel(house, "event43"))[2] in (0, 1)

    run_virtual(main, start_s=died_s)
