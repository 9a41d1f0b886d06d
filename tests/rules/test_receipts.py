"""Answers for what a provider tells afterwards: what it proves, how far it raises a message, whom it suppresses."""

from collections.abc import Callable
from itertools import permutations
from typing import Final, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core import events as e
from core import receipts
from core.conclusions import Decision
from core.conversation import Conversation
from core.message import Message, head_of
from core.news import Receipt
from core.outcomes import Ambiguous, Failure, OptOut, Outcome, Permanent, Rate, Recipient, Taken, Transient
from core.policies import MINUTE_US, Policy
from tests.rules.samples import CALM, NOW_US, PLAIN, came, decide, sending, start, taken, then, waiting

LANES: Final = ("calls",)
DOUBTING: Final = replace(PLAIN, reconcile_us=2 * MINUTE_US)
HOLDING: Final = replace(PLAIN, on_ambiguous="hold")
BOUNCED: Final = Recipient(code="550 5.1.1")
STATUSES: Final = get_args(e.ReceiptStatus)

_failed: Final = Receipt(status="failed", code="550", failure=BOUNCED)


def _told(status: e.ReceiptStatus, *, provider_id: str = "") -> Receipt:
    return _failed if status == "failed" else Receipt(status=status, provider_id=provider_id)


def receive(message: Message, receipt: Receipt, conversation: Conversation = CALM) -> Decision:
    """What a receipt of the message's own lane leads to."""
    return receipts.receive(conversation, message, receipt, LANES)


def after(message: Message, *told: Receipt) -> Message:
    """The message after receipts, each recorded before the next comes."""
    for receipt in told:
        message = then(message, *receive(message, receipt).message)
    return message


def concluded(message: Message, outcome: Outcome, policy: Policy = PLAIN) -> Message:
    """The message after its running attempt came to this."""
    return then(message, *decide(outcome, message, policy=policy).message)


def mail() -> Message:
    """A message whose provider only ever takes it: it is sent, and receipts tell the rest."""
    return waiting(channel="email")


def in_doubt() -> Message:
    """A message whose last attempt may have arrived; evidence is awaited."""
    return concluded(sending(mail()), Ambiguous(), DOUBTING)


def held() -> Message:
    """A message that waits for a person because nobody knows whether it arrived."""
    return concluded(sending(mail()), Ambiguous(), HOLDING)


# -- what a receipt proves ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("state", [in_doubt, held])
def test_a_receipt_ends_a_doubt(status: e.ReceiptStatus, state: Callable[[], Message]) -> None:
    """Whatever its provider tells of a message of unknown fate, it has it: the proof is recorded, then the receipt."""
    message = state()
    proved, seen = receive(message, _told(status, provider_id="p1")).message
    assert isinstance(proved, e.AttemptProved)
    assert (proved.attempt, proved.evidence) == (1, "receipt")
    assert isinstance(seen, e.ReceiptSeen)
    assert (seen.status, seen.attempt) == (status, 1)
    ended = then(message, proved, seen)
    assert (ended.status, ended.doubt_us, ended.held_by, ended.due_us) == (status, None, None, None)


@pytest.mark.parametrize("status", ["sent", "delivered", "read"])
def test_a_success_concludes_what_waits_for_its_next_try(status: e.ReceiptStatus) -> None:
    """What failed as far as we could see, and arrived all the same, is not sent again."""
    waits = concluded(sending(mail()), Transient())
    assert after(waits, _told(status)).status == status


def test_a_failure_outside_a_doubt_is_about_the_past() -> None:
    """It is recorded, and the next try goes on; what that comes to is not touched by it."""
    waits = concluded(sending(mail()), Transient())
    (seen,) = receive(waits, _failed).message
    assert isinstance(seen, e.ReceiptSeen)
    again = sending(then(waits, seen))
    assert concluded(again, Taken(code="250")).status == "sent"


def test_a_parked_message_is_not_concluded_by_a_failure() -> None:
    """It waits for a person for another reason than doubt, and goes on waiting; a success ends that."""
    parked = then(concluded(sending(mail()), Transient()), e.MessageHeld(by="parked"))
    assert after(parked, _failed).status == "held"
    assert after(parked, _told("delivered")).status == "delivered"


@pytest.mark.parametrize("outcome", [Transient(), Ambiguous(), Rate(), Permanent(), BOUNCED])
def test_a_success_told_while_sending_counts_whatever_the_answer_is(outcome: Failure) -> None:
    """A first attempt in doubt was sent again, and its receipt comes first: no third one follows."""
    again = sending(concluded(sending(mail()), Ambiguous()))
    flying = after(again, _told("delivered"))
    assert flying.status == "sending"
    decision = decide(outcome, flying)
    assert decision.message[1:] == (e.AttemptProved(attempt=2, evidence="receipt"),)
    assert concluded(flying, outcome).status == "delivered"


