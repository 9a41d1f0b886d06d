"""Strays: a receipt that comes before its message is kept until that turns up, whatever is killed in between."""

import asyncio
from typing import Final

import anyio
import pytest

from core import events as e
from core.errors import AppendUnknown, Refused
from core.news import Receipt
from core.outcomes import Taken
from core.policies import SECOND_US
from eventstore.disk import Border
from eventstore.durable import Durable
from scenarios.loop.run import run_virtual
from scenarios.loop.virtual import PowerCut
from tests.promises.accounts import (
    Account,
    Branches,
    CuttingDisk,
    a_bounce,
    crashed,
    lane,
    open_branches,
    settings_with,
    strays,
    told_of,
)
from tests.promises.house import mail
from tests.promises.other_side import ObedientDisk

ONE: Final = settings_with(lane("post"))
UNKNOWN: Final[tuple[Border, ...]] = ("before_sync", "before_answer")
DELIVERED: Final = Receipt(status="delivered", provider_id="a-1", at_us=7, code="ok")


# -- before its message ------------------------------------------------------------------------------------------


def test_a_receipt_that_comes_before_the_answer_waits_for_it() -> None:
    """It overtakes the answer to its own request, is kept, and handed over as soon as the answer is here."""

    async def main() -> None:
        account = Account()
        account.hold()
        async with open_branches(ONE, {"post": account}) as house:
            stream = (await house.post(mail(1))).id
            await house.pass_time(1)
            for _ in range(3):
                assert await house.system.receipts.take(("post",), DELIVERED) is None
            assert strays(house) == ["waiting"]
            account.let_go()
            await house.pass_time(0.1)
            assert house.message(stream).status == "delivered"
            assert (told_of(house, stream), strays(house)) == (["delivered"], ["claimed"])
            told = next(event for event in house.events(stream) if isinstance(event, e.ReceiptSeen))
            assert (told.told_us, told.code) == (7, "ok")

    run_virtual(main)


def test_several_receipts_wait_for_one_message() -> None:
    """Each status of it is kept once, and all of them are handed over, whatever order they came in."""

    async def main() -> None:
        account = Account()
        account.hold()
        async with open_branches(ONE, {"post": account}) as house:
            stream = (await house.post(mail(1))).id
            await house.pass_time(1)
            for told in ("read", "sent", "delivered", "read"):
                await house.system.receipts.take(("post",), Receipt(status=told, provider_id="a-1"))
            await house.system.receipts.take(("post",), a_bounce("a-2"))
            account.let_go()
            await house.pass_time(0.1)
            assert house.message(stream).status == "read"
            assert sorted(strays(house)) == ["claimed", "claimed", "claimed", "waiting"]

    run_virtual(main)


def test_lanes_of_one_account_share_its_receipts() -> None:
    """Whichever of them a hook names first, the message is found in the one that it went through."""

    async def main() -> None:
        settings = settings_with(lane("post", account="acme"), lane("spare", account="acme"))
        second = Account("b")
        second.hold()
        async with open_branches(settings, {"post": Account(), "spare": second}) as house:
            stream = (await house.post(mail(1), lane="spare")).id
            await house.pass_time(1)
            both = ("post", "spare")
            assert await house.system.receipts.take(both, Receipt(status="sent", provider_id="b-1")) is None
            second.let_go()
            await house.pass_time(0.1)
            delivered, read = Receipt(status="delivered", provider_id="b-1"), Receipt(status="read", provider_id="b-1")
            assert await house.system.receipts.take(both, delivered) == stream
            assert await house.system.receipts.take(("post",), read) == stream
            assert told_of(house, stream) == ["sent", "delivered", "read"]

    run_virtual(main)


