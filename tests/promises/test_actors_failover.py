"""Failover: a message goes through the lanes that it may, in order, and waits behind none that lets nothing out."""

from functools import partial
from typing import Final

import pytest

from core.events import AttemptStarted
from core.outcomes import Ambiguous, Config, Outcome, Permanent, Rate, Recipient, Transient
from core.policies import SECOND_US, Limits, Policy, Quota
from core.settings import Bounds, Settings
from scenarios.loop.run import run_virtual
from tests.promises.accounts import (
    CountingDisk,
    accounts_for,
    counted_in,
    lane,
    moves_of,
    open_branches,
    path_of,
    settings_with,
)
from tests.promises.house import PLAIN, TIGHT, mail, under

BOTH: Final = ("one", "two")
# Every lane of it goes through all of them, and is left after a minute of silence.
MOVING: Final = under(PLAIN, name="moving", failover=("one", "two", "three"))
DOWN: Final = Transient(code="503")


def lanes_under(*names: str, policy: Policy = MOVING, bounds: Bounds = Bounds()) -> Settings:  # noqa: B008 - it is frozen
    """Settings with lanes of these names under one policy."""
    return settings_with(*(lane(name, policy) for name in names), bounds=bounds)


# -- what was tried ----------------------------------------------------------------------------------------------


def test_a_failed_attempt_goes_on_in_the_next_lane() -> None:
    """At once and in order, within its own stream; the books follow it."""

    async def main() -> None:
        given = accounts_for("one", "two", "three")
        given["one"].answers.append(DOWN)
        given["two"].answers.append(Ambiguous(code="504"))
        async with open_branches(lanes_under(*given), given) as house:
            stream = (await house.post(mail(1))).id
            await house.pass_time(0.1)
            assert path_of(house, stream) == ["one", "two", "three"]
            assert house.message(stream).status == "sent"
            assert house.message(stream).used == 0
            assert await counted_in(house) == {("three", "sent"): 1}

    run_virtual(main)


def test_rounds_follow_the_schedule_until_it_is_through() -> None:
    """Two lanes and three retries: eight attempts, with the waits of the schedule between the rounds."""

    async def main() -> None:
        given = accounts_for(*BOTH)
        for account in given.values():
            account.always = DOWN
        async with open_branches(lanes_under(*BOTH), given) as house:
            stream = (await house.post(mail(1))).id
            seen = []
            for seconds in (5, 10, 20, 40):
                await house.pass_time(seconds)
                seen.append(len(path_of(house, stream)))
            assert seen == [2, 4, 6, 8]
            await house.pass_time(3_600)
            assert path_of(house, stream) == ["one", "two"] * 4
            assert (house.message(stream).status, house.message(stream).reason) == ("dead", "exhausted")
            assert await counted_in(house) == {("two", "dead"): 1}

    run_virtual(main)


@pytest.mark.parametrize("outcome", [Permanent(code="554"), Recipient(code="550")])
def test_a_refusal_moves_nothing(outcome: Outcome) -> None:
    """What is wrong with the message or its address is as wrong in the next lane."""

    async def main() -> None:
        given = accounts_for(*BOTH)
        given["one"].answers.append(outcome)
        async with open_branches(lanes_under(*BOTH), given) as house:
            stream = (await house.post(mail(1))).id
            await house.pass_time(600)
            assert path_of(house, stream) == ["one"]
            assert house.message(stream).status == "dead"

    run_virtual(main)


def test_a_broken_account_is_left_at_once() -> None:
    """Its lane is paused for a person, and what it could not send is sent by the next one."""

    async def main() -> None:
        given = accounts_for(*BOTH)
        given["one"].always = Config(code="535")
        async with open_branches(lanes_under(*BOTH), given) as house:
            streams = [(await house.post(mail(number))).id for number in range(3)]
            await house.pass_time(1)
            assert {house.message(stream).status for stream in streams} == {"sent"}
            assert house.system.errands.paused_lanes == {"one"}
            later = (await house.post(mail(9))).id
            await house.pass_time(1)
            assert path_of(house, later) == ["two"]

    run_virtual(main)


def test_no_message_runs_between_a_failing_and_a_paused_lane() -> None:
    """With the second lane down, the first one's schedule holds: four attempts, and the end."""

    async def main() -> None:
        given = accounts_for(*BOTH)
        given["one"].always = DOWN
        async with open_branches(lanes_under(*BOTH), given) as house:
            await house.system.errands.pause("two")
            await house.pass_time(600)
            stream = (await house.post(mail(1))).id
            await house.pass_time(3_600)
            assert path_of(house, stream) == ["one"] * 4
            assert moves_of(house, stream) == []
            assert house.message(stream).reason == "exhausted"

    run_virtual(main)


