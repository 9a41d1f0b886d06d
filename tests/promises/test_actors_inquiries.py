"""Inquiries: before a doubt ends in vain the provider is asked, wherever it can be, and nothing leaves meanwhile."""

from collections.abc import Awaitable
from typing import Final

import pytest

from core import events as e
from core import ids
from core.news import Receipt
from core.outcomes import Taken
from core.policies import MINUTE_US, SECOND_US, BreakerRule, Schedule
from eventstore.disk import Border
from eventstore.durable import Durable
from scenarios.loop.run import run_virtual
from tests.promises.accounts import (
    AskedAccount,
    Branches,
    crashed,
    doubted,
    lane,
    open_branches,
    resolution_of,
    settings_with,
)
from tests.promises.house import PLAIN, mail, under
from tests.promises.other_side import START_US, ObedientDisk

# Evidence is awaited for two minutes; a resend follows one minute after the attempt, so at once after the doubt.
DOUBTING: Final = under(
    PLAIN, name="doubting", reconcile_us=2 * MINUTE_US, retry=Schedule(after_us=(MINUTE_US,), jitter=0)
)


# -- asking the provider -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("on_ambiguous", ["resend", "hold", "fail"])
def test_a_provider_that_knows_the_message_ends_the_doubt(on_ambiguous: e.OnAmbiguous) -> None:
    """It is asked once, when no evidence came by itself, with the attempt's own content and beginning."""

    async def main() -> None:
        account = AskedAccount()
        account.finds = Taken(code="outgoing", provider_id="p1")
        settings = settings_with(lane("post", under(DOUBTING, on_ambiguous=on_ambiguous)))
        async with open_branches(settings, {"post": account}) as house:
            stream = await doubted(house, account)
            await house.pass_time(119)
            assert account.asked == []
            await house.pass_time(10)
            ((parcel, started_us),) = account.asked
            assert (parcel.stream, parcel.attempt, parcel.to) == (stream, 1, mail(1))
            assert started_us == START_US
            assert house.message(stream).status == "sent"
            proved = next(event for event in house.events(stream) if isinstance(event, e.AttemptProved))
            assert (proved.evidence, proved.provider_id) == ("look_up", "p1")
            assert len(account.sent) == 1
            assert await house.system.receipts.take(("post",), Receipt(status="read", provider_id="p1")) == stream

    run_virtual(main)


def test_a_provider_is_told_which_ids_are_other_messages() -> None:
    """What was sent to the same person before is in the log, over a restart too: its id proves nothing for this one."""
    durable, account = Durable(), AskedAccount()
    settings = settings_with(lane("post", DOUBTING))

    async def main() -> None:
        async with open_branches(settings, {"post": account}, durable=durable) as house:
            for to in (1, 1, 2):
                await house.post(mail(to))
                await house.pass_time(1)
        async with open_branches(settings, {"post": account}, durable=durable) as house:
            await doubted(house, account)
            await house.pass_time(130)
            [(parcel, _)] = account.asked
            assert parcel.ids_of_others == {"a-1", "a-2"}

    run_virtual(main)


@pytest.mark.parametrize("trouble", ["nothing", "bug", "slow"])
def test_a_provider_that_cannot_tell_leaves_it_to_the_policy(trouble: str) -> None:
    """Whatever keeps it from telling, the message is not lost, and not asked about without end."""

    async def main() -> None:
        account = AskedAccount()
        account.finds = None if trouble == "nothing" else Taken()
        account.bug = ZeroDivisionError("a channel's bug") if trouble == "bug" else None
        account.thinks_s = 3_600 if trouble == "slow" else 0
        async with open_branches(settings_with(lane("post", DOUBTING)), {"post": account}) as house:
            stream = await doubted(house, account)
            await house.pass_time(180)
            assert len(account.asked) == 1
            assert house.message(stream).status == "sent"
            assert resolution_of(house, stream) == ("resend", "policy")
            assert len(account.sent) == 2

    run_virtual(main)


class _Hiccup(ObedientDisk):
    """A disk that fails one read, after so many others."""

    def __init__(self) -> None:
        super().__init__()
        self.reads_left: int | None = None

    def at(self, border: Border, rows: int) -> Awaitable[None] | None:
        if border == "before_read" and self.reads_left is not None:
            self.reads_left -= 1
            self.is_unreadable = self.reads_left == -1
        return super().at(border, rows)