@pytest.mark.parametrize(
    ("outcome", "status"), [(Ambiguous(), "failed"), (Transient(), "retrying"), (Rate(), "retrying")]
)
def test_a_failure_told_while_sending_proves_only_what_is_in_doubt(outcome: Failure, status: str) -> None:
    """An attempt that certainly was not taken has nothing to do with it."""
    flying = after(sending(mail()), _failed)
    assert concluded(flying, outcome, DOUBTING).status == status


def test_a_cancel_does_not_undo_a_success_told_before() -> None:
    """A cancel holds unless the attempt is taken, and it was."""
    flying = after(then(sending(mail()), e.CancelRequested(reason="requested")), _told("sent"))
    assert concluded(flying, Ambiguous()).status == "sent"


def test_a_message_that_was_never_tried_knows_no_receipts() -> None:
    """Nobody can tell of what nobody sent: it changes nothing."""
    assert receive(mail(), _told("delivered")) == Decision(message=())


def test_what_was_found_by_asking_is_proved_by_that() -> None:
    """A provider that was asked and knows the message proves it, with the id that it has there."""
    (proved,) = receipts.found(in_doubt(), Taken(code="outgoing", provider_id="p9"))
    assert proved == e.AttemptProved(attempt=1, evidence="look_up", provider_id="p9", code="outgoing")
    found = then(in_doubt(), proved)
    assert (found.status, found.provider_id, found.code) == ("sent", "p9", "outgoing")


def test_an_id_that_is_known_is_not_lost() -> None:
    """An answer or a proof without the provider's id leaves the one that a receipt has told."""
    flying = after(sending(mail()), _told("sent", provider_id="p1"))
    assert concluded(flying, Taken(code="250")).provider_id == "p1"
    assert concluded(flying, Ambiguous()).provider_id == "p1"
    assert concluded(flying, Taken(code="250", provider_id="p2")).provider_id == "p2"


# -- how far it raises the message -------------------------------------------------------------------------------


def _statuses(told: tuple[Receipt, ...], *, before: int) -> tuple[str, str, str]:
    """Where a message stands whose answer came after so many of the receipts."""
    message = after(sending(mail()), *told[:before])
    message = then(message, e.AttemptTaken(attempt=1, status="sent", sent_at_us=NOW_US, took_us=7, code="250"))
    message = after(message, *told[before:])
    return message.status, message.reason, message.code


@pytest.mark.parametrize(
    ("told", "status"),
    [
        (("sent",), "sent"),
        (("sent", "delivered"), "delivered"),
        (("delivered", "read"), "read"),
        (("sent", "failed"), "failed"),
        (("failed", "delivered"), "delivered"),
        (("sent", "failed", "delivered", "read"), "read"),
    ],
)
def test_the_furthest_status_stands_in_any_order(told: tuple[e.ReceiptStatus, ...], status: str) -> None:
    """Sent, delivered, read rise; a failure counts over sent alone, before the answer or after it."""
    found = {
        _statuses(tuple(map(_told, order)), before=before)
        for order in permutations(told)
        for before in range(len(told) + 1)
    }
    assert found == {(status, "failed" if status == "failed" else "", "550" if status == "failed" else "250")}


@given(told=st.lists(st.sampled_from(STATUSES), max_size=12), data=st.data())
def test_receipts_merge_alike_however_they_come(told: list[e.ReceiptStatus], data: st.DataObject) -> None:
    """Any order of any duplicates leads to one status, and each status is recorded once for an attempt at most."""
    order = tuple(map(_told, data.draw(st.permutations(told))))
    before = data.draw(st.integers(0, len(order)))
    assert _statuses(order, before=before) == _statuses(tuple(map(_told, sorted(set(told)))), before=0)
    message = then(sending(mail()), e.AttemptTaken(attempt=1, status="sent", sent_at_us=NOW_US, took_us=7))
    message = after(message, *order)
    assert sorted(known.status for known in message.receipts) == sorted(set(told))
    assert message.version == 3 + len(set(told))


@pytest.mark.parametrize(
    "end", [e.MessageCancelled(reason="requested"), e.MessageExpired(), e.MessageDead(reason="gave_up")]
)
@pytest.mark.parametrize("status", STATUSES)
def test_an_ended_message_keeps_its_end(end: e.Event, status: e.ReceiptStatus) -> None:
    """Days later a receipt is recorded, and never opens or renames what is over."""
    ended = then(concluded(sending(mail()), Transient()), end)
    told = after(ended, _told(status))
    assert told.status == ended.status
    assert told.receipt_at(status) == NOW_US


def test_a_webhooks_own_answer_is_not_lowered() -> None:
    """What the receiver itself has taken is delivered; nobody's later word makes it less."""
    flying = sending(waiting())
    assert after(then(flying, taken(flying)), _told("sent"), _failed).status == "delivered"


# -- through several lanes ---------------------------------------------------------------------------------------


