"""Answers for the life of a message: what may follow what, where it leads, and what the head row then says."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import events as e
from core.errors import Impossible
from core.message import CONCLUDED, OPEN, WAITING, Message, Status, accepted, evolve, fold, head_of
from core.outcomes import Ambiguous, Rate, Transient
from core.policies import SECOND_US
from core.records import FIFO_LINE, LOOSE_LINE, Recorded
from tests.rules.samples import NOW_US, TENANT, failed, retrying, sending, start, taken, then, waiting

LATER_US: Final = NOW_US + 60 * SECOND_US

_flying = sending(waiting())
_retrying = retrying(waiting())


def _told(status: e.ReceiptStatus) -> e.ReceiptSeen:
    return e.ReceiptSeen(status=status, attempt=1)


# A message in each status, by the shortest way there.
STATES: Final[dict[Status, Message]] = {
    "queued": waiting(),
    "scheduled": waiting(due_us=LATER_US),
    "sending": _flying,
    "retrying": _retrying,
    "held": then(_retrying, e.MessageHeld(by="parked")),
    "sent": then(_flying, e.AttemptTaken(attempt=1, status="sent", sent_at_us=NOW_US, took_us=7)),
    "delivered": then(_flying, taken(_flying)),
    "read": then(_flying, taken(_flying), _told("read")),
    "failed": then(_flying, e.AttemptTaken(attempt=1, status="sent", sent_at_us=NOW_US, took_us=7), _told("failed")),
    "dead": then(_retrying, e.MessageDead(reason="exhausted")),
    "cancelled": then(waiting(), e.MessageCancelled(reason="requested")),
    "expired": then(waiting(), e.MessageExpired()),
}

EVENTS: Final[dict[str, e.Event]] = {
    "started": start(waiting()),
    "taken": taken(_flying),
    "sent": e.AttemptTaken(attempt=1, status="sent", sent_at_us=NOW_US, took_us=7),
    "failed": failed(_flying),
    "aborted": e.AttemptAborted(attempt=1, reason="stopping", due_us=NOW_US),
    "resolved": e.AmbiguityResolved(attempt=1, resolution="resend", evidence="policy"),
    "deferred": e.MessageDeferred(due_us=LATER_US, reason="quiet_hours"),
    "held": e.MessageHeld(by="unknown"),
    "released": e.MessageReleased(due_us=NOW_US),
    "set aside": e.MessageSetAside(),
    "moved": e.MessageRescheduled(due_us=LATER_US),
    "moved to now": e.MessageRescheduled(due_us=NOW_US),
    "redriven": e.MessageRedriven(due_us=NOW_US),
    "cancel asked": e.CancelRequested(reason="requested"),
    "cancelled": e.MessageCancelled(reason="requested"),
    "expired": e.MessageExpired(),
    "dead": e.MessageDead(reason="gave_up"),
    "doubted": e.ReconcileStarted(attempt=1, until_us=LATER_US),
    "proved": e.AttemptProved(attempt=1, evidence="receipt"),
    "elsewhere": e.LaneChanged(lane="other", due_us=NOW_US, reason="down"),
    "told sent": _told("sent"),
    "told delivered": _told("delivered"),
    "told read": _told("read"),
    "told failed": _told("failed"),
    "fallback": e.FallbackStarted(message=9, channel="email"),
    "no fallback": e.FallbackRefused(code="content_gone"),
    "end told": e.EndTold(status="failed"),
}

_TOLD: Final = ("told sent", "told delivered", "told read", "told failed")

# Where each event leads from each status that allows it. What is not here is impossible.
LEADS: Final[dict[Status, dict[str, Status]]] = {
    "queued": {
        "started": "sending",
        "deferred": "queued",
        "held": "held",
        "moved": "scheduled",
        "moved to now": "queued",
        "cancelled": "cancelled",
        "expired": "expired",
        "dead": "dead",
    },
    "scheduled": {
        "started": "sending",
        "deferred": "scheduled",
        "held": "held",
        "moved": "scheduled",
        "moved to now": "queued",
        "cancelled": "cancelled",
        "expired": "expired",
        "dead": "dead",
    },
    "sending": {
        "taken": "delivered",
        "sent": "sent",
        "failed": "retrying",
        "aborted": "queued",
        "cancel asked": "sending",
    },
    "retrying": {
        "started": "sending",
        "deferred": "retrying",
        "resolved": "retrying",
        "held": "held",
        "set aside": "retrying",
        "cancelled": "cancelled",
        "expired": "expired",
        "dead": "dead",
    },
    "held": {
        "resolved": "held",
        "released": "retrying",
        "cancelled": "cancelled",
        "expired": "expired",
        "dead": "dead",
    },
    "dead": {"redriven": "queued", "fallback": "dead", "no fallback": "dead"},
    "sent": {"told delivered": "delivered", "told read": "read", "told failed": "failed", "fallback": "sent"},
    "delivered": {"told read": "read", "fallback": "delivered"},
    "read": {"fallback": "read"},
    "failed": {
        "told delivered": "delivered",
        "told read": "read",
        "fallback": "failed",
        "no fallback": "failed",
    },
    "cancelled": {"fallback": "cancelled", "no fallback": "cancelled"},
    "expired": {"fallback": "expired", "no fallback": "expired"},
}
_waiting: Final[tuple[Status, ...]] = ("queued", "scheduled", "retrying")
for _status in _waiting:
    LEADS[_status]["elsewhere"] = _status
    LEADS[_status]["proved"] = "sent"
LEADS["held"]["proved"] = "sent"
LEADS["retrying"]["doubted"] = "retrying"
_heard: Final[tuple[Status, ...]] = ("dead", "cancelled", "expired", "failed", "delivered", "read")
for _status in _heard:
    LEADS[_status]["end told"] = _status
for _before, _leads in LEADS.items():
    for _name in _TOLD:
        # A receipt is recorded whenever it comes; it raises what is taken, and nothing else.
        _leads.setdefault(_name, _before)


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("status", STATES)
def test_every_event_in_every_status(status: Status, name: str) -> None:
    """An event leads where the table says, or it is impossible there and says what was expected."""
    before, event = STATES[status], EVENTS[name]
    assert before.status == status
    expected = LEADS[status].get(name)
    if expected is None:
        with pytest.raises(Impossible, match=f"cannot follow status {status}"):
            evolve(before, event, NOW_US)
        return
    after = evolve(before, event, NOW_US)
    assert (after.status, after.version, after.changed_us) == (expected, before.version + 1, NOW_US)


def test_statuses_fall_into_open_and_concluded() -> None:
    """A message is open or concluded, never both, and only an open one has an attempt, a due instant or a hold."""
    assert set(STATES) == OPEN | CONCLUDED
    assert not OPEN & CONCLUDED
    for status, message in STATES.items():
        assert message.is_open == (status in OPEN)
        assert bool(message.in_flight) == (status == "sending")
        assert (message.due_us is not None) == (status in WAITING)
        assert (message.held_by is not None) == (status == "held")


def test_events_of_others_are_impossible() -> None:
    """What belongs to a conversation, a lane or the installation cannot happen to a message, nor can a second birth."""
    for event in (e.CircuitClosed(by="probe"), e.LaneResumed(), e.DaemonStopped(boot=1)):
        with pytest.raises(Impossible, match=type(event).__name__):
            evolve(waiting(), event, NOW_US)
    again = e.MessageAccepted(channel="webhook", lane="calls", conversation=1, due_us=NOW_US)
    with pytest.raises(Impossible, match="MessageAccepted cannot follow"):
        evolve(waiting(), again, NOW_US)


def test_a_stream_begins_with_its_acceptance() -> None:
    """Nothing else can be the first event of a message."""
    with pytest.raises(Impossible, match="begins with MessageExpired, expected MessageAccepted"):
        accepted(1, NOW_US, TENANT, e.MessageExpired())


def test_folding_is_evolving_one_by_one() -> None:
    """The fold over what was recorded is the state that the events were decided on."""
    flying = sending(waiting(), at_us=NOW_US + 1)
    first = e.MessageAccepted(channel="webhook", lane="calls", conversation=900, due_us=NOW_US)
    events = (first, start(waiting(), at_us=NOW_US + 1), failed(flying, due_us=LATER_US))
    recorded = [
        Recorded(
            stream=1, version=n, shard=0, seq=n, at_us=NOW_US + n - 1, tenant=TENANT, cause=0, event=event, link=b""
        )
        for n, event in enumerate(events, 1)
    ]
    assert fold(recorded) == then(flying, events[2], at_us=NOW_US + 2)


def test_attempts_are_counted_and_used_ones_apart() -> None:
    """A limiter's refusal uses up none of the schedule, and faults in a row end with any other answer."""
    message = waiting()
    counted = []
    for outcome, used in ((Transient(), True), (Ambiguous(), True), (Rate(), False), (Transient(), True)):
        message = sending(message)
        message = then(message, failed(message, outcome, used=used))
        counted.append((message.attempt, message.used, message.faults))
    assert counted == [(1, 1, 1), (2, 2, 2), (3, 2, 0), (4, 3, 1)]


