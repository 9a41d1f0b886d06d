"""Answers for what a conversation wants next, and when: order, circuit, attempts in flight, and the end of time."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core import events as e
from core.conversation import Conversation, Due, dues, is_spoken_for, skips_at
from core.message import Message
from core.outcomes import Rate
from core.policies import HOUR_US, SECOND_US, Poison, Policy
from tests.rules.samples import CALM, NOW_US, PLAIN, came, failed, retrying, sending, then, waiting

LATER_US: Final = NOW_US + 60 * SECOND_US
SOON_US: Final = NOW_US + 30 * SECOND_US
SKIP: Final = replace(PLAIN, poison=Poison(kind="skip", skip_after_us=HOUR_US))
OPEN: Final = came(CALM, e.CircuitOpened(until_us=LATER_US, streak=3, openings=1))


def _dues(*messages: Message, conversation: Conversation = CALM, policy: Policy = PLAIN) -> list[tuple[int, int]]:
    """(message, due instant) of what a conversation with these open messages wants; all of it on one lane."""
    return [(due.message, due.due_us) for due in dues(conversation, messages, lambda _: policy)]


# -- order -------------------------------------------------------------------------------------------------------


def test_nothing_is_wanted_where_nothing_is_open() -> None:
    """A conversation without open messages wants no lane."""
    assert _dues() == []


def test_fifo_goes_by_first_due_instant() -> None:
    """What was first due goes first, however late it was accepted."""
    early = waiting(2, due_us=NOW_US, at_us=NOW_US)
    assert _dues(waiting(1, due_us=LATER_US), early) == [(2, NOW_US)]


def test_fifo_breaks_ties_by_acceptance() -> None:
    """Of two with the same first due instant, the one that was accepted first goes first."""
    assert _dues(waiting(8), waiting(7), waiting(9)) == [(7, NOW_US)]


def test_a_message_not_yet_due_blocks_nobody() -> None:
    """One that is scheduled for later, and was accepted earlier, waits behind those that are due now."""
    assert _dues(waiting(1, due_us=LATER_US), waiting(2)) == [(2, NOW_US)]


def test_a_retrying_head_blocks_those_behind_it() -> None:
    """Once due, a message keeps its place through its retries."""
    assert _dues(retrying(waiting(1), due_us=LATER_US), waiting(2)) == [(1, LATER_US)]


def test_a_deferred_head_keeps_its_place() -> None:
    """Quiet hours defer the whole line: those behind do not overtake."""
    head = then(waiting(1), e.MessageDeferred(due_us=LATER_US, reason="quiet_hours"))
    assert _dues(head, waiting(2)) == [(1, LATER_US)]


def test_the_next_follows_once_the_head_has_gone() -> None:
    """A concluded head is not among the open messages any more, and the line moves up."""
    assert _dues(waiting(2), waiting(3)) == [(2, NOW_US)]


def test_fifo_has_one_attempt_in_flight() -> None:
    """While one is being sent, nothing of the line may start."""
    assert _dues(sending(waiting(1)), waiting(2), waiting(3)) == []


def test_fifo_has_one_in_flight_when_an_earlier_one_comes_back() -> None:
    """A released message takes its old place at the head, but waits for the attempt that is already out."""
    assert _dues(waiting(1), sending(waiting(2)), waiting(3, order="any", due_us=LATER_US)) == [(3, LATER_US)]


def test_any_order_starts_what_is_due_first() -> None:
    """In any order a retry holds nobody up."""
    assert _dues(retrying(waiting(1, order="any"), due_us=LATER_US), waiting(2, order="any")) == [(2, NOW_US)]


def test_any_order_flies_up_to_its_bound() -> None:
    """As many attempts as the policy allows, and not one more."""
    narrow = replace(PLAIN, in_flight_max=2)
    flying = [sending(waiting(n, order="any")) for n in (1, 2)]
    assert _dues(flying[0], waiting(3, order="any"), policy=narrow) == [(3, NOW_US)]
    assert _dues(*flying, waiting(3, order="any"), policy=narrow) == []


def test_a_message_set_aside_frees_the_line() -> None:
    """It goes on with its own retries, and the next of the line no longer waits for it."""
    aside = then(retrying(waiting(1), due_us=LATER_US), e.MessageSetAside())
    assert _dues(aside, waiting(2)) == [(2, NOW_US)]
    assert _dues(aside) == [(1, LATER_US)]


def test_each_lane_is_asked_for_its_own() -> None:
    """Messages of two lanes in any order want each its own; in fifo only the head's lane is wanted."""
    loose = [waiting(1, order="any", lane="a"), waiting(2, order="any", lane="b", due_us=SOON_US)]
    assert {due.lane: due.due_us for due in dues(CALM, loose, lambda _: PLAIN)} == {"a": NOW_US, "b": SOON_US}
    line = [waiting(1, lane="a"), waiting(2, lane="b")]
    assert [due.lane for due in dues(CALM, line, lambda _: PLAIN)] == ["a"]


