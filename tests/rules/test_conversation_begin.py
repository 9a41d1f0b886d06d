"""Answers for what happens to a due message before anything is sent: its end by time, a deferral, or the intent."""

from datetime import UTC, timedelta, timezone
from typing import Final

import pytest
from msgspec.structs import replace

from core import events as e
from core.message import Message
from core.outcomes import Config
from core.policies import HOUR_US, MINUTE_US, SECOND_US, Poison, Policy, QuietHours
from core.starts import Terms, begin, tidy
from tests.rules.samples import CALM, NOW_US, PLAIN, came, failed, retrying, sending, terms, then, waiting

SKIP: Final = replace(PLAIN, poison=Poison(kind="skip", skip_after_us=HOUR_US))
BRIEF: Final = replace(PLAIN, give_up_after_us=HOUR_US)
# Seven in the morning until nine, around NOW_US, which is eight o'clock in UTC.
QUIET: Final = replace(PLAIN, quiet_hours=QuietHours(from_minute=7 * 60, to_minute=9 * 60, zone="UTC"))
FAILING: Final = retrying(waiting())
HELD: Final = then(FAILING, e.MessageHeld(by="parked"))


@pytest.mark.parametrize(
    ("message", "policy", "after_us", "event"),
    [
        (waiting(), PLAIN, HOUR_US * 24 * 365, None),
        (waiting(expires_us=NOW_US + HOUR_US), PLAIN, HOUR_US - 1, None),
        (waiting(expires_us=NOW_US + HOUR_US), PLAIN, HOUR_US, e.MessageExpired()),
        (retrying(waiting(expires_us=NOW_US + HOUR_US)), BRIEF, HOUR_US, e.MessageExpired()),
        (FAILING, BRIEF, HOUR_US - 1, None),
        (FAILING, BRIEF, HOUR_US, e.MessageDead(reason="gave_up")),
        (waiting(), BRIEF, HOUR_US, None),
        (FAILING, SKIP, HOUR_US - 1, None),
        (FAILING, SKIP, HOUR_US, e.MessageSetAside()),
        (waiting(), SKIP, HOUR_US, None),
        (then(FAILING, e.MessageSetAside()), SKIP, HOUR_US, None),
        (retrying(waiting(order="any")), SKIP, HOUR_US, None),
        (HELD, SKIP, HOUR_US * 24 * 365, None),
        (sending(waiting(expires_us=NOW_US + HOUR_US)), PLAIN, HOUR_US * 24, None),
    ],
)
def test_what_time_alone_decides(message: Message, policy: Policy, after_us: int, event: e.Event | None) -> None:
    """Expired at its instant, given up so long after its first failure, set aside after blocking so long; else nothing.

    What is held waits for a person, and what is being sent for its answer.
    """
    assert tidy(message, policy, NOW_US + after_us) == (() if event is None else (event,))


def test_nobody_counts_how_long_our_own_set_up_was_broken() -> None:
    """One that failed, then waited for a mended account, is tried again; its time begins with the next failure."""
    attempt = sending(FAILING)
    broken = then(attempt, failed(attempt, Config(code="190"), used=False))
    week_us = NOW_US + 9 * 24 * HOUR_US
    for policy in (BRIEF, SKIP):
        assert tidy(broken, policy, week_us) == ()
    again = retrying(broken, at_us=week_us)
    assert tidy(again, BRIEF, week_us + HOUR_US - 1) == ()
    assert tidy(again, BRIEF, week_us + HOUR_US) == (e.MessageDead(reason="gave_up"),)


def test_the_end_comes_before_stepping_aside() -> None:
    """A message whose time is over ends, whatever else it could do."""
    both = replace(SKIP, give_up_after_us=HOUR_US)
    assert tidy(FAILING, both, NOW_US + HOUR_US) == (e.MessageDead(reason="gave_up"),)


def test_a_released_message_is_not_given_up_at_once() -> None:
    """However long a person kept a message, its release is followed by a try."""
    released = then(HELD, e.MessageReleased(due_us=NOW_US + 9 * HOUR_US), at_us=NOW_US + 9 * HOUR_US)
    assert tidy(released, BRIEF, NOW_US + 9 * HOUR_US) == ()


def test_the_intent_names_what_decided_it() -> None:
    """Attempt number, lane, policy version and an absolute deadline, all of them durable before a byte leaves."""
    event = begin(CALM, FAILING, replace(terms(), version=7), NOW_US)
    assert event == e.AttemptStarted(
        attempt=2, lane="calls", policy_version=7, deadline_us=NOW_US + 30 * SECOND_US, probe=False
    )


def test_an_attempt_through_an_open_circuit_is_the_probe() -> None:
    """What goes out while the circuit is not closed says that it is the one that asks."""
    half_open = came(CALM, e.CircuitOpened(until_us=NOW_US, streak=3, openings=1))
    event = begin(half_open, FAILING, terms(), NOW_US)
    assert isinstance(event, e.AttemptStarted)
    assert event.probe


def test_quiet_hours_defer_to_their_end() -> None:
    """Nothing is dropped and no attempt is used: the message is due when the recipient's night is over."""
    event = begin(CALM, waiting(), terms(QUIET), NOW_US)
    assert event == e.MessageDeferred(due_us=NOW_US + HOUR_US, reason="quiet_hours")
    deferred = then(waiting(), event)
    assert (deferred.status, deferred.attempt, deferred.used) == ("queued", 0, 0)
    assert isinstance(begin(CALM, deferred, terms(QUIET), NOW_US + HOUR_US), e.AttemptStarted)


@pytest.mark.parametrize(("east_of_utc_h", "wait_us"), [(0, HOUR_US), (-1, 2 * HOUR_US), (2, 0), (1, 0)])
def test_quiet_hours_go_by_the_recipients_zone(east_of_utc_h: int, wait_us: int) -> None:
    """At one instant it is night for one recipient and day for another."""
    zone = timezone(timedelta(hours=east_of_utc_h)) if east_of_utc_h else UTC
    event = begin(CALM, waiting(), Terms(policy=QUIET, version=1, zone=zone), NOW_US)
    if wait_us:
        assert event == e.MessageDeferred(due_us=NOW_US + wait_us, reason="quiet_hours")
    else:
        assert isinstance(event, e.AttemptStarted)


def test_quiet_hours_hold_retries_as_well() -> None:
    """A retry that falls into the night waits like a first send, and stays a retry."""
    event = begin(CALM, FAILING, terms(QUIET), NOW_US + 59 * MINUTE_US)
    assert event == e.MessageDeferred(due_us=NOW_US + HOUR_US, reason="quiet_hours")
    assert then(FAILING, event).status == "retrying"
