"""Ends: a message expires, or gives way to its fallback, on time, whatever keeps its lane from letting it out."""

from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from core import events as e
from core.outcomes import Taken, Transient
from core.policies import SECOND_US, BreakerRule, CircuitRule, Limits, Quota
from core.settings import Bounds, Settings
from eventstore.disk import Border
from eventstore.durable import Durable
from scenarios.loop.run import run_virtual
from tests.promises.accounts import (
    Account,
    AskedAccount,
    Branches,
    CountingDisk,
    a_call,
    accounts_for,
    crashed,
    doubted,
    followed,
    lane,
    open_branches,
    settings_with,
)
from tests.promises.house import PLAIN, mail, under
from tests.promises.other_side import ObedientDisk

ONE: Final = settings_with(lane("post"))
SLOW: Final = settings_with(lane("post", under(PLAIN, limits=Limits(lane=Quota(count=1, window_us=3_600 * SECOND_US)))))
BREAKER: Final = BreakerRule(share=0.5, of=2, cooldown_us=600 * SECOND_US)
FRAIL: Final = settings_with(lane("post", under(PLAIN, breaker=BREAKER)))
TOUCHY: Final = settings_with(lane("post", under(PLAIN, circuit=CircuitRule(failures=1, cooldown_us=600 * SECOND_US))))

Prepare = Callable[[Branches, Account], Awaitable[None]]


async def _pause(house: Branches, _account: Account) -> None:
    await house.system.errands.pause("post")


async def _use_up(house: Branches, _account: Account) -> None:
    await house.post(mail(9))


async def _fail(house: Branches, account: Account) -> None:
    account.answers.append(Transient())
    await house.post(mail(1))
    await house.pass_time(0.1)


async def _hold(house: Branches, account: Account) -> None:
    account.hold()
    await house.post(mail(1))


async def _take_out(house: Branches, _account: Account) -> None:
    await house.reload(settings_with())


@pytest.mark.parametrize(
    ("settings", "prepare"),
    [(ONE, _pause), (SLOW, _use_up), (FRAIL, _fail), (TOUCHY, _fail), (ONE, _hold), (ONE, _take_out)],
    ids=["paused", "full", "breaker", "circuit", "behind", "gone"],
)
def test_a_message_expires_on_time(settings: Settings, prepare: Prepare) -> None:
    """Its lane is paused, full, broken or gone, its circuit open, or one before it in flight: it ends the same."""

    async def main() -> None:
        account = Account()
        async with open_branches(settings, {"post": account}) as house:
            ends_us = house.clock.now_us() + 20 * SECOND_US
            early = [
                (
                    await house.post(
                        mail(1), send_at=house.moment(ends_us - SECOND_US), expires_at=house.moment(ends_us)
                    )
                ).id
            ]
            await prepare(house, account)
            late = [] if prepare is _take_out else [(await house.post(mail(1), expires_at=house.moment(ends_us))).id]
            await house.pass_time(19.9 - house.seconds)
            assert {house.message(stream).is_open for stream in (*early, *late)} == {True}
            await house.pass_time(0.2)
            for stream in (*early, *late):
                assert (house.message(stream).status, house.message(stream).changed_us) == ("expired", ends_us)
                assert house.message(stream).attempt == 0
            account.let_go()

    run_virtual(main)


def test_another_channel_takes_over_on_time() -> None:
    """The lane is paused for good: at the instant that was asked for, the fallback begins."""

    async def main() -> None:
        given = accounts_for("post", "calls")
        settings = settings_with(lane("post"), lane("calls", channel="webhook"))
        async with open_branches(settings, given) as house:
            await house.system.errands.pause("post")
            limit = house.moment(house.clock.now_us() + 20 * SECOND_US)
            stream = (await house.post(mail(1), fallback=[a_call()], fallback_by=limit)).id
            await house.pass_time(19.9)
            assert given["calls"].sent == []
            await house.pass_time(0.2)
            await followed(house, stream, given["calls"])

    run_virtual(main)


def test_a_doubt_in_a_paused_lane_expires_on_time() -> None:
    """Nobody is asked and nothing sent: the doubt is resolved by the end of the message's time."""

    async def main() -> None:
        account = Account()
        account.hold()
        settings = settings_with(lane("post", under(PLAIN, reconcile_us=600 * SECOND_US, timeout_us=SECOND_US)))
        async with open_branches(settings, {"post": account}) as house:
            limit = house.moment(house.clock.now_us() + 20 * SECOND_US)
            stream = (await house.post(mail(1), expires_at=limit)).id
            await house.pass_time(10)
            await house.system.errands.pause("post")
            await house.pass_time(10.1)
            assert house.message(stream).status == "expired"
            assert isinstance(house.events(stream)[-2], e.AmbiguityResolved)

    run_virtual(main)


@pytest.mark.parametrize(("finds", "status"), [(Taken(provider_id="p1"), "sent"), (None, "expired")])
def test_a_provider_that_is_being_asked_may_answer_first(finds: Taken | None, status: str) -> None:
    """The end comes while it thinks: what it knows counts, and the message ends where it knows nothing."""

    async def main() -> None:
        account = AskedAccount()
        account.finds, account.thinks_s = finds, 10
        policy = under(PLAIN, reconcile_us=60 * SECOND_US)
        async with open_branches(settings_with(lane("post", policy)), {"post": account}) as house:
            limit = house.moment(house.clock.now_us() + 65 * SECOND_US)
            stream = await doubted(house, account, expires_at=limit)
            await house.pass_time(69)
            assert (house.message(stream).status, len(account.asked)) == ("retrying", 1)
            await house.pass_time(2)
            assert house.message(stream).status == status
            assert len(account.sent) == 1

    run_virtual(main)