@pytest.mark.parametrize("reads", range(3))
def test_our_own_trouble_is_no_reason_to_guess(reads: int) -> None:
    """What cannot be read just when the provider is to be asked is asked a moment later: nothing is sent blindly."""

    async def main() -> None:
        account, disk = AskedAccount(), _Hiccup()
        account.finds = Taken(provider_id="p1")
        async with open_branches(settings_with(lane("post", DOUBTING)), {"post": account}, disk=disk) as house:
            stream = await doubted(house, account)
            disk.reads_left = reads
            await house.pass_time(130)
            assert house.message(stream).status == "sent"
            assert len(account.sent) == len(account.asked) == 1

    run_virtual(main)


def test_while_a_provider_is_asked_nothing_else_leaves() -> None:
    """Its message is out there as far as anybody knows; evidence, and a person's word, count meanwhile."""

    async def main() -> None:
        account = AskedAccount()
        account.thinks_s = 10
        async with open_branches(settings_with(lane("post", DOUBTING)), {"post": account}) as house:
            streams = [await doubted(house, account, number) for number in (1, 2)]
            behind = [(await house.post(mail(number), 9)).id for number in (1, 2)]
            await house.pass_time(125)
            assert len(account.asked) == len(account.sent) == 2
            await house.system.receipts.take(("post",), Receipt(status="read", echo=ids.encode("msg", streams[0])))
            await house.system.errands.cancel("org1", streams[1])
            await house.pass_time(60)
            assert [house.message(stream).status for stream in streams] == ["read", "cancelled"]
            assert [house.message(stream).status for stream in behind] == ["sent", "sent"]
            assert len(account.sent) == 4

    run_virtual(main)


@pytest.mark.parametrize("ends_by", ["stop", "crash"])
def test_an_inquiry_that_is_cut_short_is_made_again(ends_by: str) -> None:
    """We stop, or the power goes out, while the provider thinks: the next life asks, and sends nothing twice."""
    durable, account = Durable(), AskedAccount()
    account.thinks_s, account.finds = 100, Taken(provider_id="p1")
    settings = settings_with(lane("post", DOUBTING))

    async def ask(house: Branches) -> None:
        await doubted(house, account)
        await house.pass_time(121)
        assert len(account.asked) == 1

    async def stop() -> None:
        async with open_branches(settings, {"post": account}, durable=durable) as house:
            await ask(house)

    async def again() -> None:
        account.thinks_s = 0
        async with open_branches(settings, {"post": account}, durable=durable) as house:
            await house.pass_time(1)
            assert len(account.asked) == 2
            assert house.statuses() == {"sent": 1}
            assert len(account.sent) == 1

    if ends_by == "stop":
        run_virtual(stop)
        run_virtual(again, start_s=200)
    else:
        run_virtual(again, start_s=crashed(settings, {"post": account}, durable, ask))


def test_an_answer_that_cannot_be_recorded_is_asked_for_again() -> None:
    """The store fails just then: the doubt stands, and ends a moment later."""

    async def main() -> None:
        account, disk = AskedAccount(), ObedientDisk()
        account.finds = Taken(provider_id="p1")
        async with open_branches(settings_with(lane("post", DOUBTING)), {"post": account}, disk=disk) as house:
            stream = await doubted(house, account)
            await house.pass_time(119)
            disk.fill()
            await house.pass_time(30)
            disk.empty()
            await house.pass_time(10)
            assert house.message(stream).status == "sent"
            assert len(account.sent) == 1
            assert 2 <= len(account.asked) <= 40

    run_virtual(main)


def test_an_inquiry_behind_an_open_breaker_is_no_proof_that_the_lane_works() -> None:
    """Asking is not sending: the breaker stays as it is until an attempt closes it."""

    async def main() -> None:
        account = AskedAccount()
        account.finds = Taken(provider_id="p1")
        breaker = BreakerRule(share=0.5, of=2, cooldown_us=30 * SECOND_US)
        async with open_branches(
            settings_with(lane("post", under(DOUBTING, breaker=breaker))), {"post": account}
        ) as house:
            stream = await doubted(house, account)
            await house.pass_time(130)
            assert house.message(stream).status == "sent"
            (state,) = await house.system.errands.lanes()
            assert state.breaker == "half_open"
            await house.post(mail(2))
            await house.pass_time(1)
            (state,) = await house.system.errands.lanes()
            assert state.breaker == "closed"

    run_virtual(main)