def through(*lanes: str) -> Message:
    """A mail that may go through these lanes, and is in the first of them."""
    return replace(mail(), lanes=lanes, lane=lanes[0])


def _moved() -> Message:
    """A message that failed in lane a and is being sent in lane b."""
    message = concluded(sending(through("a", "b")), Transient())
    assert message.lane == "b"
    return then(message, start(message))


def test_a_receipt_is_about_the_attempt_in_its_own_lane() -> None:
    """A failure told of the lane that a message has left says nothing of the attempt in the next one."""
    (seen,) = receipts.receive(CALM, _moved(), _failed, ("a",)).message
    assert isinstance(seen, e.ReceiptSeen)
    assert seen.attempt == 1
    told = then(_moved(), seen)
    assert concluded(told, Taken(code="250")).status == "sent"
    assert concluded(told, Ambiguous(), DOUBTING).doubt_us is not None


def test_a_success_in_a_lane_that_was_left_counts() -> None:
    """It arrived there after all, so it is not sent once more, whatever the next lane answers."""
    (seen,) = receipts.receive(CALM, _moved(), _told("delivered"), ("a",)).message
    told = then(_moved(), seen)
    assert concluded(told, Transient()).status == "delivered"
    assert concluded(told, Taken(code="250")).status == "delivered"


@pytest.mark.parametrize("lanes", [("c",), ()])
def test_lanes_that_never_had_the_message_tell_nothing_of_it(lanes: tuple[str, ...]) -> None:
    """A receipt of an account that never saw it is no word about it."""
    assert receipts.receive(CALM, _moved(), _told("delivered"), lanes) == Decision(message=())
    assert receipts.receive(CALM, sending(mail()), _told("delivered"), lanes) == Decision(message=())


# -- what it owes ------------------------------------------------------------------------------------------------


def test_a_late_failure_owes_the_fallback() -> None:
    """What was taken and then came to nothing is followed by another channel; what was delivered is not."""
    message = replace(mail(), fallbacks=1)
    sent = concluded(sending(message), Taken(code="250"))
    assert not head_of(sent, 7).owes
    assert head_of(after(sent, _failed), 7).owes
    assert not head_of(after(sent, _failed, _told("delivered")), 7).owes


@pytest.mark.parametrize(("status", "owes"), [("sent", False), ("delivered", False), ("read", False), ("failed", True)])
def test_nothing_takes_the_place_of_what_arrived(status: e.ReceiptStatus, owes: bool) -> None:  # noqa: FBT001 - a column
    """A dead message owes its fallback unless its provider says that it has the message after all."""
    dead = then(concluded(sending(replace(mail(), fallbacks=1)), Transient()), e.MessageDead(reason="exhausted"))
    assert dead.owes
    assert after(dead, _told(status)).owes == owes


# -- what it says of the peer ------------------------------------------------------------------------------------


def test_a_bounce_suppresses_the_address() -> None:
    """A hard bounce of what was taken days ago stops what would be sent there next."""
    sent = concluded(sending(mail()), Taken(code="250"))
    assert receive(sent, _failed).conversation == (e.PeerSuppressed(scope="all", reason="recipient", code="550 5.1.1"),)


def test_a_complaint_is_heeded_once() -> None:
    """The second telling of the same changes nothing, for the message or its peer."""
    complaint = Receipt(status="failed", code="spam", failure=OptOut(code="spam"))
    sent = concluded(sending(mail()), Taken(code="250"))
    first = receive(sent, complaint)
    assert first.conversation == (e.PeerSuppressed(scope="all", reason="optout", code="spam"),)
    again = receive(then(sent, *first.message), complaint, came(CALM, *first.conversation))
    assert again == Decision(message=())


def test_soft_bounces_count_though_each_message_was_taken_first() -> None:
    """Where a provider tells afterwards, taking a message proves nothing of its address: three in a row are enough."""
    conversation = CALM
    soft = Receipt(status="failed", failure=Recipient(code="4.2.2", soft=True))
    for _ in range(3):
        message = sending(mail())
        decision = decide(Taken(code="250"), message, conversation=conversation, has_receipts=True)
        conversation = came(conversation, *decision.conversation)
        bounced = receive(then(message, *decision.message), soft, conversation)
        conversation = came(conversation, *bounced.conversation)
    assert conversation.suppressed == "all"


@pytest.mark.parametrize("status", ["delivered", "read"])
def test_an_arrival_ends_strikes(status: e.ReceiptStatus) -> None:
    """What arrived shows that the address works; that it was sent does not."""
    struck = came(CALM, e.PeerStruck(strikes=2))
    sent = concluded(sending(mail()), Taken(code="250"))
    assert receive(sent, _told(status), struck).conversation == (e.PeerRestored(by="reached"),)
    assert receive(sent, _told("sent"), struck).conversation == ()
    assert receive(sent, _told(status)).conversation == ()
