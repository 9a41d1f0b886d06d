"""Evidence: an attempt of unknown fate waits for it, whatever happens meanwhile; only then its policy decides."""

from typing import Final

import pytest
from msgspec.structs import replace

from core import events as e
from core import ids
from core.message import Message
from core.news import Receipt
from core.outcomes import Ambiguous, Outcome, Transient
from core.policies import MINUTE_US, SECOND_US, CircuitRule, Poison, QuietHours, Schedule
from eventstore.durable import Durable
from scenarios.loop.run import run_virtual
from tests.promises.accounts import (
    Account,
    Branches,
    crashed,
    doubted,
    lane,
    open_branches,
    resolution_of,
    settings_with,
)
from tests.promises.house import PLAIN, mail, under

# Evidence is awaited for two minutes; a resend follows one minute after the attempt, so at once after the doubt.
DOUBTING: Final = under(
    PLAIN, name="doubting", reconcile_us=2 * MINUTE_US, retry=Schedule(after_us=(MINUTE_US,), jitter=0)
)
IN_DOUBT: Final = Ambiguous(code="timeout")


def names(house: Branches, stream: int) -> list[str]:
    """What happened to a message, by name, without its acceptance."""
    return [type(event).__name__ for event in house.events(stream)][1:]


# -- the policy's word -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on_ambiguous", "ends"),
    [("resend", ("sent", None)), ("hold", ("held", "unknown")), ("fail", ("dead", None))],
)
def test_nothing_is_sent_again_before_evidence_was_awaited(on_ambiguous: e.OnAmbiguous, ends: tuple[str, str]) -> None:
    """For two minutes nothing leaves; then the policy decides on time, and says so."""

    async def main() -> None:
        account = Account()
        settings = settings_with(lane("post", under(DOUBTING, on_ambiguous=on_ambiguous)))
        async with open_branches(settings, {"post": account}) as house:
            stream = await doubted(house, account)
            assert names(house, stream) == ["AttemptStarted", "AttemptFailed", "ReconcileStarted"]
            await house.pass_time(119.9)
            assert house.message(stream).status == "retrying"
            assert len(account.sent) == 1
            await house.pass_time(0.2)
            message = house.message(stream)
            assert (message.status, message.held_by) == ends
            assert resolution_of(house, stream) == (on_ambiguous, "policy")
            assert len(account.sent) == (2 if on_ambiguous == "resend" else 1)

    run_virtual(main)


@pytest.mark.parametrize(("after_s", "sent_at_s"), [(60, 120), (300, 300)])
def test_a_resend_follows_the_schedule(after_s: int, sent_at_s: int) -> None:
    """The time in doubt is part of the wait that the schedule asks for."""

    async def main() -> None:
        account = Account()
        policy = under(DOUBTING, retry=Schedule(after_us=(after_s * SECOND_US,), jitter=0))
        async with open_branches(settings_with(lane("post", policy)), {"post": account}) as house:
            stream = await doubted(house, account)
            await house.pass_time(sent_at_s - 0.1)
            assert len(account.sent) == 1
            await house.pass_time(0.2)
            assert account.attempts() == [(stream, 1), (stream, 2)]

    run_virtual(main)


def test_a_doubt_that_never_ends_well_uses_up_the_schedule() -> None:
    """It is sent as often as the schedule allows, and no more."""

    async def main() -> None:
        account = Account()
        account.always = IN_DOUBT
        async with open_branches(settings_with(lane("post", DOUBTING)), {"post": account}) as house:
            stream = (await house.post(mail(1))).id
            await house.pass_time(3_600)
            assert len(account.sent) == 2
            assert (house.message(stream).status, house.message(stream).reason) == ("dead", "exhausted")

    run_virtual(main)


def test_those_behind_a_doubt_wait_for_its_end() -> None:
    """It may have arrived or not, so in fifo nothing overtakes it; held for a person it blocks nobody."""

    async def main() -> None:
        account = Account()
        settings = settings_with(lane("post", under(DOUBTING, on_ambiguous="hold")))
        async with open_branches(settings, {"post": account}) as house:
            await doubted(house, account)
            behind = (await house.post(mail(1), 2)).id
            await house.pass_time(100)
            assert len(account.sent) == 1
            await house.pass_time(30)
            assert account.attempts()[1] == (behind, 1)

    run_virtual(main)


