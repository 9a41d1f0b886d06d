"""Answers for what is known of a peer: whom we no longer write to, when free text goes out, how a limiter is heeded."""

from typing import Final

import msgspec
import pytest
from msgspec.structs import replace

from core import events as e
from core import starts
from core.conversation import Conversation
from core.message import Message
from core.news import PeerNews
from core.outcomes import Failure, OptOut, Permanent, Rate, Recipient, Taken, Transient, Window, of_endpoint_status
from core.peers import told_by_peer
from core.policies import DAY_US, HOUR_US, SECOND_US
from tests.rules.samples import CALM, NOW_US, PLAIN, came, decide, failure, sending, terms, then, waiting

HARD: Final = Recipient(code="550")
SOFT: Final = Recipient(code="131026", soft=True)
DEAD_ADDRESS: Final = e.PeerSuppressed(scope="all", reason="recipient", code="550")


def whatsapp(*, marketing: bool = False, has_template: bool = False) -> Message:
    """A WhatsApp message being sent."""
    return sending(replace(waiting(channel="whatsapp"), marketing=marketing, has_template=has_template))


def told(outcome: Failure | Taken, conversation: Conversation = CALM, message: Message | None = None) -> Conversation:
    """The conversation after one of its messages came to this."""
    decision = decide(outcome, message or whatsapp(), conversation=conversation)
    return came(conversation, *decision.conversation)


def news(did: str, *, marketing: bool = False, at_us: int | None = None) -> PeerNews:
    """What the person did."""
    body = {"did": did, "channel": "whatsapp", "address": "+4930123456", "marketing": marketing, "at_us": at_us}
    return msgspec.convert(body, PeerNews)


def heard(conversation: Conversation, *all_news: PeerNews) -> Conversation:
    """The conversation after its peer did this."""
    for one in all_news:
        conversation = came(conversation, *told_by_peer(conversation, one, NOW_US))
    return conversation


def is_sent(conversation: Conversation, *, marketing: bool = False) -> bool:
    """Whether a message would go out there now."""
    message = replace(waiting(channel="whatsapp"), marketing=marketing)
    event = starts.begin(conversation, message, terms(), NOW_US)
    assert isinstance(event, e.AttemptStarted) or event == e.MessageDead(reason="suppressed")
    return isinstance(event, e.AttemptStarted)


# -- suppression -------------------------------------------------------------------------------------------------


def test_a_dead_address_gets_nothing_more() -> None:
    """The first proof is enough: what waits behind ends without an attempt."""
    conversation = told(HARD)
    assert (conversation.suppressed, conversation.suppressed_by) == ("all", "recipient")
    assert not is_sent(conversation)


def test_three_strikes_in_a_row_are_proof() -> None:
    """An address that could not be reached twice is tried again; the third time it is taken for dead."""
    conversation = told(SOFT, told(SOFT))
    assert (conversation.strikes, conversation.suppressed) == (2, None)
    assert is_sent(conversation)
    assert told(SOFT, conversation).suppressed == "all"


def test_an_arrival_between_strikes_begins_the_count_anew() -> None:
    """Only strikes in a row count; what was taken where nothing is told later is as good as arrived."""
    assert told(SOFT, told(Taken(), told(SOFT, told(SOFT)))).strikes == 1


def test_a_later_word_is_waited_for_where_one_comes() -> None:
    """Where its provider tells what becomes of a message, that it was taken shows nothing of the address."""
    struck = told(SOFT, told(SOFT))
    decision = decide(Taken(), whatsapp(), conversation=struck, has_receipts=True)
    assert decision.conversation == ()


@pytest.mark.parametrize(("marketing", "scope"), [(False, "all"), (True, "marketing")])
def test_an_opt_out_is_heeded(marketing: bool, scope: str) -> None:  # noqa: FBT001 - a column
    """Who wants nothing gets nothing; who wants no marketing gets everything else."""
    for conversation in (told(OptOut(marketing=marketing)), heard(CALM, news("stopped", marketing=marketing))):
        assert (conversation.suppressed, conversation.suppressed_by) == (scope, "optout")
        assert is_sent(conversation) == marketing
        assert not is_sent(conversation, marketing=True)


