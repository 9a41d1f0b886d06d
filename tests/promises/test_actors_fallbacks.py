"""Fallbacks: what ended undelivered is followed by its next channel, exactly once, whatever is killed in between."""

from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from core import events as e
from core import ids
from core.news import Receipt
from core.outcomes import Permanent, Transient
from core.policies import MINUTE_US, SECOND_US, Schedule
from eventstore.disk import Border
from scenarios.loop.run import run_virtual
from tests.promises.accounts import (
    Account,
    Branches,
    a_bounce,
    a_call,
    a_mail,
    accounts_for,
    caused_by,
    doubted,
    followed,
    lane,
    last_of,
    open_branches,
    settings_with,
)
from tests.promises.house import PLAIN, address, mail, under
from tests.promises.other_side import ObedientDisk

ONCE: Final = under(PLAIN, name="once", retry=Schedule(after_us=()))
CHANNELS: Final = settings_with(lane("post", ONCE), lane("calls", channel="webhook", has_receipts=False))
LANES: Final = ("post", "calls")
UNKNOWN: Final[tuple[Border, ...]] = ("before_sync", "before_answer")
REFUSED: Final = Permanent(code="554")


# -- what it follows ---------------------------------------------------------------------------------------------


async def _dies(house: Branches, given: dict[str, Account]) -> int:
    given["post"].answers.append(REFUSED)
    stream = (await house.post(mail(1), fallback=[a_call()])).id
    await house.pass_time(1)
    return stream


async def _expires(house: Branches, given: dict[str, Account]) -> int:
    given["post"].answers.append(Transient())
    limit = house.moment(house.clock.now_us() + 5 * SECOND_US)
    stream = (await house.post(mail(1), policy="plain", fallback=[a_call()], expires_at=limit)).id
    await house.pass_time(6)
    assert house.message(stream).status == "expired"
    return stream


async def _bounces(house: Branches, _given: dict[str, Account]) -> int:
    stream = (await house.post(mail(1), fallback=[a_call()])).id
    await house.pass_time(86_400)
    assert await caused_by(house, stream) == []
    await house.system.receipts.take(("post",), a_bounce("post-1"))
    await house.pass_time(1)
    return stream


async def _is_late(house: Branches, given: dict[str, Account]) -> int:
    given["post"].always = Transient()
    limit = house.moment(house.clock.now_us() + 25 * SECOND_US)
    stream = (await house.post(mail(1), policy="plain", fallback=[a_call()], fallback_by=limit)).id
    await house.pass_time(24.9)
    assert await caused_by(house, stream) == []
    await house.pass_time(0.2)
    assert (house.message(stream).status, house.message(stream).reason) == ("cancelled", "fallback")
    return stream


@pytest.mark.parametrize("ends", [_dies, _expires, _bounces, _is_late])
def test_a_fallback_follows_what_ended_undelivered(
    ends: Callable[[Branches, dict[str, Account]], Awaitable[int]],
) -> None:
    """Dead, expired, bounced or too late: the next channel's message begins, with the first as its cause."""

    async def main() -> None:
        given = accounts_for(*LANES)
        settings = settings_with(lane("post", ONCE), lane("calls", ONCE, channel="webhook"), lane("spare", PLAIN))
        async with open_branches(settings, {**given, "spare": Account()}) as house:
            stream = await ends(house, given)
            fallback = house.message(await followed(house, stream, given["calls"]))
            assert (fallback.status, fallback.cause, fallback.caused_by) == ("delivered", stream, "msg")
            (parcel,) = given["calls"].sent
            assert (parcel.to, parcel.cause) == (address(1), ids.encode("msg", stream))
            await house.pass_time(86_400)
            assert len(await caused_by(house, stream)) == 1

    run_virtual(main)