# -- evidence ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wait_s", [0.0, 60.0, 119.0])
@pytest.mark.parametrize("status", ["sent", "delivered", "read", "failed"])
def test_a_receipt_ends_the_doubt(status: e.ReceiptStatus, wait_s: float) -> None:
    """Whatever it tells, nothing is sent again, and whoever waited behind goes on at once."""

    async def main() -> None:
        account = Account()
        async with open_branches(settings_with(lane("post", DOUBTING)), {"post": account}) as house:
            stream = await doubted(house, account)
            behind = (await house.post(mail(1), 2)).id
            await house.pass_time(wait_s)
            told = Receipt(status=status, provider_id="p1", echo=ids.encode("msg", stream))
            assert await house.system.receipts.take(("post",), told) == stream
            await house.pass_time(0.01)
            assert names(house, stream)[-2:] == ["AttemptProved", "ReceiptSeen"]
            assert house.message(stream).status == status
            assert account.attempts() == [(stream, 1), (behind, 1)]
            await house.pass_time(3_600)
            assert len(account.sent) == 2

    run_virtual(main)


def test_a_receipt_concludes_what_waits_for_a_person() -> None:
    """Held because nobody knew, it is known now; a person who looks later finds nothing to decide."""

    async def main() -> None:
        account = Account()
        settings = settings_with(lane("post", under(DOUBTING, on_ambiguous="hold")))
        async with open_branches(settings, {"post": account}) as house:
            stream = await doubted(house, account)
            await house.pass_time(86_400)
            assert house.message(stream).held_by == "unknown"
            await house.system.receipts.take(("post",), Receipt(status="read", echo=ids.encode("msg", stream)))
            assert house.message(stream).status == "read"
            assert await house.system.errands.release("org1", house.message(stream).conversation) == 0

    run_virtual(main)


def test_a_person_may_let_it_go_out_again() -> None:
    """Released by somebody who knows that nothing arrived, it is sent once more."""

    async def main() -> None:
        account = Account()
        settings = settings_with(lane("post", under(DOUBTING, on_ambiguous="hold")))
        async with open_branches(settings, {"post": account}) as house:
            stream = await doubted(house, account)
            await house.pass_time(121)
            await house.system.errands.release("org1", house.message(stream).conversation)
            await house.pass_time(1)
            assert house.message(stream).status == "sent"
            assert len(account.sent) == 2

    run_virtual(main)


# -- what else happens meanwhile ---------------------------------------------------------------------------------


@pytest.mark.parametrize("answered", [True, False])
def test_an_interrupted_attempt_is_in_doubt(answered: bool) -> None:  # noqa: FBT001 - a column
    """The power goes out while it is being sent, or while it is in doubt: the next life waits for evidence."""
    durable, account = Durable(), Account()
    settings = settings_with(lane("post", DOUBTING))

    async def send(house: Branches) -> None:
        if answered:
            await doubted(house, account)
            await house.pass_time(50)
        else:
            account.hold()
            await house.post(mail(1))
            await house.pass_time(1)

    async def again() -> None:
        async with open_branches(settings, {"post": account}, durable=durable) as house:
            (stream,) = durable.messages
            until_s = 120.01 if answered else house.seconds + 120
            await house.pass_time(until_s - house.seconds - 0.1)
            assert len(account.sent) == 1
            assert house.message(stream).doubt_us is not None
            await house.pass_time(0.2)
            assert account.attempts() == [(stream, 1), (stream, 2)]

    run_virtual(again, start_s=crashed(settings, {"post": account}, durable, send))


