"""Answers for the story of a message: every event has a sentence, read from the form that the API gives."""

from typing import cast

import msgspec
import pytest

from adapters.cli.printing import span
from adapters.cli.story import told as story_of
from adapters.web.telling import told
from core import events as e
from core.message import ALLOWED
from core.outcomes import Ambiguous, Rate, Transient
from core.records import Recorded

AT_US = 1_769_760_000_000_000
SECOND_US = 1_000_000
STATE = {
    "id": "msg_0000000000001",
    "channel": "email",
    "lane": "mail",
    "tenant": "org1",
    "conversation": "conv_0000000000001",
    "status": "sent",
    "attempts": 1,
    "held_by": None,
    "due": None,
    "reference": None,
    "reconciling_until": None,
    "owes_fallback": False,
}

SAID: list[tuple[e.Event, str]] = [
    (
        e.MessageAccepted(channel="email", lane="mail", conversation=1, due_us=AT_US + 90 * SECOND_US),
        "Accepted, due 2026-01-30 08:01:30.000.",
    ),
    (e.AttemptStarted(attempt=2, lane="mail", policy_version=1, deadline_us=AT_US), "Attempt 2 began on lane mail."),
    (
        e.AttemptStarted(attempt=2, lane="mail", policy_version=1, deadline_us=AT_US, probe=True),
        "Attempt 2 began on lane mail, as the probe of an open circuit.",
    ),
    (
        e.AttemptTaken(attempt=1, status="sent", sent_at_us=AT_US, took_us=120_000, code="250", provider_id="Q1"),
        "Attempt 1 was taken after 120 ms (250): sent. It calls the message Q1.",
    ),
    (
        e.AttemptFailed(
            attempt=1,
            outcome=Transient(code="503", detail="Service Unavailable"),
            used=True,
            due_us=AT_US + 5 * SECOND_US,
            sent_at_us=AT_US,
            took_us=SECOND_US,
        ),
        "Attempt 1 failed: transient after 1 s (503 Service Unavailable). Next try 2026-01-30 08:00:05.000, in 5 s.",
    ),
    (
        e.AttemptFailed(attempt=1, outcome=Rate(code="429"), used=False, due_us=None, sent_at_us=None, took_us=1_000),
        "Attempt 1 failed: rate after 1 ms (429). It does not count.",
    ),
    (
        e.AttemptFailed(attempt=3, outcome=Ambiguous(), used=True, due_us=None, sent_at_us=AT_US, took_us=SECOND_US),
        "Attempt 3 came to an unknown end after 1 s.",
    ),
    (
        e.AttemptAborted(attempt=1, reason="stopping", due_us=AT_US),
        "Attempt 1 was given up before anything was sent: the daemon stopped. Next try at once.",
    ),
    (
        e.AmbiguityResolved(attempt=1, resolution="resend", evidence="policy"),
        "The unknown end of attempt 1 was decided by policy: it is sent again.",
    ),
    (
        e.ReconcileStarted(attempt=1, until_us=AT_US + 120 * SECOND_US),
        "Nobody knows what became of attempt 1: evidence is awaited until 2026-01-30 08:02:00.000.",
    ),
    (
        e.AttemptProved(attempt=1, evidence="receipt", provider_id="wamid.1"),
        "Attempt 1 was taken after all: a receipt shows it. It calls the message wamid.1.",
    ),
    (
        e.AttemptProved(attempt=1, evidence="look_up"),
        "Attempt 1 was taken after all: its provider was asked.",
    ),
    (
        e.AmbiguityResolved(attempt=1, resolution="resend", evidence="policy", due_us=AT_US + 60 * SECOND_US),
        (
            "The unknown end of attempt 1 was decided by policy: it is sent again."
            " Next try 2026-01-30 08:01:00.000, in 1 min."
        ),
    ),
    (
        e.AttemptStarted(attempt=1, lane="chat", policy_version=1, deadline_us=AT_US, by_template=True),
        "Attempt 1 began on lane chat, by template, since free text is not taken now.",
    ),
    (
        e.LaneChanged(lane="green", due_us=AT_US, reason="failed"),
        "Goes on in lane green, since its attempt came to nothing: next try at once.",
    ),
    (
        e.LaneChanged(lane="green", due_us=AT_US, reason="down"),
        "Goes on in lane green, since its lane lets nothing out: next try at once.",
    ),
    (e.ReceiptSeen(status="read", attempt=1), "Its provider tells of it: read."),
    (
        e.ReceiptSeen(status="failed", attempt=1, told_us=AT_US, code="131026"),
        "Its provider tells of it: failed (131026), as of 2026-01-30 08:00:00.000.",
    ),
    (e.FallbackStarted(message=1, channel="email"), "msg_0000000000001 took its place, through email."),
    (
        e.FallbackRefused(code="invalid:/fallback/0"),
        "What should have taken its place cannot be accepted (invalid:/fallback/0).",
    ),
    (e.EndTold(status="failed"), "Its push has heard of it: failed."),
    (
        e.MessageDeferred(due_us=AT_US + 3_600 * SECOND_US, reason="quiet_hours"),
        "Deferred by quiet hours until 2026-01-30 09:00:00.000.",
    ),
    (e.MessageHeld(by="parked"), "Held: it failed too often to let others wait behind it."),
    (e.MessageReleased(due_us=AT_US), "Released by a person, next try at once."),
    (e.MessageSetAside(), "Set aside: it goes on, and others no longer wait behind it."),
    (e.MessageRescheduled(due_us=AT_US), "Moved to 2026-01-30 08:00:00.000."),
    (e.MessageRedriven(due_us=AT_US), "Redriven: its schedule begins anew, next try at once."),
    (
        e.MessageRedriven(due_us=AT_US, job=1),
        "Redriven by redrive_0000000000001: its schedule begins anew, next try at once.",
    ),
    (e.CancelRequested(reason="requested"), "A cancel came while an attempt was out (requested)."),
    (
        e.CancelRequested(reason="erased"),
        "A cancel came while an attempt was out (whoever it was for is forgotten).",
    ),
    (e.MessageCancelled(reason="requested"), "Cancelled (requested)."),
    (e.MessageCancelled(reason="fallback"), "Cancelled (the time of its fallback has come)."),
    (e.MessageCancelled(reason="erased"), "Cancelled (whoever it was for is forgotten)."),
    (e.MessageExpired(), "Expired before it could be delivered."),
    (e.MessageDead(reason="exhausted"), "A dead letter: every attempt of its schedule is used up."),
    (
        e.MessageDead(reason="suppressed"),
        "A dead letter: its address is dead, or its owner wants no such messages.",
    ),
]


