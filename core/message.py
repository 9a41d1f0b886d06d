"""The life of one message: which event may follow in which state, and the fold over them.

This file answers for the explicit transition table and for `evolve`. It decides nothing: the events were decided
before (conversation.py) and are the truth here. A chain of events that the table does not know raises Impossible.
"""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from core import events as e
from core.errors import Impossible
from core.message_state import (
    CONCLUDED,
    FALLBACK_DUE,
    OPEN,
    RANK,
    TAKEN,
    UNDELIVERED,
    WAITING,
    Message,
    Status,
    Told,
)
from core.outcomes import Config, is_fault
from core.records import Head, Recorded

__all__ = ["CONCLUDED", "FALLBACK_DUE", "OPEN", "TAKEN", "UNDELIVERED", "WAITING", "Message", "Status"]

# What each event asks of the state before it. The new status follows from the event itself (see _NEXT and evolve).
ALLOWED: Final[dict[type[e.Event], frozenset[str]]] = {
    e.AttemptStarted: WAITING,
    e.AttemptTaken: frozenset({"sending"}),
    e.AttemptFailed: frozenset({"sending"}),
    e.AttemptAborted: frozenset({"sending"}),
    e.ReconcileStarted: frozenset({"retrying"}),
    e.AttemptProved: WAITING | {"held"},
    e.AmbiguityResolved: frozenset({"retrying", "held"}),
    e.MessageDeferred: WAITING,
    e.MessageHeld: WAITING,
    e.MessageReleased: frozenset({"held"}),
    e.MessageSetAside: frozenset({"retrying"}),
    e.MessageRescheduled: frozenset({"queued", "scheduled"}),
    e.MessageRedriven: frozenset({"dead"}),
    e.CancelRequested: frozenset({"sending"}),
    e.MessageCancelled: WAITING | {"held"},
    e.MessageExpired: WAITING | {"held"},
    e.MessageDead: WAITING | {"held"},
    e.LaneChanged: WAITING,
    e.ReceiptSeen: OPEN | CONCLUDED,
    # Its provider may tell of success while its fallback is being accepted, which then is a fact all the same.
    e.FallbackStarted: TAKEN | {"dead", "cancelled", "expired"},
    e.FallbackRefused: UNDELIVERED,
    e.EndTold: UNDELIVERED | {"delivered", "read"},
}


def fold(recorded: Sequence[Recorded]) -> Message:
    """The message that its recorded events, in order from version 1, come to."""
    first = recorded[0]
    message = accepted(first.stream, first.at_us, first.tenant, first.event, cause=first.cause)
    for entry in recorded[1:]:
        message = evolve(message, entry.event, entry.at_us)
    return message


def accepted(stream: int, at_us: int, tenant: str, event: e.Event, *, cause: int = 0) -> Message:
    """The message right after its first event; `cause` is the stream that led to it, 0 where none did."""
    if not isinstance(event, e.MessageAccepted):
        raise Impossible(f"stream {stream} begins with {type(event).__name__}, expected MessageAccepted")
    return Message(
        id=stream,
        tenant=tenant,
        channel=event.channel,
        lane=event.lane,
        conversation=event.conversation,
        host=event.host,
        order=event.order,
        priority=event.priority,
        on_ambiguous=event.on_ambiguous,
        policy=event.policy,
        zone=event.zone,
        accepted_us=at_us,
        round_us=at_us,
        first_due_us=event.due_us,
        due_us=event.due_us,
        expires_us=event.expires_us,
        commitment=event.commitment,
        status="scheduled" if event.due_us > at_us else "queued",
        changed_us=at_us,
        cause=cause,
        caused_by=event.caused_by,
        lanes=event.lanes,
        fallbacks=event.fallbacks,
        fallback_by_us=event.fallback_by_us,
        has_template=event.has_template,
        marketing=event.marketing,
        fans_out=event.fans_out,
        is_part=event.is_part,
    )


def evolve(message: Message, event: e.Event, at_us: int) -> Message:
    """The message after one more event, recorded at `at_us`."""
    allowed = ALLOWED.get(type(event))
    if allowed is None or message.status not in allowed:
        raise Impossible(
            f"message {message.id} version {message.version + 1}: {type(event).__name__} cannot follow status"
            f" {message.status}, expected one of {sorted(allowed or ())}"
        )
    return replace(message, version=message.version + 1, changed_us=at_us, **_changes(message, event, at_us))


def _changes(message: Message, event: e.Event, at_us: int) -> dict[str, object]:  # A line an event.
    match event:
        case e.AttemptStarted():
            return _started(message, event, at_us)
        case e.AttemptTaken():
            return _taken(message, event)
        case e.AttemptFailed():
            return _failed(message, event, at_us)
        case e.AttemptAborted():
            return {"status": _resting(message), "in_flight": 0, "due_us": event.due_us}
        case e.ReconcileStarted():
            return {"doubt_us": event.until_us, "doubted_us": at_us}
        case e.AttemptProved():
            return _proved(message, event)
        case e.AmbiguityResolved():
            return {"doubt_us": None} if event.due_us is None else {"doubt_us": None, "due_us": event.due_us}
        case e.MessageDeferred():
            return {"due_us": event.due_us}
        case e.MessageHeld():
            return {"status": "held", "due_us": None, "held_by": event.by}
        case e.MessageReleased():
            return _released(message, event)
        case e.MessageSetAside():
            return {"aside": True}
        case e.MessageRescheduled():
            status = "scheduled" if event.due_us > at_us else "queued"
            zone = message.zone if event.zone is None else event.zone
            return {"status": status, "first_due_us": event.due_us, "due_us": event.due_us, "zone": zone}
        case e.MessageRedriven():
            return _redriven(event, at_us)
        case e.CancelRequested():
            return {"cancel": event.reason}
        case e.LaneChanged():
            return {"lane": event.lane, "due_us": event.due_us}
        case e.ReceiptSeen():
            return _told(message, event, at_us)
        case e.FallbackStarted():
            return {"fallback": event.message, "fallbacks": 0}
        case e.FallbackRefused():
            return {"fallbacks": 0}
        case e.EndTold():
            return {"end_told": event.status}
        case _:
            return _ended(event)