def test_priority_decides_between_equals_only() -> None:
    """Of two due at the same instant in any order the more urgent one speaks for the lane; never within fifo."""
    loose = [waiting(1, order="any", priority=2), waiting(2, order="any", priority=9)]
    assert [(due.message, due.priority) for due in dues(CALM, loose, lambda _: PLAIN)] == [(2, 9)]
    assert _dues(waiting(1, priority=0), waiting(2, priority=9)) == [(1, NOW_US)]


def test_a_due_says_what_the_log_shows() -> None:
    """The instant behind it in the log, and whom it concerns, travel with it."""
    (due,) = dues(OPEN, [waiting(1, host=77, priority=3)], lambda _: PLAIN)
    assert due == Due(lane="calls", due_us=LATER_US, stored_us=NOW_US, priority=3, host=77, message=1)


# -- circuit and pauses ------------------------------------------------------------------------------------------


def test_an_open_circuit_lets_one_probe_out_when_its_time_has_come() -> None:
    """Until then nothing is due; from then on one attempt, and nothing beside it."""
    loose = [waiting(n, order="any") for n in (1, 2)]
    assert _dues(*loose, conversation=OPEN) == [(1, LATER_US)]
    assert _dues(sending(loose[0], probe=True), loose[1], conversation=OPEN) == []


def test_stragglers_keep_the_probe_waiting() -> None:
    """An attempt that had left before the circuit opened may still answer: nothing goes out beside it."""
    assert _dues(sending(waiting(1, order="any")), waiting(2, order="any"), conversation=OPEN) == []


def test_a_paused_conversation_waits() -> None:
    """The peer's own wish for a slower pace holds everything of it, whatever was due before."""
    paused = came(CALM, e.ConversationPaused(until_us=LATER_US, code="429"))
    assert _dues(waiting(1), conversation=paused) == [(1, LATER_US)]
    assert _dues(waiting(1, due_us=LATER_US + 1), conversation=paused) == [(1, LATER_US + 1)]


# -- what time alone decides -------------------------------------------------------------------------------------


def test_expiry_comes_though_nothing_may_start() -> None:
    """A message behind a blocked head, or behind an open circuit, still ends at its expiry."""
    mortal = waiting(2, expires_us=SOON_US)
    assert _dues(retrying(waiting(1), due_us=LATER_US), mortal) == [(2, SOON_US)]
    assert _dues(mortal, conversation=OPEN) == [(2, SOON_US)]
    assert _dues(waiting(1, order="any"), mortal, policy=replace(PLAIN, in_flight_max=0)) == [(2, NOW_US)]


def test_poison_steps_aside_in_time() -> None:
    """Under skip a failing head is due at the latest when it has blocked for long enough."""
    head = retrying(waiting(1), due_us=NOW_US + 2 * HOUR_US)
    assert _dues(head, waiting(2), policy=SKIP) == [(1, NOW_US + HOUR_US)]
    assert _dues(head, waiting(2)) == [(1, NOW_US + 2 * HOUR_US)]


@pytest.mark.parametrize(
    "message",
    [
        waiting(1),
        sending(retrying(waiting(1))),
        then(retrying(waiting(1)), e.MessageSetAside()),
        retrying(waiting(1, order="any")),
        then(retrying(waiting(1)), e.MessageHeld(by="unknown"), e.MessageReleased(due_us=NOW_US)),
    ],
)
def test_what_does_not_block_never_steps_aside(message: Message) -> None:
    """What has not failed since its release, is being sent or stands in no line has nothing to step aside from."""
    assert skips_at(message, SKIP) is None