def test_an_opt_out_from_everything_holds_over_a_narrower_one() -> None:
    """Said again, or less of it, changes nothing; more of it does."""
    everything = heard(CALM, news("stopped"))
    assert heard(everything, news("stopped", marketing=True), news("stopped")) == everything
    assert heard(CALM, news("stopped", marketing=True), news("stopped")).suppressed == "all"


def test_a_dead_address_and_an_opt_out_do_not_undo_each_other() -> None:
    """An address that works again belongs to somebody who still wants no mail, in whatever order both became known."""
    for conversation in (heard(told(HARD), news("stopped")), told(HARD, heard(CALM, news("stopped")))):
        assert conversation.suppressed_by == "recipient"
        reached = came(conversation, e.PeerRestored(by="reached"))
        assert (reached.suppressed, reached.suppressed_by) == ("all", "optout")
        resumed = heard(conversation, news("resumed"))
        assert (resumed.suppressed, resumed.suppressed_by) == ("all", "recipient")


def test_reaching_somebody_who_wants_no_marketing_keeps_that_wish() -> None:
    """A message that arrives ends the strikes, and nothing else."""
    conversation = told(Taken(), told(SOFT, heard(CALM, news("stopped", marketing=True))))
    assert (conversation.strikes, conversation.suppressed) == (0, "marketing")


def test_a_person_may_come_back() -> None:
    """Their own word ends their opt-out; a word about marketing alone does not end a wish to get nothing."""
    assert heard(CALM, news("stopped"), news("resumed")).suppressed is None
    assert heard(CALM, news("stopped", marketing=True), news("resumed", marketing=True)).suppressed is None
    assert heard(CALM, news("stopped"), news("resumed", marketing=True)).suppressed == "all"
    assert told_by_peer(CALM, news("resumed"), NOW_US) == ()


def test_an_operator_may_end_every_suppression() -> None:
    """What a person decides holds over all that was known."""
    conversation = came(told(HARD, told(SOFT, heard(CALM, news("stopped")))), e.PeerRestored(by="operator"))
    assert (conversation.suppressed, conversation.strikes) == (None, 0)


def test_a_redriven_message_is_tried_in_spite_of_it() -> None:
    """Who has a dead letter tried again knows why it ended; where it arrives, the address is good again."""
    dead = then(sending(waiting()), *decide(HARD).message)
    again = then(dead, e.MessageRedriven(due_us=NOW_US))
    conversation = told(HARD)
    assert isinstance(starts.begin(conversation, again, terms(), NOW_US), e.AttemptStarted)
    assert told(Taken(), conversation, sending(again)).suppressed is None


def test_an_endpoint_that_is_gone_is_a_dead_address() -> None:
    """A webhook's 410 stops what would be posted there next."""
    assert told(HARD, CALM, sending(waiting())).suppressed == "all"
    gone = of_endpoint_status(410)
    assert not isinstance(gone, Taken)
    assert told(gone, CALM, sending(waiting())).suppressed == "all"


@pytest.mark.parametrize("channel", ["push", "hook"])
def test_a_dead_token_is_not_a_dead_user(channel: str) -> None:
    """A push's token is its device's business, and a handler that wants one hook no more may want the next."""
    assert told(HARD, CALM, sending(waiting(channel=channel))).suppressed is None
    assert told(SOFT, CALM, sending(waiting(channel=channel))).strikes == 0


@pytest.mark.parametrize("outcome", [Permanent(), Transient(), Rate(), Window()])
def test_other_failures_say_nothing_of_the_address(outcome: Failure) -> None:
    """A message that was refused for what it is, or not taken for now, is no strike."""
    conversation = told(outcome)
    assert (conversation.suppressed, conversation.strikes) == (None, 0)


# -- the reply window --------------------------------------------------------------------------------------------


def by_template(conversation: Conversation, *, has_template: bool = True) -> bool:
    """Whether the next message's template goes out in place of its text."""
    message = replace(waiting(channel="whatsapp"), has_template=has_template)
    event = starts.begin(conversation, message, terms(), NOW_US)
    assert isinstance(event, e.AttemptStarted)
    return event.by_template


