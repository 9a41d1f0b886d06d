"""Failover over reloads, restarts, trouble and doubts; and how a lane that was left shows that it works again."""

from typing import Final

from core import events as e
from core.outcomes import Ambiguous, Transient
from core.policies import MINUTE_US, SECOND_US, BreakerRule, Policy, Schedule
from core.settings import Bounds, Settings
from eventstore.durable import Durable
from scenarios.loop.run import run_virtual
from tests.promises.accounts import (
    Branches,
    accounts_for,
    crashed,
    lane,
    moves_of,
    open_branches,
    path_of,
    settings_with,
)
from tests.promises.house import PLAIN, mail, under
from tests.promises.other_side import ObedientDisk

BOTH: Final = ("one", "two")
# Every lane of it goes through all of them, and is left after a minute of silence.
MOVING: Final = under(PLAIN, name="moving", failover=("one", "two", "three"))
DOWN: Final = Transient(code="503")


def lanes_under(*names: str, policy: Policy = MOVING, bounds: Bounds = Bounds()) -> Settings:  # noqa: B008 - it is frozen
    """Settings with lanes of these names under one policy."""
    return settings_with(*(lane(name, policy) for name in names), bounds=bounds)


def test_a_lane_that_is_taken_out_is_left() -> None:
    """A reload without it is as good as an outage: what may go on elsewhere does, what may not waits for it."""

    async def main() -> None:
        given = accounts_for(*BOTH)
        async with open_branches(lanes_under(*BOTH), given) as house:
            later = house.moment(house.clock.now_us() + 10 * SECOND_US)
            moving = (await house.post(mail(1), send_at=later)).id
            fixed = (await house.post(mail(2), send_at=later, failover=["one"])).id
            await house.reload(lanes_under("two", policy=under(MOVING, failover=("two",))))
            await house.pass_time(59)
            assert house.message(moving).lane == "one"
            await house.pass_time(2)
            assert house.message(moving).status == "sent"
            assert (house.message(fixed).status, house.message(fixed).lane) == ("scheduled", "one")
            await house.reload(lanes_under(*BOTH))
            await house.pass_time(1)
            assert house.statuses() == {"sent": 2}

    run_virtual(main)


def test_a_lane_that_is_gone_at_a_start_is_left() -> None:
    """The file names it no more when the next life begins: a minute later its messages go on elsewhere."""
    durable, given = Durable(), accounts_for(*BOTH)

    async def leave(house: Branches) -> None:
        await house.system.errands.pause("two")
        for number in range(5):
            await house.post(mail(number), send_at=house.moment(house.clock.now_us() + 10 * SECOND_US))
        await house.system.errands.resume("two")

    async def again() -> None:
        async with open_branches(lanes_under("two"), given, durable=durable) as house:
            await house.pass_time(59)
            assert house.statuses() == {"scheduled": 5}
            await house.pass_time(2)
            assert house.statuses() == {"sent": 5}
            assert len(given["two"].sent) == 5

    run_virtual(again, start_s=crashed(lanes_under(*BOTH), given, durable, leave))


def test_an_attempt_in_a_lane_that_is_taken_out_goes_on_in_the_next() -> None:
    """It ends under the policy that it began under, and what follows leaves by a lane that is there."""

    async def main() -> None:
        given = accounts_for(*BOTH)
        given["one"].hold()
        given["one"].always = DOWN
        async with open_branches(lanes_under(*BOTH), given) as house:
            stream = (await house.post(mail(1))).id
            await house.pass_time(1)
            await house.reload(lanes_under("two", policy=under(MOVING, failover=("two",))))
            given["one"].let_go()
            await house.pass_time(1)
            assert path_of(house, stream) == ["one", "two"]
            assert house.message(stream).status == "sent"

    run_virtual(main)


def test_a_move_of_unknown_fate_is_made_once() -> None:
    """The store fails just as messages leave: each is sent once, by the lane that is up."""

    async def main() -> None:
        given, disk = accounts_for(*BOTH), ObedientDisk()
        async with open_branches(lanes_under(*BOTH), given, disk=disk) as house:
            await house.system.errands.pause("two")
            await house.system.errands.pause("one")
            streams = [(await house.post(mail(n))).id for n in range(200)]
            await house.pass_time(100)
            disk.commit_us = 1_000
            disk.fail_later("before_answer", after_commits=2)
            await house.system.errands.resume("two")
            await house.pass_time(30)
            assert house.statuses() == {"sent": 200}
            assert sorted(parcel.stream for parcel in given["two"].sent) == streams
            assert all(moves_of(house, stream) == [("two", "down")] for stream in streams)

    run_virtual(main)


def test_a_stream_that_makes_no_sense_keeps_nobody_from_leaving() -> None:
    """It stays for a person; the others go."""

    async def main() -> None:
        given = accounts_for(*BOTH)
        async with open_branches(lanes_under(*BOTH), given) as house:
            await house.system.errands.pause("two")
            await house.system.errands.pause("one")
            broken, *others = [(await house.post(mail(n))).id for n in range(5)]
            await house.write_behind(broken, e.LaneResumed())
            await house.pass_time(100)
            await house.system.errands.resume("two")
            await house.pass_time(5)
            assert {house.message(stream).status for stream in others} == {"sent"}
            assert house.notes.count("failover_parked") >= 1
            assert house.system.ready() == []

    run_virtual(main)


# -- doubts and breakers -----------------------------------------------------------------------------------------


def test_a_doubt_is_over_before_its_message_leaves() -> None:
    """Its lane is down meanwhile: evidence is awaited all the same, then the next lane sends it."""

    async def main() -> None:
        given = accounts_for(*BOTH)
        given["one"].answers.append(Ambiguous(code="timeout"))
        policy = under(MOVING, reconcile_us=5 * MINUTE_US, retry=Schedule(after_us=(10 * MINUTE_US,), jitter=0))
        async with open_branches(lanes_under(*BOTH, policy=policy), given) as house:
            stream = (await house.post(mail(1))).id
            await house.pass_time(1)
            await house.system.errands.pause("one")
            await house.pass_time(298)
            assert path_of(house, stream) == ["one"]
            await house.pass_time(2)
            assert path_of(house, stream) == ["one", "two"]
            assert house.message(stream).status == "sent"

    run_virtual(main)


def test_a_lane_behind_its_breaker_is_offered_a_probe() -> None:
    """With all its traffic gone to the next lane, one message now and then shows when it works again."""

    async def main() -> None:
        given = accounts_for(*BOTH)
        breaker = BreakerRule(share=0.5, of=4, cooldown_us=30 * SECOND_US, ceiling_us=60 * SECOND_US)
        async with open_branches(lanes_under(*BOTH, policy=under(MOVING, breaker=breaker)), given) as house:
            given["one"].always = DOWN
            await _post_each_second(house, 600)
            assert house.statuses() == {"sent": 600}
            assert len(given["two"].sent) == 600
            assert 2 < len(given["one"].sent) < 2 + 600 / 30
            given["one"].always = None
            await _post_each_second(house, 600)
            assert house.statuses() == {"sent": 1_200}
            assert len(given["two"].sent) < 700

    run_virtual(main)


async def _post_each_second(house: Branches, seconds: int) -> None:
    for number in range(seconds):
        await house.post(mail(number % 50), number)
        await house.pass_time(1)