# -- what is kept ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restarts", [False, True])
def test_what_nobody_claims_is_dropped_after_a_week(restarts: bool) -> None:  # noqa: FBT001 - a column
    """Not a moment sooner, and without a poll: a week later it says so, in this life or a later one."""
    durable = Durable()

    async def keep() -> None:
        async with open_branches(ONE, {"post": Account()}, durable=durable) as house:
            await house.system.receipts.take(("post",), DELIVERED)
            await house.pass_time(0 if restarts else 7 * 86_400 - 1)
            assert strays(house) == ["waiting"]
            await house.pass_time(0 if restarts else 2)
            assert strays(house) == ["waiting" if restarts else "dropped"]

    async def find() -> None:
        async with open_branches(ONE, {"post": Account()}, durable=durable) as house:
            await house.pass_time(7 * 86_400 - 1 - house.seconds)
            assert strays(house) == ["waiting"]
            await house.pass_time(2)
            assert strays(house) == ["dropped"]

    run_virtual(keep)
    if restarts:
        run_virtual(find, start_s=86_400)


def test_many_strays_are_dropped_each_at_its_time() -> None:
    """The oldest first; the youngest still finds its message."""

    async def main() -> None:
        account = Account()
        async with open_branches(ONE, {"post": account}) as house:
            for number in range(5):
                await house.system.receipts.take(("post",), Receipt(status="sent", provider_id=f"x-{number}"))
                await house.pass_time(86_400)
            await house.pass_time(3.5 * 86_400)
            assert strays(house) == ["dropped", "dropped", "waiting", "waiting", "waiting"]
            account.answers.append(Taken(provider_id="x-4"))
            await house.post(mail(1))
            await house.pass_time(1)
            assert strays(house) == ["dropped", "dropped", "waiting", "waiting", "claimed"]

    run_virtual(main)