def test_free_text_goes_out_until_a_day_after_the_peer_wrote() -> None:
    """From their message on, not from when we heard of it; a later one counts over an earlier one."""
    wrote = heard(CALM, news("wrote", at_us=NOW_US - HOUR_US))
    assert wrote.window_until_us == NOW_US - HOUR_US + DAY_US
    assert heard(wrote, news("wrote", at_us=NOW_US - 2 * HOUR_US)) == wrote
    assert heard(wrote, news("wrote")).window_until_us == NOW_US + DAY_US
    assert heard(CALM, news("wrote", at_us=NOW_US + DAY_US)).window_until_us == NOW_US + DAY_US


def test_a_template_stands_in_where_the_window_is_known_to_be_closed() -> None:
    """Unknown is tried; closed is not, where something else can be sent."""
    assert not by_template(CALM)
    assert not by_template(heard(CALM, news("wrote")))
    for closed in (heard(CALM, news("wrote", at_us=NOW_US - DAY_US)), came(CALM, e.WindowClosed(code="131047"))):
        assert by_template(closed)
        assert not by_template(closed, has_template=False)


def test_a_closed_window_is_asked_once() -> None:
    """Refused for its free text, a message goes on with its template at once, and uses up nothing."""
    decision = decide(Window(code="131047"), whatsapp(has_template=True))
    assert (failure(decision).due_us, failure(decision).used) == (NOW_US, False)
    closed = came(CALM, *decision.conversation)
    assert closed.window_until_us == 0
    again = then(whatsapp(has_template=True), *decision.message)
    event = starts.begin(closed, again, terms(), NOW_US)
    assert isinstance(event, e.AttemptStarted)
    assert event.by_template
    refused = decide(Window(code="131047"), then(again, event), conversation=closed)
    assert refused.message[1:] == (e.MessageDead(reason="refused"),)
    assert refused.conversation == ()


def test_a_closed_window_ends_what_has_no_template() -> None:
    """Free text cannot be sent, and nothing stands in for it; the next message knows."""
    decision = decide(Window(code="131047"), whatsapp())
    assert decision.message[1:] == (e.MessageDead(reason="refused"),)
    assert decision.conversation == (e.WindowClosed(code="131047"),)


# -- a limiter that grows ----------------------------------------------------------------------------------------

GROWING: Final = Rate(code="131056", after_us=SECOND_US, growth=4)


def test_each_refusal_in_a_row_waits_longer() -> None:
    """One, four, sixteen seconds, for the message as for its conversation, up to the policy's ceiling."""
    policy = replace(PLAIN, retry_after_ceiling_us=HOUR_US)
    conversation, waits = CALM, []
    for _ in range(9):
        decision = decide(GROWING, whatsapp(), conversation=conversation, policy=policy)
        (paused,) = decision.conversation
        assert isinstance(paused, e.ConversationPaused)
        assert paused.until_us == failure(decision).due_us
        waits.append((paused.until_us - NOW_US) // SECOND_US)
        conversation = came(conversation, paused)
    assert waits == [1, 4, 16, 64, 256, 1024, 3600, 3600, 3600]


def test_a_message_that_is_taken_begins_the_count_anew() -> None:
    """Its pace is restored by the first that gets through, whether or not more is told of it later."""
    for has_receipts in (False, True):
        refused = told(GROWING, told(GROWING))
        assert refused.refusals == 2
        decision = decide(Taken(), whatsapp(), conversation=refused, has_receipts=has_receipts)
        assert decision.conversation == (e.PaceRestored(),)
        assert came(refused, *decision.conversation).refusals == 0


def test_a_limiter_that_does_not_grow_counts_nothing() -> None:
    """The same wait each time."""
    conversation = told(Rate(after_us=5 * SECOND_US), told(Rate(after_us=5 * SECOND_US)))
    assert (conversation.refusals, conversation.paused_until_us) == (0, NOW_US + 5 * SECOND_US)