def test_nothing_follows_what_arrived_or_was_cancelled() -> None:
    """A person who cancels a message cancels its fallback as well; so does one whose attempt is in flight."""

    async def main() -> None:
        given = accounts_for(*LANES)
        async with open_branches(CHANNELS, given) as house:
            arrived = (await house.post(mail(1), fallback=[a_call()])).id
            later = house.moment(house.clock.now_us() + 60 * SECOND_US)
            cancelled = (await house.post(mail(2), fallback=[a_call()], send_at=later)).id
            await house.system.errands.cancel("org1", cancelled)
            await house.pass_time(1)
            given["post"].answers.append(REFUSED)
            given["post"].hold()
            flying = (await house.post(mail(3), fallback=[a_call()])).id
            await house.pass_time(1)
            await house.system.errands.cancel("org1", flying)
            given["post"].let_go()
            await house.pass_time(86_400)
            ended = [house.message(stream).status for stream in (arrived, cancelled, flying)]
            assert ended == ["sent", "cancelled", "cancelled"]
            assert len(house.durable.messages) == 3
            assert given["calls"].sent == []

    run_virtual(main)


def test_fallbacks_follow_one_another() -> None:
    """Each that fails owes those behind it, and each is caused by the one before."""

    async def main() -> None:
        given = accounts_for(*LANES)
        given["post"].always = given["calls"].always = REFUSED
        async with open_branches(CHANNELS, given) as house:
            stream = (await house.post(mail(1), fallback=[a_call(), a_mail(2)])).id
            await house.pass_time(5)
            (second,) = await caused_by(house, stream)
            (third,) = await caused_by(house, second)
            assert await caused_by(house, third) == []
            assert [house.message(one).channel for one in (stream, second, third)] == ["email", "webhook", "email"]
            assert house.statuses() == {"dead": 3}
            assert [parcel.to for parcel in given["post"].sent] == [mail(1), mail(2)]

    run_virtual(main)


def test_a_doubt_is_settled_before_another_channel_takes_over() -> None:
    """One winner: evidence is awaited beyond the time of the fallback, and where it comes nothing follows."""

    async def main() -> None:
        given = accounts_for(*LANES)
        doubting = under(PLAIN, name="doubting", reconcile_us=2 * MINUTE_US)
        settings = settings_with(lane("post", doubting), lane("calls", ONCE, channel="webhook"))
        async with open_branches(settings, given) as house:
            limit = house.moment(house.clock.now_us() + 60 * SECOND_US)
            proved, lost = [
                await doubted(house, given["post"], number, fallback=[a_call(number)], fallback_by=limit)
                for number in (1, 2)
            ]
            await house.pass_time(100)
            assert (given["calls"].sent, len(given["post"].sent)) == ([], 2)
            await house.system.receipts.take(("post",), Receipt(status="sent", echo=ids.encode("msg", proved)))
            await house.pass_time(30)
            assert house.message(proved).status == "sent"
            assert await caused_by(house, proved) == []
            await followed(house, lost, given["calls"])
            assert len(given["post"].sent) == 2

    run_virtual(main)


# -- what it cannot begin with -----------------------------------------------------------------------------------


def test_a_fallback_whose_lane_is_gone_gives_way_to_the_next() -> None:
    """What cannot be accepted when its time has come is passed over; without another, nothing follows."""

    async def main() -> None:
        given = accounts_for(*LANES, "spare")
        settings = settings_with(*CHANNELS.lanes, lane("spare", ONCE, channel="webhook"))
        async with open_branches(settings, given) as house:
            due = house.moment(house.clock.now_us() + 10 * SECOND_US)
            chained = [a_call(1, lane="spare"), a_call(2, lane="calls")]
            two = (await house.post(mail(1), send_at=due, fallback=chained)).id
            one = (await house.post(mail(2), send_at=due, fallback=chained[:1])).id
            given["post"].always = REFUSED
            await house.reload(CHANNELS)
            await house.pass_time(11)
            assert house.message(await followed(house, two, given["calls"])).lane == "calls"
            assert last_of(house, one) == e.FallbackRefused(code="invalid:/lane")
            assert not house.durable.heads[one].owes
            given["post"].always = None
            await house.system.errands.redrive("org1", one)
            await house.pass_time(1)
            assert house.message(one).status == "sent"

    run_virtual(main)