def test_one_that_sleeps_right_after_its_attempt_goes_on_in_the_next_lane() -> None:
    """It waits there for no room in the lane that it has left, though nobody of it is awake any more."""

    async def main() -> None:
        given, disk = accounts_for(*BOTH), CountingDisk()
        given["one"].always = Rate(scope="account", after_us=600 * SECOND_US)
        disk.commit_us = 5_000
        async with open_branches(lanes_under(*BOTH, bounds=Bounds(awake_max=1)), given, disk=disk) as house:
            for number in range(30):
                await house.all_at_once([partial(house.post, mail(number)), partial(house.post, mail(100 + number))])
            await house.pass_time(20)
            tried = sum(isinstance(event, AttemptStarted) and event.lane == "one" for event in house.all_events())
            assert 0 < tried == house.statuses()["sent"]

    run_virtual(main)


def test_order_holds_while_the_first_moves() -> None:
    """In fifo nobody overtakes a message on its way through the lanes, whatever lanes those behind it want."""

    async def main() -> None:
        given = accounts_for("one", "two", "three")
        given["one"].answers.append(DOWN)
        given["two"].answers.append(DOWN)
        given["three"].answers.append(DOWN)
        async with open_branches(lanes_under(*given), given) as house:
            first = (await house.post(mail(1))).id
            others = [(await house.post(mail(1), number, lane=name)).id for number, name in enumerate(given, 2)]
            await house.pass_time(5)
            assert [house.message(stream).attempt for stream in others] == [0, 0, 0]
            await house.pass_time(60)
            assert path_of(house, first) == ["one", "two", "three", "one"]
            ended = [house.message(stream).changed_us for stream in (first, *others)]
            assert ended == sorted(ended)
            assert house.statuses() == {"sent": 4}

    run_virtual(main)


def test_limits_are_those_of_the_lane_that_is_next() -> None:
    """What moves to a lane waits for that lane's own limits."""

    async def main() -> None:
        given = accounts_for(*BOTH)
        given["one"].always = DOWN
        slow = under(MOVING, limits=Limits(lane=Quota(count=1, window_us=10 * SECOND_US)))
        settings = settings_with(lane("one", MOVING), lane("two", slow))
        async with open_branches(settings, given) as house:
            for number in range(4):
                await house.post(mail(number))
            await house.pass_time(1)
            assert (len(given["one"].sent), len(given["two"].sent)) == (4, 1)
            await house.pass_time(31)
            assert len(given["two"].sent) == 4
            assert house.statuses() == {"sent": 4}

    run_virtual(main)


# -- what waits --------------------------------------------------------------------------------------------------


def test_what_waits_leaves_a_lane_that_is_down() -> None:
    """A minute after the lane went down, and not before; what is due later leaves when it is due."""

    async def main() -> None:
        given = accounts_for(*BOTH)
        async with open_branches(lanes_under(*BOTH, bounds=TIGHT), given) as house:
            limit = house.moment(house.clock.now_us() + 600 * SECOND_US)
            later = [(await house.post(mail(n), send_at=limit)).id for n in range(5)]
            due = house.moment(house.clock.now_us() + 5 * SECOND_US)
            waiting = [(await house.post(mail(9), n, send_at=due)).id for n in range(5)]
            await house.system.errands.pause("one")
            await house.pass_time(59.9)
            assert len(given["two"].sent) == 0
            await house.pass_time(0.2)
            assert [path_of(house, stream) for stream in waiting] == [["two"]] * 5
            assert [moves_of(house, stream) for stream in waiting] == [[("two", "down")]] * 5
            await house.pass_time(500)
            assert await counted_in(house) == {("one", "scheduled"): 5, ("two", "sent"): 5}
            await house.pass_time(40)
            assert {house.message(stream).status for stream in later} == {"sent"}
            assert await counted_in(house) == {("two", "sent"): 10}

    run_virtual(main)


def test_what_waits_leaves_though_the_log_could_not_be_read_when_its_time_came() -> None:
    """A lane that could not be looked over is looked over again once the log can be read."""

    async def main() -> None:
        given, disk = accounts_for(*BOTH), CountingDisk()
        async with open_branches(lanes_under(*BOTH), given, disk=disk) as house:
            due = house.moment(house.clock.now_us() + 5 * SECOND_US)
            waiting = (await house.post(mail(9), send_at=due)).id
            await house.system.errands.pause("one")
            await house.pass_time(59)
            disk.is_unreadable = True
            await house.pass_time(5)
            disk.is_unreadable = False
            await house.pass_time(2)
            assert path_of(house, waiting) == ["two"]

    run_virtual(main)


def test_all_of_one_conversation_leave_in_time_however_few_may_wait_for_it() -> None:
    """They have its turn one after another, so none is put off because others wait already."""

    async def main() -> None:
        given, disk = accounts_for(*BOTH), CountingDisk()
        disk.commit_us = 1_000
        async with open_branches(lanes_under(*BOTH, bounds=Bounds(mail_max=1)), given, disk=disk) as house:
            due = house.moment(house.clock.now_us() + 5 * SECOND_US)
            waiting = [(await house.post(mail(9), n, send_at=due)).id for n in range(12)]
            await house.system.errands.pause("one")
            await house.pass_time(61)
            assert [moves_of(house, stream) for stream in waiting] == [[("two", "down")]] * 12

    run_virtual(main)


