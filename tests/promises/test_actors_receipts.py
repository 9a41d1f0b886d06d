"""Receipts: each finds its message, however late or often it comes, and nobody else's; its word on the peer counts."""

from typing import Final

import pytest

from core import ids
from core.errors import Forbidden
from core.news import Receipt
from core.outcomes import Taken, Transient
from core.policies import SECOND_US
from eventstore.durable import Durable
from scenarios.loop.run import run_virtual
from tests.promises.accounts import Account, a_bounce, lane, open_branches, settings_with, strays, told_of
from tests.promises.house import mail

ONE: Final = settings_with(lane("post"))
DELIVERED: Final = Receipt(status="delivered", provider_id="a-1", at_us=7, code="ok")


# -- finding -----------------------------------------------------------------------------------------------------


def test_a_receipt_finds_its_message_by_the_providers_id() -> None:
    """Once, though it comes three times; the next life finds it as well, days later."""
    durable, account = Durable(), Account()

    async def main(told: Receipt, *, posts: bool) -> None:
        async with open_branches(ONE, {"post": account}, durable=durable) as house:
            if posts:
                await house.post(mail(1))
                await house.pass_time(1)
            for _ in range(3):
                assert await house.system.receipts.take(("post",), told) == house.durable.messages[0]
            (stream,) = house.durable.messages
            assert house.message(stream).status == told.status
            assert strays(house) == []

    run_virtual(lambda: main(DELIVERED, posts=True))
    run_virtual(lambda: main(Receipt(status="read", provider_id="a-1"), posts=False), start_s=5 * 86_400)
    assert len(account.sent) == 1


def test_a_receipt_finds_its_message_by_our_own_id() -> None:
    """A provider that gives our id back need not have told its own before; what it tells then finds others."""

    async def main() -> None:
        account = Account()
        account.answers.append(Taken(code="250"))
        async with open_branches(ONE, {"post": account}) as house:
            stream = (await house.post(mail(1))).id
            await house.pass_time(1)
            echo = ids.encode("msg", stream)
            take = house.system.receipts.take
            assert await take(("post",), Receipt(status="sent", provider_id="p9", echo=echo)) == stream
            assert await take(("post",), Receipt(status="delivered", provider_id="p9")) == stream
            assert told_of(house, stream) == ["sent", "delivered"]

    run_virtual(main)


@pytest.mark.parametrize("lanes", [("other",), ("other", "none"), ()])
def test_a_receipt_of_another_lane_is_refused_quietly(lanes: tuple[str, ...]) -> None:
    """Who guesses an id learns nothing by it: nothing is recorded, kept or answered."""

    async def main() -> None:
        settings = settings_with(lane("post"), lane("other"))
        async with open_branches(settings, {"post": Account(), "other": Account("b")}) as house:
            stream = (await house.post(mail(1))).id
            await house.pass_time(1)
            echo = ids.encode("msg", stream)
            for receipt in (a_bounce(echo=echo), a_bounce("b-7", echo=echo), a_bounce(echo="msg_0000000000000")):
                assert await house.system.receipts.take(lanes, receipt) is None
            assert (told_of(house, stream), strays(house)) == ([], [])
            assert house.message(stream).status == "sent"

    run_virtual(main)


def test_what_another_sender_of_the_account_is_told_is_not_kept() -> None:
    """A receipt that names a message in a form of its own is not about one of ours, and takes nobody's room."""

    async def main() -> None:
        async with open_branches(ONE, {"post": Account()}) as house:
            for echo in ("order-77", "msg_06ym82m4r0001"):
                assert (
                    await house.system.receipts.take(("post",), Receipt(status="sent", provider_id="x", echo=echo))
                    is None
                )
            assert strays(house) == []
            assert house.notes.count("receipt_unknown") == 2

    run_virtual(main)


