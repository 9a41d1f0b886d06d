"""Reminder plans whose people are in another time zone than was thought: what waits for them moves along."""

from collections import Counter
from typing import Final, cast
from zoneinfo import ZoneInfo

from scenarios.loop.run import run_virtual
from tests.promises.house import living
from tests.promises.other_side import Provider
from tests.promises.planning import Json, assert_once_each, counts, hours, outcome, plan, put

# Loaded beforehand, since a house on virtual time opens no file.
ZONES: Final = {name: ZoneInfo(name) for name in ("UTC", "Europe/Berlin")}


def in_berlin(asked: Json) -> Json:
    """The same plan for an event there."""
    return asked | {"event": cast("Json", asked["event"]) | {"time_zone": "Europe/Berlin"}}


def test_reminders_follow_who_is_in_another_time_zone() -> None:
    """Each keeps its id and moves to its own morning there, and quiet hours are those of that place from then on."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider, zone_of=ZONES.__getitem__) as house:
            created = (await put(house, plan("day_before", "hour_before"))).created
            berlin = in_berlin(plan("day_before", "hour_before"))
            change = await put(house, berlin)
            assert (counts(change), change.moved) == ((0, 6, 0, 0), created)
            assert (await outcome(house))["p0", "day_before"] == ("scheduled", 24.0)
            assert {house.message(one).zone for one in created} == {"Europe/Berlin"}
            again = await put(house, berlin)
            assert (counts(again), again.revision) == ((0, 0, 0, 6), 2)
            await house.pass_time(60 * 3_600)
            assert Counter(round(hours(arrival.at_us) or 0, 2) for arrival in provider.seen) == {24.0: 3, 47.0: 3}
            assert_once_each(house, provider)

    run_virtual(main)


def test_an_early_move_to_another_time_zone_keeps_a_place_in_line() -> None:
    """What is due already and merely waits is neither sent twice nor put behind others."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider, zone_of=ZONES.__getitem__) as house:
            await house.system.errands.pause("calls")
            (first,) = (await put(house, plan("activation", people=[0]))).created
            due_us = house.message(first).first_due_us
            await house.pass_time(3_600)
            assert (await put(house, in_berlin(plan("activation", people=[0])))).moved == (first,)
            assert (house.message(first).first_due_us, house.message(first).zone) == (due_us, "Europe/Berlin")
            await house.system.errands.resume("calls")
            await house.pass_time(60)
            assert house.statuses() == {"delivered": 1}
            assert_once_each(house, provider)

    run_virtual(main)
