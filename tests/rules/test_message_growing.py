"""Answers for a message being a value to everybody but its fold, whichever way it was folded."""

import pytest
from msgspec.structs import replace

from core import events as e
from core.errors import Impossible
from core.message import Growing, Message, accepted, begun, evolve, grow
from core.message_state import grown

FIRST = e.MessageAccepted(
    channel="webhook",
    lane="calls",
    conversation=7,
    due_us=5,
    commitment=bytes(32),
    size_bytes=1,
    lanes=("calls", "more"),
)
LIFE: tuple[e.Event, ...] = (
    e.AttemptStarted(attempt=1, lane="more", policy_version=1, deadline_us=99),
    e.AttemptTaken(attempt=1, status="sent", sent_at_us=7, took_us=1, code="200", provider_id="x1"),
    e.ReceiptSeen(attempt=1, status="read"),
)


def test_a_message_that_evolves_stays_as_it_was() -> None:
    """Each event gives another message, and the one before it does not change."""
    before = accepted(1, 5, "org1", FIRST)
    started = evolve(before, LIFE[0], 6)
    assert before == accepted(1, 5, "org1", FIRST)
    assert (started.status, started.version, started.lane) == ("sending", 2, "more")
    assert (before.status, before.version, before.lane) == ("queued", 1, "calls")


def test_growing_comes_to_the_same() -> None:
    """A message that grew with its events is the one that evolved with each of them."""
    grew, evolved = begun(1, 5, "org1", FIRST, cause=3), accepted(1, 5, "org1", FIRST, cause=3)
    for at_us, event in enumerate(LIFE, 6):
        grow(grew, event, at_us)
        evolved = evolve(evolved, event, at_us)
    assert grown(grew) == evolved
    assert evolved.status == "read"


@pytest.mark.parametrize("wish", sorted({*e.MessageAccepted.__struct_fields__} & {*Message.__struct_fields__}))
def test_every_wish_arrives(wish: str) -> None:
    """A message has each single thing that its acceptance says, also where it says nothing else that is rare."""
    plain = e.MessageAccepted(
        channel="webhook", lane="calls", conversation=7, due_us=5, commitment=bytes(32), size_bytes=1
    )
    assert getattr(accepted(1, 5, "org1", replace(plain, **{wish: 9})), wish) == 9
    assert getattr(accepted(1, 5, "org1", plain), wish) == getattr(plain, wish)


def test_nobody_changes_a_message() -> None:
    """What the fold hands out is frozen, however it came to be."""
    first = accepted(1, 5, "org1", FIRST)
    for message in (first, evolve(first, LIFE[0], 6)):
        assert type(message) is Message
        with pytest.raises(AttributeError):
            setattr(message, "status", "dead")  # noqa: B010  # What the type checker refuses is tried here.
    assert Growing.__struct_fields__ == Message.__struct_fields__


def test_an_event_that_cannot_follow_changes_nothing() -> None:
    """A message that an event was refused to is as it was, also while it grows."""
    grew = begun(1, 5, "org1", FIRST, cause=0)
    with pytest.raises(Impossible, match="cannot follow status queued"):
        grow(grew, LIFE[1], 6)
    assert grown(grew) == accepted(1, 5, "org1", FIRST)