def test_a_lane_that_a_message_has_left_may_tell_of_it() -> None:
    """It failed there as far as we know, goes on in the next lane, and its receipt is about the first attempt alone."""

    async def main() -> None:
        first, second = Account(), Account("b")
        first.answers.append(Transient())
        settings = settings_with(lane("one"), lane("two"))
        async with open_branches(settings, {"one": first, "two": second}) as house:
            stream = (await house.post(mail(1), failover=["one", "two"])).id
            await house.pass_time(1)
            assert await house.system.receipts.take(("one",), a_bounce(echo=ids.encode("msg", stream))) == stream
            assert house.message(stream).status == "sent"
            assert await house.system.receipts.take(("two",), a_bounce("b-1")) == stream
            assert house.message(stream).status == "failed"

    run_virtual(main)


# -- what they say of the peer -----------------------------------------------------------------------------------


def test_a_bounce_keeps_back_what_waits_behind_until_a_person_says_otherwise() -> None:
    """A hard bounce of the first mail ends the next one unsent; released by a person, the address is tried again."""

    async def main() -> None:
        account = Account()
        async with open_branches(ONE, {"post": account}) as house:
            first = await house.post(mail(1))
            await house.pass_time(1)
            later = house.moment(house.clock.now_us() + 60 * SECOND_US)
            waiting = (await house.post(mail(1), send_at=later)).id
            await house.system.receipts.take(("post",), a_bounce("a-1"))
            await house.pass_time(61)
            assert (house.message(waiting).status, house.message(waiting).reason) == ("dead", "suppressed")
            fresh = (await house.post(mail(1))).id
            await house.pass_time(1)
            assert house.message(fresh).reason == "suppressed"
            assert len(account.sent) == 1
            await house.system.errands.redrive("org1", waiting)
            await house.pass_time(1)
            assert house.message(waiting).status == "sent"
            await house.system.errands.release("org1", first.conversation)
            last = (await house.post(mail(1))).id
            await house.pass_time(1)
            assert house.message(last).status == "sent"

    run_virtual(main)


def test_a_redriven_message_that_arrives_restores_its_address() -> None:
    """Its provider tells that it was delivered: those behind it go out again without anybody's doing."""

    async def main() -> None:
        account = Account()
        async with open_branches(ONE, {"post": account}) as house:
            await house.post(mail(1))
            await house.pass_time(1)
            await house.system.receipts.take(("post",), a_bounce("a-1"))
            dead = (await house.post(mail(1))).id
            await house.pass_time(1)
            await house.system.errands.redrive("org1", dead)
            await house.pass_time(1)
            kept_back = (await house.post(mail(1))).id
            await house.pass_time(1)
            assert house.message(kept_back).reason == "suppressed"
            await house.system.receipts.take(("post",), Receipt(status="delivered", provider_id="a-2"))
            free = (await house.post(mail(1))).id
            await house.pass_time(1)
            assert house.message(free).status == "sent"

    run_virtual(main)


def test_a_message_that_its_provider_has_is_not_redriven() -> None:
    """Sent again it would arrive twice; one that only bounced may be tried once more."""

    async def main() -> None:
        account = Account()
        account.always = Transient()
        async with open_branches(ONE, {"post": account}) as house:
            streams = [(await house.post(mail(number))).id for number in (1, 2)]
            await house.pass_time(120)
            assert house.statuses() == {"dead": 2}
            arrived, bounced = (ids.encode("msg", stream) for stream in streams)
            await house.system.receipts.take(("post",), Receipt(status="delivered", echo=arrived))
            await house.system.receipts.take(("post",), a_bounce(echo=bounced, soft=True))
            with pytest.raises(Forbidden, match="it would arrive twice"):
                await house.system.errands.redrive("org1", streams[0])
            account.always = None
            await house.system.errands.redrive("org1", streams[1])
            await house.pass_time(1)
            assert house.statuses() == {"dead": 1, "sent": 1}

    run_virtual(main)
