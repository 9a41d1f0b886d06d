"""Answers for an explanation's past: which policy decided what, what ended a message, and what may still happen."""

from typing import Final

from core import events as e
from core.explain_past import conclusion_of, decisions_of
from core.outcomes import Permanent, Transient
from core.records import Recorded
from tests.rules.samples import CONVERSATION, NOW_US, TENANT

_OUT: Final = e.AttemptStarted(attempt=1, lane="calls", policy_version=7, deadline_us=NOW_US)
_TAKEN: Final = e.AttemptTaken(attempt=1, status="sent", sent_at_us=NOW_US, took_us=0)
_REFUSED: Final = e.AttemptFailed(
    attempt=1, outcome=Permanent(code="550"), used=True, due_us=None, sent_at_us=NOW_US, took_us=0
)
_FAILED: Final = e.AttemptFailed(
    attempt=1, outcome=Transient(code="503"), used=True, due_us=NOW_US, sent_at_us=NOW_US, took_us=0
)
_DEAD: Final = e.MessageDead(reason="refused")


def _recorded(stream: int, *events: e.Event, first_us: int = NOW_US) -> list[Recorded]:
    """Events of one stream, a microsecond apart."""
    return [
        Recorded(
            stream=stream, version=n, shard=0, seq=n, at_us=first_us + n, tenant=TENANT, cause=0, event=event, link=b""
        )
        for n, event in enumerate(events, 1)
    ]


def _message(*events: e.Event, fallbacks: int = 0) -> list[Recorded]:
    accepted = e.MessageAccepted(
        channel="webhook", lane="calls", conversation=CONVERSATION, due_us=NOW_US, fallbacks=fallbacks
    )
    return _recorded(1, accepted, *events)


def test_each_decision_names_the_policy_that_made_it() -> None:
    """An attempt says so itself; what follows it was decided by the version in force; acceptance by none."""
    lane = _recorded(
        9,
        e.PolicyAdopted(version=7, body=b""),
        e.PolicyAdopted(version=8, body=b""),
        first_us=NOW_US + 1,
    )
    changed = e.LaneChanged(lane="more", due_us=NOW_US, reason="failed")
    entries = _message(_OUT, _FAILED, changed, e.CancelRequested(reason="x"))[:4]
    entries += _recorded(1, _OUT)[:1]
    versions = [one.policy_version for one in decisions_of(entries, {"calls": lane})]
    assert versions == [None, 7, 8, 8, 7]
    assert [one.policy_version for one in decisions_of(_message(_OUT, _FAILED), {})] == [None, 7, None]


def test_what_ended_a_message_is_found() -> None:
    """The event that concluded it last: not one before a redrive, nor a receipt after the end."""
    told = e.ReceiptSeen(status="delivered", attempt=1)
    ended = conclusion_of(_message(_OUT, _TAKEN, told), has_receipts=True, may_redrive=False)
    assert ended is not None
    assert ended.event.event == _TAKEN
    assert ended.may_still == ("receipt",)
    again = _message(_OUT, _REFUSED, _DEAD, e.MessageRedriven(due_us=NOW_US))
    assert conclusion_of(again, has_receipts=True, may_redrive=False) is None
    assert conclusion_of(_message(), has_receipts=True, may_redrive=False) is None


def test_what_may_still_happen_is_told() -> None:
    """A dead letter may be redriven; one that owes its fallback gets it; of one never tried nothing is heard."""
    dead = conclusion_of(_message(_OUT, _REFUSED, _DEAD), has_receipts=False, may_redrive=True)
    assert dead is not None
    assert dead.may_still == ("redrive",)
    owing = conclusion_of(_message(_OUT, _REFUSED, _DEAD, fallbacks=1), has_receipts=True, may_redrive=False)
    assert owing is not None
    assert owing.may_still == ("fallback", "receipt")
    cancelled = conclusion_of(_message(e.MessageCancelled(reason="x")), has_receipts=True, may_redrive=False)
    assert cancelled is not None
    assert cancelled.may_still == ()