def story(event: e.Event, state: dict[str, object] | None = None, *, cause: int = 0) -> list[str]:
    """The lines of a story of one event, as the API gives it."""
    recorded = Recorded(
        stream=1, version=1, shard=0, seq=1, at_us=AT_US, tenant="org1", cause=cause, event=event, link=b""
    )
    outside = msgspec.json.decode(msgspec.json.encode(told(recorded, "email")))
    return list(story_of({**STATE, **(state or {})}, [cast("dict[str, object]", outside)]))


@pytest.mark.parametrize(("event", "sentence"), SAID, ids=[sentence for _, sentence in SAID])
def test_each_event_is_told_in_one_sentence(event: e.Event, sentence: str) -> None:
    """Each event of a message reads as one plain sentence with its instant in front."""
    assert story(event)[3] == f"2026-01-30 08:00:00.000  {sentence}"


def test_a_story_names_what_it_came_of() -> None:
    """What caused a message, and what its sender calls it, stand where it is told of first."""
    event = e.MessageAccepted(channel="email", lane="mail", conversation=1, due_us=AT_US, caused_by="hook")
    lines = story(event, {"reference": "event42"}, cause=1)
    assert lines[1] == "tenant org1, conv_0000000000001, reference event42; times are UTC"
    assert lines[3] == "2026-01-30 08:00:00.000  Accepted, due at once, caused by hook_0000000000001."


def test_no_event_of_a_message_is_left_without_words() -> None:
    """Every event that may follow in a message's life has a sentence of its own."""
    assert {type(event) for event, _ in SAID} == {e.MessageAccepted, *ALLOWED}


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({"status": "sent", "attempts": 1}, "Now: sent after 1 attempt."),
        ({"status": "dead", "attempts": 4}, "Now: dead after 4 attempts."),
        ({"status": "sending", "attempts": 2}, "Now: its attempt 2 is out."),
        (
            {"status": "scheduled", "attempts": 0, "due": "2026-01-30T08:01:30Z"},
            "Now: scheduled after no attempt, due 2026-01-30 08:01:30.000.",
        ),
        ({"status": "held", "attempts": 0, "held_by": "lane"}, "Now: held after no attempt, since its lane is paused."),
        ({"status": "read", "attempts": 1}, "Now: read after 1 attempt."),
        ({"status": "failed", "attempts": 1}, "Now: failed after 1 attempt."),
        (
            {"status": "retrying", "attempts": 1, "reconciling_until": "2026-01-30T08:02:00Z"},
            "Now: in doubt after 1 attempt, and evidence is awaited until 2026-01-30 08:02:00.000.",
        ),
        (
            {"status": "dead", "attempts": 4, "owes_fallback": True},
            "Now: dead after 4 attempts, and what takes its place is about to be accepted.",
        ),
    ],
)
def test_a_story_ends_with_how_things_stand(state: dict[str, object], sentence: str) -> None:
    """The last line says what the message waits for, or what became of it."""
    assert story(e.MessageExpired(), state)[-1] == sentence


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.0004, "1 ms"),
        (0.12, "120 ms"),
        (1.5, "1.5 s"),
        (90, "2 min"),
        (7_200, "2 h"),
        (9_000, "2 h 30 min"),
        (864_000, "10 days"),
    ],
)
def test_a_length_of_time_is_said_as_people_say_it(seconds: float, words: str) -> None:
    """Milliseconds below a second, then seconds, minutes, hours and days."""
    assert span(seconds) == words