def _started(message: Message, event: e.AttemptStarted, at_us: int) -> dict[str, object]:
    tried_in = message.tried_in
    if message.lanes:
        tried_in = (*(tried for tried in tried_in if tried[0] != event.lane), (event.lane, event.attempt))
    return {
        "tried_in": tried_in,
        "status": "sending",
        "lane": event.lane,
        "attempt": event.attempt,
        "in_flight": event.attempt,
        "started_us": at_us,
        "deadline_us": event.deadline_us,
        "probe": event.probe,
        "by_template": event.by_template,
        "doubt_us": None,
        "due_us": None,
    }


def _taken(message: Message, event: e.AttemptTaken) -> dict[str, object]:
    return {
        **_standing(message.told, event.status, event.code),
        "in_flight": 0,
        "due_us": None,
        "detail": "",
        "taken_as": event.status,
        "taken_code": event.code,
        "provider_id": event.provider_id or message.provider_id,
    }


def _proved(message: Message, event: e.AttemptProved) -> dict[str, object]:
    return {
        **_standing(message.told, "sent", event.code),
        "due_us": None,
        "doubt_us": None,
        "held_by": None,
        "detail": "",
        "taken_as": "sent",
        "taken_code": event.code,
        "provider_id": event.provider_id or message.provider_id,
    }


def _told(message: Message, event: e.ReceiptSeen, at_us: int) -> dict[str, object]:
    told = Told(status=event.status, at_us=at_us, attempt=event.attempt, code=event.code)
    receipts = (*message.receipts, told)
    changes: dict[str, object] = {"receipts": receipts, "provider_id": message.provider_id or event.provider_id}
    if message.status in TAKEN:
        furthest = replace(message, receipts=receipts).told
        changes |= _standing(furthest, message.taken_as, message.taken_code)
    return changes


def _standing(told: Told | None, taken_as: Status, taken_code: str) -> dict[str, object]:
    """Where a taken message stands: as far as its receipts raise it, whether they came before the answer or after."""
    if told is None or RANK[told.status] <= RANK[taken_as]:
        return {"status": taken_as, "code": taken_code, "reason": ""}
    if told.status == "failed":
        return {"status": "failed", "code": told.code, "reason": "failed"}
    return {"status": told.status, "code": taken_code, "reason": ""}


def _failed(message: Message, event: e.AttemptFailed, at_us: int) -> dict[str, object]:
    return {
        "status": "retrying",
        "in_flight": 0,
        "due_us": event.due_us,
        "used": message.used + event.used,
        "faults": message.faults + 1 if is_fault(event.outcome) else 0,
        "failing_us": message.failing_us if message.failing_us is not None and not message.excused else at_us,
        "excused": isinstance(event.outcome, Config),
        "code": event.outcome.code,
        "detail": event.outcome.detail,
    }


def _released(message: Message, event: e.MessageReleased) -> dict[str, object]:
    # The time that it was held counts for nothing: else one that a person kept for a week would be given up at once.
    return {
        "status": _resting(message),
        "due_us": event.due_us,
        "held_by": None,
        "faults": 0,
        "failing_us": None,
        "excused": False,
    }


def _redriven(event: e.MessageRedriven, at_us: int) -> dict[str, object]:
    return {
        "status": "queued",
        "round_us": at_us,
        "first_due_us": event.due_us,
        "due_us": event.due_us,
        "used": 0,
        "faults": 0,
        "failing_us": None,
        "excused": False,
        "aside": False,
        "cancel": None,
        "reason": "",
        "is_redriven": True,
    }


def _ended(event: e.Event) -> dict[str, object]:
    match event:
        case e.MessageCancelled():
            status, reason = "cancelled", event.reason
        case e.MessageExpired():
            status, reason = "expired", "expired"
        case e.MessageDead():
            status, reason = "dead", event.reason
        case _:
            raise Impossible(f"{type(event).__name__} is no event of a message")
    return {"status": status, "due_us": None, "doubt_us": None, "held_by": None, "reason": reason}


def _resting(message: Message) -> Status:
    return "retrying" if message.failing_us is not None else "queued"


def head_of(message: Message, shard: int) -> Head:
    """The head row that mirrors a message: a pure function of its fold, so that heads can be rebuilt from the log."""
    return Head(
        stream=message.id,
        kind="msg",
        shard=shard,
        tenant=message.tenant,
        version=message.version,
        status=message.status,
        channel=message.channel,
        lane=message.lane,
        conversation=message.conversation,
        priority=message.priority,
        host=message.host,
        due_us=message.agenda_us if message.status in WAITING else None,
        line=message.line,
        place=message.place,
        attempts=message.attempt,
        accepted_us=message.accepted_us,
        changed_us=message.changed_us,
        # Whatever a provider says, a row can hold it: PostgreSQL's texts have no NUL.
        code=message.code.replace("\x00", ""),
        cause=message.cause,
        owes=message.owes,
        ends_us=message.ends_us if message.status in WAITING else None,
    )