def test_an_interrupted_retry_still_steps_aside() -> None:
    """A message that failed once and was then aborted is as much in the way as before."""
    limited = sending(waiting(1))
    limited = sending(then(limited, failed(limited, Rate(), used=False)))
    aborted = then(limited, e.AttemptAborted(attempt=2, reason="stopping", due_us=NOW_US))
    assert skips_at(aborted, SKIP) == NOW_US + HOUR_US


# -- all of it at once -------------------------------------------------------------------------------------------


@st.composite
def _conversations(draw: st.DrawFn) -> list[Message]:
    messages: list[Message] = []
    for number in range(1, draw(st.integers(1, 6)) + 1):
        message = waiting(
            number,
            due_us=NOW_US + draw(st.integers(0, 3)) * SECOND_US,
            order=draw(st.sampled_from(["fifo", "any"])),
            lane=draw(st.sampled_from(["a", "b"])),
            expires_us=draw(st.sampled_from([None, NOW_US + 10 * SECOND_US])),
        )
        match draw(st.sampled_from(["waiting", "sending", "retrying", "aside"])):
            case "sending":
                message = sending(message)
            case "retrying":
                message = retrying(message, due_us=NOW_US + draw(st.integers(0, 9)) * SECOND_US)
            case "aside":
                message = then(retrying(message), e.MessageSetAside())
            case _:
                pass
        messages.append(message)
    return messages


@given(messages=_conversations(), conversation=st.sampled_from([CALM, OPEN]), skip=st.booleans(), shuffled=st.data())
def test_what_a_conversation_wants_does_not_depend_on_how_it_is_held(
    messages: list[Message], conversation: Conversation, *, skip: bool, shuffled: st.DataObject
) -> None:
    """The same open messages in any sequence give the same instants, one a lane, and each names a waiting message."""
    policy = SKIP if skip else PLAIN
    found = dues(conversation, messages, lambda _: policy)
    again = dues(conversation, shuffled.draw(st.permutations(messages)), lambda _: policy)
    assert {due.lane: due.due_us for due in found} == {due.lane: due.due_us for due in again}
    assert len({due.lane for due in found}) == len(found)
    by_id = {message.id: message for message in messages}
    for due in found:
        assert not by_id[due.message].in_flight
        assert by_id[due.message].lane == due.lane


@given(messages=_conversations(), conversation=st.sampled_from([CALM, OPEN]))
def test_an_idle_conversation_always_wants_something(messages: list[Message], conversation: Conversation) -> None:
    """With nothing in flight and something waiting, some instant is wanted: no conversation falls silent."""
    idle = [message for message in messages if not message.in_flight]
    if idle:
        assert dues(conversation, idle, lambda _: PLAIN)


@given(messages=_conversations(), conversation=st.sampled_from([CALM, OPEN]))
def test_a_line_never_has_two_in_flight(messages: list[Message], conversation: Conversation) -> None:
    """While anything of the fifo line is in flight, what is wanted of that line is only its end of time."""
    if not any(message.in_flight and message.line == 0 for message in messages):
        return
    by_id = {message.id: message for message in messages}
    for due in dues(conversation, messages, lambda _: PLAIN):
        message = by_id[due.message]
        assert message.line != 0 or due.due_us == message.expires_us


@given(messages=_conversations(), conversation=st.sampled_from([CALM, OPEN]), skip=st.booleans())
def test_who_is_spoken_for_changes_nothing(messages: list[Message], conversation: Conversation, *, skip: bool) -> None:
    """Where another of its line speaks for a message, the conversation wants the same at the same time without it."""
    policy = SKIP if skip else PLAIN
    for number, message in enumerate(messages):
        if is_spoken_for(message, messages):
            others = messages[:number] + messages[number + 1 :]
            without = dues(conversation, others, lambda _: policy)
            assert dues(conversation, messages, lambda _: policy) == without


def test_a_later_one_of_a_line_is_spoken_for() -> None:
    """One that is due behind another of its line is spoken for; the first, a loose one and one that expires are not."""
    first, second = waiting(1), waiting(2)
    assert is_spoken_for(second, [first, second])
    assert not is_spoken_for(first, [first, second])
    assert not is_spoken_for(waiting(3, order="any"), [first])
    assert not is_spoken_for(waiting(3, expires_us=LATER_US), [first])