def test_what_expired_while_nobody_lived_ends_at_the_start() -> None:
    """The next life finds it, and what expires later in its turn."""
    durable, account = Durable(), Account()

    async def prepare(house: Branches) -> None:
        await house.system.errands.pause("post")
        for seconds in (10, 20, 1_000):
            await house.post(mail(1), expires_at=house.moment(house.clock.now_us() + seconds * SECOND_US))

    async def again() -> None:
        async with open_branches(ONE, {"post": account}, durable=durable) as house:
            await house.pass_time(0.01)
            assert house.statuses() == {"expired": 2, "queued": 1}
            await house.pass_time(901)
            assert house.statuses() == {"expired": 3}

    crashed(ONE, {"post": account}, durable, prepare)
    run_virtual(again, start_s=100)


def test_an_earlier_end_is_not_waited_for_behind_a_later_one() -> None:
    """Whichever is accepted first, each ends at its own time."""

    async def main() -> None:
        async with open_branches(ONE, {"post": Account()}) as house:
            await house.system.errands.pause("post")
            started_us = house.clock.now_us()
            streams = {}
            for seconds in (300, 100, 200, 50, 400):
                ends_us = started_us + seconds * SECOND_US
                streams[(await house.post(mail(seconds), expires_at=house.moment(ends_us))).id] = ends_us
                await house.pass_time(1)
            await house.pass_time(500)
            assert {stream: house.message(stream).changed_us for stream in streams} == streams
            assert house.statuses() == {"expired": 5}

    run_virtual(main)


@pytest.mark.slow
def test_many_end_at_one_instant() -> None:
    """Two thousand of them, in pages and sharing commits, within a moment."""

    async def main() -> None:
        disk = ObedientDisk()
        async with open_branches(ONE, {"post": Account()}, disk=disk) as house:
            await house.system.errands.pause("post")
            limit = house.moment(house.clock.now_us() + 20 * SECOND_US)
            for number in range(2_000):
                await house.post(mail(number % 700), number, expires_at=limit)
            disk.commit_us = 2_000
            await house.pass_time(20.5 - house.seconds)
            assert house.statuses() == {"expired": 2_000}

    run_virtual(main)


@pytest.mark.slow
def test_ends_that_nobody_needs_cost_nothing() -> None:
    """A thousand messages with an end are delivered at once: the log is asked about ends a handful of times."""

    async def main() -> None:
        disk, account = CountingDisk(), Account()
        async with open_branches(ONE, {"post": account}, disk=disk) as house:
            for number in range(1_000):
                limit = house.moment(house.clock.now_us() + 60 * SECOND_US)
                await house.post(mail(1), number, expires_at=limit)
                await house.pass_time(0.1)
            assert len(account.sent) == 1_000
            disk.reads = 0
            await house.pass_time(86_400)
            assert disk.reads < 10

    run_virtual(main)


@pytest.mark.parametrize("border", ["before_write", "before_sync", "before_answer"])
def test_trouble_with_the_store_delays_an_end_and_loses_none(border: Border) -> None:
    """It fails just then: what is over ends once it can be written, once."""

    async def main() -> None:
        disk = ObedientDisk()
        async with open_branches(ONE, {"post": Account()}, disk=disk) as house:
            await house.system.errands.pause("post")
            limit = house.moment(house.clock.now_us() + 20 * SECOND_US)
            streams = [(await house.post(mail(number), expires_at=limit)).id for number in range(200)]
            await house.pass_time(19)
            if border == "before_write":
                disk.fill()
            else:
                disk.fail_later(border)
            await house.pass_time(10)
            disk.empty()
            await house.pass_time(3)
            assert house.statuses() == {"expired": 200}
            assert all(len(house.events(stream)) == 2 for stream in streams)

    run_virtual(main)


def test_a_stream_that_makes_no_sense_delays_no_other_end() -> None:
    """It is looked at and left to a person; those behind it end on time."""

    async def main() -> None:
        async with open_branches(ONE, {"post": Account()}) as house:
            await house.system.errands.pause("post")
            now_us = house.clock.now_us()
            broken, *others = [
                (await house.post(mail(n), expires_at=house.moment(now_us + (20 + n) * SECOND_US))).id for n in range(5)
            ]
            await house.write_behind(broken, e.LaneResumed())
            await house.pass_time(60)
            assert {house.message(stream).status for stream in others} == {"expired"}
            assert 1 <= house.notes.count("ending_parked") <= 10
            assert house.system.ready() == []

    run_virtual(main)


def test_all_of_one_conversation_end_in_time_however_few_may_wait_for_it() -> None:
    """They have its turn one after another, so none is put off because others wait already."""

    async def main() -> None:
        disk = ObedientDisk()
        disk.commit_us = 1_000
        given = accounts_for("post")
        settings = settings_with(lane("post"), bounds=Bounds(mail_max=1))
        async with open_branches(settings, given, disk=disk) as house:
            await house.system.errands.pause("post")
            by = house.moment(house.clock.now_us() + 60 * SECOND_US)
            for number in range(12):
                await house.post(mail(1), number, expires_at=by)
            await house.pass_time(61)
            assert house.statuses() == {"expired": 12}

    run_virtual(main)