def test_a_cancel_ends_the_doubt() -> None:
    """It is over at once, and the log says who decided that nobody waits any longer."""

    async def main() -> None:
        account = Account()
        async with open_branches(settings_with(lane("post", DOUBTING)), {"post": account}) as house:
            stream = await doubted(house, account)
            await house.pass_time(1)
            await house.system.errands.cancel("org1", stream)
            assert resolution_of(house, stream) == ("fail", "operator")
            assert house.message(stream).status == "cancelled"
            told = Receipt(status="delivered", echo=ids.encode("msg", stream))
            await house.system.receipts.take(("post",), told)
            await house.pass_time(300)
            message: Message = house.message(stream)
            assert message.status == "cancelled"
            assert message.receipt_at("delivered") is not None
            assert len(account.sent) == 1

    run_virtual(main)


def test_an_expiry_ends_the_doubt_on_time() -> None:
    """What expires in doubt is not sent again, and waits no longer."""

    async def main() -> None:
        account = Account()
        async with open_branches(settings_with(lane("post", DOUBTING)), {"post": account}) as house:
            expires_us = house.clock.now_us() + MINUTE_US
            stream = await doubted(house, account, expires_at=house.moment(expires_us))
            await house.pass_time(59.9)
            assert house.message(stream).status == "retrying"
            await house.pass_time(0.2)
            assert house.message(stream).status == "expired"
            assert house.message(stream).changed_us == expires_us
            assert resolution_of(house, stream) == ("fail", "policy")

    run_virtual(main)


def test_a_resend_after_doubt_keeps_quiet_hours() -> None:
    """Evidence may come in the night; what is sent again waits for the morning."""

    async def main() -> None:
        account = Account()
        # It is eight in the morning; from one minute past on nothing goes out until ten.
        policy = replace(DOUBTING, quiet_hours=QuietHours(from_minute=481, to_minute=600, zone="UTC"))
        async with open_branches(settings_with(lane("post", policy)), {"post": account}) as house:
            stream = await doubted(house, account)
            await house.pass_time(7_190)
            assert len(account.sent) == 1
            assert house.message(stream).doubt_us is None
            await house.pass_time(20)
            assert house.message(stream).status == "sent"

    run_virtual(main)


@pytest.mark.parametrize("second", [Transient(), None])
def test_a_probe_in_doubt_settles_its_circuit(second: Outcome | None) -> None:
    """A circuit's probe of unknown fate opens it for longer; the resend after its doubt is the next probe."""

    async def main() -> None:
        account = Account()
        circuit = CircuitRule(failures=1, cooldown_us=30 * SECOND_US, ceiling_us=600 * SECOND_US)
        policy = under(DOUBTING, circuit=circuit, retry=Schedule(after_us=(SECOND_US,) * 9, jitter=0))
        async with open_branches(settings_with(lane("post", policy)), {"post": account}) as house:
            stream = await doubted(house, account)
            account.answers.append(IN_DOUBT)
            await house.pass_time(120)
            assert account.attempts() == [(stream, 1), (stream, 2)]
            if second is not None:
                account.answers.append(second)
            await house.pass_time(119)
            assert len(account.sent) == 2
            await house.pass_time(300)
            conversation = house.message(stream).conversation
            openings = [event.openings for event in house.events(conversation) if isinstance(event, e.CircuitOpened)]
            assert openings == ([1, 2] if second is None else [1, 2, 3])
            assert house.message(stream).status == "sent"

    run_virtual(main)


def test_poison_is_parked_after_its_doubt() -> None:
    """In doubt for the third time in a row, it is held for a person once no evidence came, and blocks nobody."""

    async def main() -> None:
        account = Account()
        circuit = CircuitRule(failures=3, cooldown_us=SECOND_US, ceiling_us=SECOND_US)
        schedule = Schedule(after_us=(SECOND_US,) * 9, jitter=0)
        policy = under(DOUBTING, circuit=circuit, retry=schedule, poison=Poison(kind="park"))
        async with open_branches(settings_with(lane("post", policy)), {"post": account}) as house:
            account.answers.extend([IN_DOUBT] * 3)
            stream = (await house.post(mail(1))).id
            behind = (await house.post(mail(1), 2)).id
            await house.pass_time(600)
            assert (house.message(stream).status, house.message(stream).held_by) == ("held", "parked")
            assert house.message(behind).status == "sent"
            assert len(account.sent) == 4

    run_virtual(main)