def test_failing_begins_with_the_first_failure_and_stays() -> None:
    """How long a message has been failing counts from its first failure in this round, whatever follows."""
    first = retrying(waiting(), at_us=NOW_US)
    assert retrying(first, at_us=LATER_US).failing_us == NOW_US


def test_a_stop_between_attempts_changes_nothing_but_the_due_instant() -> None:
    """An aborted attempt leaves a message as it was: queued before its first failure, retrying after it."""
    aborted = e.AttemptAborted(attempt=1, reason="stopping", due_us=LATER_US)
    untried = then(_flying, aborted)
    assert (untried.status, untried.used, untried.due_us, untried.in_flight) == ("queued", 0, LATER_US, 0)
    limited = sending(waiting())
    limited = sending(then(limited, failed(limited, Rate(), used=False)))
    assert then(limited, aborted).status == "retrying"


def test_a_redrive_begins_a_new_round() -> None:
    """A redriven message has its whole schedule before it and a new place in line; its attempts go on counting."""
    aside = then(_retrying, e.MessageSetAside(), e.MessageDead(reason="gave_up"))
    again = then(aside, e.MessageRedriven(due_us=LATER_US), at_us=LATER_US)
    assert (again.used, again.faults, again.failing_us, again.aside) == (0, 0, None, False)
    assert (again.first_due_us, again.due_us, again.round_us, again.attempt) == (LATER_US, LATER_US, LATER_US, 1)
    assert again.reason == ""


