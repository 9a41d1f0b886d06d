"""Answers for what people are shown: a status that agrees with the instant and with what the lane is allowed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import events as e
from core.message import Message, accepted, evolve
from core.outcomes import Transient
from core.views import message_state, shown_status, stored_statuses

NOW_US = 1_800_000_000_000_000
LATER_US = NOW_US + 60_000_000


def made(due_us: int = NOW_US, *events: e.Event) -> Message:
    """A message accepted at NOW_US, after these events."""
    first = e.MessageAccepted(channel="email", lane="mail", conversation=7, due_us=due_us)
    message = accepted(5, NOW_US, "acme", first)
    for event in events:
        message = evolve(message, event, NOW_US)
    return message


STARTED = e.AttemptStarted(attempt=1, lane="mail", policy_version=1, deadline_us=LATER_US)
FAILED = e.AttemptFailed(
    attempt=1, outcome=Transient(code="451"), used=True, due_us=LATER_US, sent_at_us=None, took_us=1
)
TAKEN = e.AttemptTaken(attempt=1, status="sent", sent_at_us=NOW_US, took_us=1)

MESSAGES = {
    "queued": made(),
    "scheduled": made(LATER_US),
    "sending": made(NOW_US, STARTED),
    "retrying": made(NOW_US, STARTED, FAILED),
    "held": made(NOW_US, e.MessageHeld(by="parked")),
    "sent": made(NOW_US, STARTED, TAKEN),
    "dead": made(NOW_US, STARTED, FAILED, e.MessageDead(reason="exhausted")),
    "cancelled": made(NOW_US, e.MessageCancelled(reason="requested")),
    "expired": made(NOW_US, e.MessageExpired()),
}


def test_a_scheduled_message_is_queued_once_its_time_has_come() -> None:
    """Nothing is recorded when a due instant passes, so the view looks at the clock."""
    message = made(LATER_US)
    assert shown_status(message, LATER_US - 1, ()) == ("scheduled", None)
    assert shown_status(message, LATER_US, ()) == ("queued", None)


@pytest.mark.parametrize("status", MESSAGES)
def test_a_paused_lane_holds_only_what_waits(status: str) -> None:
    """What waits for a paused lane is held by it; what is out, held for a person or ended is shown as ever."""
    message = MESSAGES[status]
    held = shown_status(message, NOW_US, {"mail"})
    if status in {"queued", "scheduled", "retrying"}:
        assert held == ("held", "lane")
    else:
        assert held == shown_status(message, NOW_US, {"another"})
        assert held[1] == ("parked" if status == "held" else None)


@given(
    message=st.sampled_from(list(MESSAGES.values())),
    now_us=st.sampled_from([NOW_US, LATER_US]),
    paused=st.sampled_from([frozenset[str](), frozenset({"mail"})]),
    others=st.sets(st.sampled_from(sorted(MESSAGES))),
)
def test_a_filter_finds_whatever_is_shown_so(
    message: Message, now_us: int, paused: frozenset[str], others: set[str]
) -> None:
    """The statuses that a filter reads from the log cover every message that is then shown as one of those wanted."""
    shown, _ = shown_status(message, now_us, paused)
    assert message.status in stored_statuses({shown, *others})


def test_a_state_says_what_the_fold_says() -> None:
    """Instants, counts and the provider's last words reach people as the log has them."""
    state = message_state(MESSAGES["retrying"], NOW_US, ())
    assert (state.attempts, state.due_us, state.code, state.cancel_requested) == (1, LATER_US, "451", False)
    asked = message_state(made(NOW_US, STARTED, e.CancelRequested(reason="requested")), NOW_US, ())
    assert (asked.status, asked.cancel_requested) == ("sending", True)