def test_a_later_fallback_that_cannot_begin_now_holds_up_none_before_it() -> None:
    """Its lane may be there again by the time that it is needed."""

    async def main() -> None:
        given = accounts_for(*LANES, "spare")
        settings = settings_with(*CHANNELS.lanes, lane("spare", ONCE, channel="webhook"))
        async with open_branches(settings, given) as house:
            due = house.moment(house.clock.now_us() + 10 * SECOND_US)
            chained = [a_call(1, lane="calls"), a_call(2, lane="spare")]
            stream = (await house.post(mail(1), send_at=due, fallback=chained)).id
            given["post"].always = given["calls"].always = REFUSED
            await house.reload(CHANNELS)
            given["calls"].hold()
            await house.pass_time(11)
            await house.reload(settings)
            given["calls"].let_go()
            await house.pass_time(1)
            (second,) = await caused_by(house, stream)
            assert house.message(await followed(house, second, given["spare"])).lane == "spare"

    run_virtual(main)


def test_a_content_that_was_erased_owes_nothing() -> None:
    """With its vault row went its fallback: the message says so, and nobody tries for ever."""

    async def main() -> None:
        given = accounts_for(*LANES)
        given["post"].always = REFUSED
        async with open_branches(CHANNELS, given) as house:
            due = house.moment(house.clock.now_us() + 10 * SECOND_US)
            stream = (await house.post(mail(1), send_at=due, fallback=[a_call()])).id
            await house.pass_time(9)
            given["post"].hold()
            await house.pass_time(2)
            del house.durable.sealed[stream]
            given["post"].let_go()
            await house.pass_time(1)
            assert last_of(house, stream) == e.FallbackRefused(code="content_gone")
            assert house.system.ready() == []

    run_virtual(main)


@pytest.mark.parametrize("after_commits", range(6))
def test_a_fallback_that_had_begun_is_told_of_though_the_content_was_erased(after_commits: int) -> None:
    """Whichever commit failed: with the content gone what was accepted before is named, and nothing else refused."""

    async def main() -> None:
        given, disk = accounts_for(*LANES), ObedientDisk()
        given["post"].always = REFUSED
        async with open_branches(CHANNELS, given, disk=disk) as house:
            due = house.moment(house.clock.now_us() + 10 * SECOND_US)
            stream = (await house.post(mail(1), send_at=due, fallback=[a_call()])).id
            await house.pass_time(9.5)
            disk.fail_later("before_sync", after_commits=after_commits)
            await house.pass_time(1)
            disk.calm()
            del house.durable.sealed[stream]
            await house.pass_time(60)
            begun = await caused_by(house, stream)
            is_named = last_of(house, stream) == e.FallbackStarted(message=max(begun, default=0), channel="webhook")
            assert is_named == bool(begun)
            assert not house.durable.heads[stream].owes

    run_virtual(main)


def test_a_stream_that_makes_no_sense_holds_up_no_fallback() -> None:
    """It goes on owing its own until a person has looked; the others begin."""

    async def main() -> None:
        given = accounts_for(*LANES)
        given["post"].always = REFUSED
        async with open_branches(CHANNELS, given) as house:
            broken, sound = [(await house.post(mail(number), fallback=[a_call(number)])).id for number in (1, 2)]
            house.system.intake.is_open = False
            await house.pass_time(0.5)
            await house.write_behind(broken, e.LaneResumed())
            house.system.intake.is_open = True
            await house.pass_time(5)
            await followed(house, sound, given["calls"])
            assert house.durable.heads[broken].owes
            assert 1 <= house.notes.count("fallback_parked") < 10
            assert house.system.ready() == []

    run_virtual(main)