def test_a_release_begins_to_count_anew() -> None:
    """A released message keeps its place and what it used up, but neither its faults in a row nor its failing time."""
    released = then(STATES["held"], e.MessageReleased(due_us=LATER_US), at_us=LATER_US)
    assert (released.faults, released.failing_us, released.held_by) == (0, None, None)
    assert (released.used, released.first_due_us, released.due_us) == (1, NOW_US, LATER_US)


def test_a_moved_message_moves_its_place() -> None:
    """Before its first attempt the first due instant follows; a deferral later on moves only the next one."""
    moved = then(waiting(), e.MessageRescheduled(due_us=LATER_US))
    assert (moved.first_due_us, moved.due_us) == (LATER_US, LATER_US)
    deferred = then(waiting(), e.MessageDeferred(due_us=LATER_US, reason="quiet_hours"))
    assert (deferred.first_due_us, deferred.due_us) == (NOW_US, LATER_US)
    elsewhere = then(waiting(), e.MessageRescheduled(due_us=LATER_US, zone="Asia/Jerusalem"))
    assert (elsewhere.zone, then(elsewhere, e.MessageRescheduled(due_us=LATER_US)).zone) == (*["Asia/Jerusalem"] * 2,)


def test_the_line_a_message_stands_in() -> None:
    """Fifo unless its order is any, or until it was set aside."""
    assert waiting().line == FIFO_LINE
    assert waiting(order="any").line == LOOSE_LINE
    assert then(_retrying, e.MessageSetAside()).line == LOOSE_LINE


@pytest.mark.parametrize("status", STATES)
def test_the_head_mirrors_the_message(status: Status) -> None:
    """Only what waits is on the agenda, and only what waits or is being sent has a place in its line."""
    message = STATES[status]
    head = head_of(message, 7)
    assert (head.status, head.version, head.shard, head.attempts) == (status, message.version, 7, message.attempt)
    assert head.due_us == (message.due_us if status in WAITING else None)
    assert (head.place is not None) == (status in WAITING | {"sending"})


def test_the_agenda_knows_the_end_of_a_messages_time() -> None:
    """A retry that will expire before it is due is looked at when it expires, by whoever reads the log."""
    brief = waiting(expires_us=LATER_US)
    assert head_of(brief, 7).due_us == NOW_US
    assert head_of(retrying(brief, due_us=LATER_US - 1), 7).due_us == LATER_US - 1
    assert head_of(retrying(brief, due_us=LATER_US + 1), 7).due_us == LATER_US


def test_places_order_a_line() -> None:
    """In fifo the first due instant holds through retries; a loose line goes by due instant, what is sending first."""
    kept = retrying(waiting(), due_us=LATER_US)
    assert [m.place for m in (waiting(), _flying, kept)] == [NOW_US, NOW_US, NOW_US]
    loose = waiting(order="any")
    assert loose.place == NOW_US
    assert sending(loose).place == 0
    assert retrying(loose, due_us=LATER_US).place == LATER_US


@given(names=st.lists(st.sampled_from(sorted(EVENTS)), max_size=30))
def test_a_message_concludes_once(names: list[str]) -> None:
    """Whatever is thrown at it, a concluded message stays concluded, unless a dead one is redriven.

    Receipts may raise it, and its fallback may take its place.
    """
    message = waiting()
    for name in names:
        before = message
        try:
            message = evolve(message, EVENTS[name], NOW_US)
        except Impossible:
            assert message is before
            continue
        assert before.is_open or name == "redriven" or not message.is_open


def test_whatever_a_provider_says_fits_into_a_row() -> None:
    """A code with a NUL, which no text of PostgreSQL can have, is in the event as it came and in the head without."""
    message = then(_flying, failed(_flying, Transient(code="55\x004")))
    assert message.code == "55\x004"
    assert head_of(message, 0).code == "554"