def test_a_lane_that_went_down_and_came_up_again_is_one_to_go_on_in() -> None:
    """It went down just as messages were to go on in it: once it is back they do."""

    async def main() -> None:
        given, disk = accounts_for(*BOTH), CountingDisk()
        async with open_branches(lanes_under(*BOTH), given, disk=disk) as house:
            due = house.moment(house.clock.now_us() + 5 * SECOND_US)
            waiting = (await house.post(mail(9), send_at=due)).id
            await house.system.errands.pause("one")
            disk.read_us = 100_000
            await house.pass_time(60.05)
            await house.system.errands.pause("two")
            await house.pass_time(30)
            assert moves_of(house, waiting) == []
            await house.system.errands.resume("two")
            await house.pass_time(5)
            assert path_of(house, waiting) == ["two"]

    run_virtual(main)


def test_new_messages_begin_in_the_first_lane_that_is_up() -> None:
    """Who names a lane begins there as long as it is up, and goes round from it."""

    async def main() -> None:
        given = accounts_for("one", "two", "three")
        async with open_branches(lanes_under(*given), given) as house:
            await house.system.errands.pause("one")
            streams = [(await house.post(mail(1))).id]
            streams += [(await house.post(mail(2), lane=name)).id for name in ("three", "one")]
            await house.pass_time(0.1)
            assert [path_of(house, stream) for stream in streams] == [["two"], ["three"], ["two"]]
            given["three"].always = DOWN
            stream = (await house.post(mail(7), lane="three")).id
            await house.pass_time(11)
            assert path_of(house, stream) == ["three", "two"]

    run_virtual(main)


def test_with_every_lane_down_messages_wait_for_the_first_that_comes_up() -> None:
    """They wait in the first, and leave for whichever is up, though they were accepted while none was."""

    async def main() -> None:
        given = accounts_for(*BOTH)
        async with open_branches(lanes_under(*BOTH, bounds=TIGHT), given) as house:
            for name in BOTH:
                await house.system.errands.pause(name)
            streams = [(await house.post(mail(n))).id for n in range(8)]
            await house.pass_time(3_600)
            assert {house.message(stream).lane for stream in streams} == {"one"}
            await house.system.errands.resume("two")
            await house.pass_time(0.1)
            assert house.statuses() == {"sent": 8}
            assert len(given["two"].sent) == 8

    run_virtual(main)


def test_a_lane_that_comes_up_in_time_keeps_its_messages() -> None:
    """Half a minute of silence moves nothing."""

    async def main() -> None:
        given = accounts_for(*BOTH)
        async with open_branches(lanes_under(*BOTH), given) as house:
            later = house.moment(house.clock.now_us() + 10 * SECOND_US)
            stream = (await house.post(mail(1), send_at=later)).id
            await house.system.errands.pause("one")
            await house.pass_time(30)
            await house.system.errands.resume("one")
            await house.pass_time(600)
            assert path_of(house, stream) == ["one"]
            assert moves_of(house, stream) == []

    run_virtual(main)


def test_a_message_without_a_choice_stays() -> None:
    """It names no other lane, and nobody chooses one for it."""

    async def main() -> None:
        given = accounts_for(*BOTH)
        async with open_branches(lanes_under(*BOTH, policy=PLAIN), given) as house:
            later = house.moment(house.clock.now_us() + SECOND_US)
            fixed = (await house.post(mail(1), send_at=later)).id
            moving = (await house.post(mail(2), send_at=later, failover=["one", "two"])).id
            await house.system.errands.pause("one")
            await house.pass_time(3_600)
            assert (house.message(fixed).lane, house.message(fixed).status) == ("one", "scheduled")
            assert house.message(moving).status == "sent"

    run_virtual(main)


def test_nobody_looks_again_and_again_at_what_cannot_leave() -> None:
    """A thousand messages wait in a lane that is down: each is looked at once, however often others become due."""

    async def main() -> None:
        given, disk = accounts_for(*BOTH), CountingDisk()
        async with open_branches(lanes_under(*BOTH, policy=PLAIN), given, disk=disk) as house:
            later_us = house.clock.now_us() + 10 * SECOND_US
            for number in range(1_000):
                await house.post(mail(number), send_at=house.moment(later_us))
            for number in range(50):
                due = house.moment(later_us + (120 + 10 * number) * SECOND_US)
                await house.post(mail(2_000 + number), send_at=due, failover=["one", "two"])
            await house.system.errands.pause("one")
            await house.pass_time(100)
            disk.asked = 0
            await house.pass_time(3_600)
            assert len(given["two"].sent) == 50
            # Some questions for each of the fifty, and nothing for the hours in between.
            assert disk.asked < 50 * 30

    run_virtual(main)