def test_of_too_many_strays_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another sender on our account may tell us of any number: the newest are kept, and its hooks are never refused."""
    monkeypatch.setattr("actors.receipts.STRAYS_MAX", 2)

    async def main() -> None:
        account = Account()
        async with open_branches(ONE, {"post": account}) as house:
            take = house.system.receipts.take
            for number in (9, 8, 1):
                await take(("post",), Receipt(status="sent", provider_id=f"a-{number}"))
            await house.pass_time(1)
            assert strays(house) == ["dropped", "waiting", "waiting"]
            await house.post(mail(1))
            await house.pass_time(1)
            assert strays(house) == ["dropped", "waiting", "claimed"]
            await house.pass_time(8 * 86_400)
            assert strays(house) == ["dropped", "dropped", "claimed"]

    run_virtual(main)


def test_a_receipt_that_comes_many_times_at_once_is_kept_once() -> None:
    """Copies that come while the first is on its way to the log wait for it, and make no stray of their own."""

    async def main() -> None:
        disk = ObedientDisk()
        disk.commit_us = 1_000
        async with open_branches(ONE, {"post": Account()}, disk=disk) as house:
            copy = Receipt(status="sent", provider_id="x")
            await asyncio.gather(*(house.system.receipts.take(("post",), copy) for _ in range(20)))
            assert strays(house) == ["waiting"]

    run_virtual(main)


# -- trouble and crashes -----------------------------------------------------------------------------------------


async def _until_it_is_taken(house: Branches) -> None:
    """A client repeats its request until it is told that we have its message."""
    while True:
        try:
            await house.post(mail(1), idempotency_key="k")
        except (Refused, AppendUnknown):
            await house.pass_time(1)
        else:
            return


async def _until_it_counts(house: Branches, receipt: Receipt) -> None:
    """A provider comes again until it is told that we have it."""
    while True:
        try:
            await house.system.receipts.take(("post",), receipt)
        except (Refused, AppendUnknown):
            await house.pass_time(1)
        else:
            return


@pytest.mark.parametrize("border", UNKNOWN)
@pytest.mark.parametrize("nth", range(9))
@pytest.mark.parametrize("is_early", [True, False])
def test_no_receipt_is_lost_over_a_commit_of_unknown_fate(border: Border, nth: int, is_early: bool) -> None:  # noqa: FBT001 - a column
    """Whichever commit of message and receipt fails so that nobody can tell, it is recorded once in the end."""

    async def main() -> None:
        account, disk = Account(), ObedientDisk()
        disk.commit_us = 100
        if is_early:
            account.hold()
        async with open_branches(ONE, {"post": account}, disk=disk) as house:
            disk.fail_later(border, after_commits=nth)
            await _until_it_is_taken(house)
            await house.pass_time(1)
            await _until_it_counts(house, DELIVERED)
            account.let_go()
            await house.pass_time(20)
            (stream,) = house.durable.messages
            assert house.message(stream).status == "delivered"
            assert told_of(house, stream) == ["delivered"]
            assert set(strays(house)) <= {"claimed"}

    run_virtual(main)


def test_a_receipt_whose_provider_did_not_wait_finds_its_message() -> None:
    """A provider whose patience ends before a slow commit leaves its receipt with us, and the message hears of it."""

    async def main() -> None:
        account, disk = Account(), ObedientDisk()
        account.hold()
        async with open_branches(ONE, {"post": account}, disk=disk) as house:
            stream = (await house.post(mail(1))).id
            await house.pass_time(1)
            disk.commit_us = 5 * SECOND_US
            with anyio.move_on_after(3):
                await house.system.receipts.take(("post",), DELIVERED)
            account.let_go()
            await house.pass_time(60)
            assert (told_of(house, stream), strays(house)) == (["delivered"], ["claimed"])

    run_virtual(main)


@pytest.mark.parametrize("border", UNKNOWN)
@pytest.mark.parametrize("nth", range(6))
def test_no_receipt_is_lost_over_a_crash(border: Border, nth: int) -> None:
    """Whichever commit is the last one of a life, a receipt that was kept finds its message in the next."""
    durable, account = Durable(), Account()
    account.hold()
    told: list[bool] = []

    async def main() -> None:
        async with open_branches(ONE, {"post": account}, durable=durable) as house:
            await house.pass_time(0.1)
        account.answers.append(Taken(provider_id="a-1"))
        async with open_branches(ONE, {"post": account}, durable=durable, disk=CuttingDisk(border, nth + 1)) as house:
            await house.system.receipts.take(("post",), DELIVERED)
            told.append(True)
            account.let_go()
            await house.post(mail(1))
            await house.pass_time(5)

    async def again() -> None:
        async with open_branches(ONE, {"post": account}, durable=durable) as house:
            if not told:
                await house.system.receipts.take(("post",), DELIVERED)
            if not house.durable.messages:
                await house.post(mail(1))
            await house.pass_time(60)
            # Where the answer was lost with the power, the message was sent again, under another id.
            (stream,) = house.durable.messages
            is_sent_again = len(account.sent) > 1
            assert house.message(stream).status == ("sent" if is_sent_again else "delivered")
            assert set(strays(house)) == ({"waiting"} if is_sent_again else {"claimed"})

    try:
        run_virtual(main)
    except PowerCut as cut:
        account.hang_up()
        run_virtual(again, start_s=cut.now_s)
    else:
        pytest.fail("the power never went out")


def test_strays_of_a_former_life_are_claimed() -> None:
    """A receipt is kept, the power goes out; the message that is taken in the next life has it."""
    durable, account = Durable(), Account()

    async def keep(house: Branches) -> None:
        await house.system.receipts.take(("post",), DELIVERED)

    async def claim() -> None:
        async with open_branches(ONE, {"post": account}, durable=durable) as house:
            stream = (await house.post(mail(1))).id
            await house.pass_time(1)
            assert (house.message(stream).status, strays(house)) == ("delivered", ["claimed"])

    run_virtual(claim, start_s=crashed(ONE, {"post": account}, durable, keep))


def test_a_receipt_for_a_stream_that_makes_no_sense_stops_nobody() -> None:
    """It waits as its message does, for a person or a newer release; others are handed over."""

    async def main() -> None:
        account, disk = Account(), ObedientDisk()
        account.hold()
        async with open_branches(ONE, {"post": account}, disk=disk) as house:
            broken, sound = [(await house.post(mail(number))).id for number in (1, 2)]
            await house.pass_time(1)
            for number in (1, 2):
                await house.system.receipts.take(("post",), Receipt(status="delivered", provider_id=f"a-{number}"))
            disk.is_unreadable = True
            account.let_go()
            await house.pass_time(0.5)
            assert house.statuses() == {"sent": 2}
            await house.write_behind(broken, e.LaneResumed())
            disk.is_unreadable = False
            await house.pass_time(10)
            assert house.message(sound).status == "delivered"
            assert strays(house) == ["waiting", "claimed"]
            assert house.notes.count("stray_parked") == 1

    run_virtual(main)
