"""Answers for the few messages that decide what a conversation wants: they say all, however many wait for later."""

from typing import Final

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.lines import Lines
from core import events as e
from core.conversation import Conversation, Due, dues
from core.foremost import FEW, Foremost
from core.message import Message
from core.policies import DAY_US, HOUR_US, SECOND_US, Poison, Policy
from eventstore.memory import MemoryLog
from tests.rules.samples import CALM, NOW_US, PLAIN, came, retrying, sending, taken, then, waiting

MANY: Final = 10_000
OPEN: Final = came(CALM, e.CircuitOpened(until_us=NOW_US + 4 * SECOND_US, streak=3, openings=1))
SKIP: Final = Poison(kind="skip", skip_after_us=HOUR_US)
# A message that names a policy is under it; these differ in how many may fly, and in what becomes of poison.
POLICIES: Final = {None: replace(PLAIN, poison=SKIP), "wide": replace(PLAIN, in_flight_max=3)}


def _policy_of(message: Message) -> Policy:
    return POLICIES[message.policy]


@st.composite
def _messages(draw: st.DrawFn, numbers: range = range(1, 25)) -> dict[int, Message]:
    return {number: _message(draw, number) for number in numbers if draw(st.booleans())}


def _message(draw: st.DrawFn, number: int) -> Message:
    message = waiting(
        number,
        due_us=NOW_US + draw(st.integers(0, 8)) * SECOND_US,
        order=draw(st.sampled_from(["fifo", "any"])),
        lane=draw(st.sampled_from(["a", "b"])),
        expires_us=draw(st.sampled_from([None, NOW_US + 3 * SECOND_US, NOW_US + 9 * SECOND_US])),
        priority=draw(st.integers(4, 6)),
    )
    message = replace(message, policy=draw(st.sampled_from([None, "wide"])))
    match draw(st.sampled_from(["waiting", "sending", "retrying", "aside"])):
        case "sending":
            return sending(message)
        case "retrying":
            return retrying(message, due_us=NOW_US + draw(st.integers(0, 9)) * SECOND_US)
        case "aside":
            return then(retrying(message), e.MessageSetAside())
        case _:
            return message


def _by_lane(wanted: list[Due]) -> dict[str, Due]:
    return {due.lane: due for due in wanted}


@given(first=_messages(), later=_messages(), conversation=st.sampled_from([CALM, OPEN]))
def test_those_that_decide_say_all(
    first: dict[int, Message], later: dict[int, Message], conversation: Conversation
) -> None:
    """Whatever came, changed and went meanwhile, a conversation wants by them what it wants by all that is open."""
    kept = dict(first)
    foremost = Foremost(kept)
    for number in sorted(first.keys() | later.keys()):
        gone = kept.pop(number, None)
        if gone is not None:
            foremost.drop(gone)
        if number in later:
            kept[number] = later[number]
            foremost.take(later[number])
        deciding = foremost.deciding(conversation.blocked_until_us)
        wanted = dues(conversation, kept.values(), _policy_of)
        assert _by_lane(dues(conversation, deciding, _policy_of)) == _by_lane(wanted)


def test_an_attempt_looks_at_nobody_who_waits_for_tomorrow() -> None:
    """Beside ten thousand messages for tomorrow, no step of another one's attempt asks more than a few of them."""
    lines = Lines(CALM.id, MemoryLog(), window_max=MANY, is_new=True)
    for number in range(1, MANY + 1):
        order: e.Order = "any" if number % 2 else "fifo"
        expires_us = None if number % 2 else NOW_US + 2 * DAY_US
        lines.keep(waiting(number, due_us=NOW_US + DAY_US + number, order=order, expires_us=expires_us))
    before = lines.deciding(CALM)
    now = waiting(MANY + 1)
    flying = sending(now)
    for step in (now, flying, then(flying, taken(flying))):
        lines.keep(step)
        deciding = lines.deciding(CALM)
        assert len(deciding) <= FEW
        assert (step in deciding) is step.is_open
    assert list(lines.deciding(CALM)) == list(before)
    assert {message.id for message in before} == {1, 2}


def test_all_that_a_block_holds_are_ready_together() -> None:
    """Once a pause is over the most urgent of those it held goes first, though others were due before it."""
    messages = [waiting(n, due_us=NOW_US + n * SECOND_US, order="any", priority=n % 5) for n in range(1, 10)]
    foremost = Foremost({message.id: message for message in messages})
    assert [message.id for message in foremost.deciding(NOW_US + 6 * SECOND_US)] == [4]
    assert [message.id for message in foremost.deciding(NOW_US)] == [1]
