"""The life of one message: which event may follow in which state, and the fold over them.

This file answers for the explicit transition table and for the fold. It decides nothing: the events were decided
before (conversation.py) and are the truth here. A chain of events that the table does not know raises Impossible.
"""

from collections.abc import Sequence
from typing import Final

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
    Growing,
    Message,
    Status,
    Told,
    growing,
    grown,
)
from core.outcomes import Config, is_fault
from core.records import Head, HeadRow, Recorded, head_from

__all__ = ["CONCLUDED", "FALLBACK_DUE", "OPEN", "TAKEN", "UNDELIVERED", "WAITING", "Growing", "Message", "Status"]

# What each event asks of the state before it. What the state becomes follows from the event itself (see `grow`).
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


# What an acceptance says that wishes for nothing but to be delivered: the order is that of `begun`.
_NO_WISHES: Final = (None, None, None, None, "", (), 0, None, False, False, False, False, None)


def fold(recorded: Sequence[Recorded]) -> Message:
    """The message that its recorded events, in order from version 1, come to."""
    first = recorded[0]
    message = begun(first.stream, first.at_us, first.tenant, first.event, cause=first.cause)
    for entry in recorded[1:]:
        grow(message, entry.event, entry.at_us)
    return grown(message)


def accepted(stream: int, at_us: int, tenant: str, event: e.Event, *, cause: int = 0) -> Message:
    """The message right after its first event; `cause` is the stream that led to it, 0 where none did."""
    return grown(begun(stream, at_us, tenant, event, cause=cause))


def evolve(message: Message, event: e.Event, at_us: int) -> Message:
    """The message after one more event, recorded at `at_us`."""
    after = growing(message)
    grow(after, event, at_us)
    return grown(after)


def begun(stream: int, at_us: int, tenant: str, event: e.Event, *, cause: int) -> Growing:
    """The same as `accepted`, for whoever goes on folding."""
    if not isinstance(event, e.MessageAccepted):
        raise Impossible(f"stream {stream} begins with {type(event).__name__}, expected MessageAccepted")
    # A call that names more than fifteen arguments makes a dict of them first, which costs more than the message: so
    # what most messages leave as it is comes afterwards.
    message = Growing(
        id=stream,
        tenant=tenant,
        channel=event.channel,
        lane=event.lane,
        conversation=event.conversation,
        order=event.order,
        priority=event.priority,
        accepted_us=at_us,
        round_us=at_us,
        changed_us=at_us,
        first_due_us=event.due_us,
        due_us=event.due_us,
        commitment=event.commitment,
        status="scheduled" if event.due_us > at_us else "queued",
        cause=cause,
    )
    # Setting a field costs several times as much as reading one, and most messages wish for none of these.
    wishes = (
        event.host, event.policy, event.zone, event.on_ambiguous, event.caused_by, event.lanes, event.fallbacks,
        event.fallback_by_us, event.has_template, event.marketing, event.fans_out, event.is_part, event.expires_us,
    )  # fmt: skip  # In two rows.
    if wishes != _NO_WISHES:
        _wish(message, event)
    return message


def _wish(message: Growing, event: e.MessageAccepted) -> None:
    message.host, message.policy, message.zone = event.host, event.policy, event.zone
    message.on_ambiguous, message.caused_by, message.lanes = event.on_ambiguous, event.caused_by, event.lanes
    message.fallbacks, message.fallback_by_us = event.fallbacks, event.fallback_by_us
    message.has_template, message.marketing = event.has_template, event.marketing
    message.fans_out, message.is_part, message.expires_us = event.fans_out, event.is_part, event.expires_us


def grow(message: Growing, event: e.Event, at_us: int) -> None:  # A few lines an event.
    """Takes a message further by one event, recorded at `at_us`. What raises Impossible has changed nothing."""
    allowed = ALLOWED.get(type(event))
    if allowed is None or message.status not in allowed:
        raise Impossible(
            f"message {message.id} version {message.version + 1}: {type(event).__name__} cannot follow status"
            f" {message.status}, expected one of {sorted(allowed or ())}"
        )
    match event:
        case e.AttemptStarted():
            _start(message, event, at_us)
        case e.AttemptTaken():
            _take(message, event)
        case e.AttemptFailed():
            _fail(message, event, at_us)
        case e.AttemptProved():
            _prove(message, event)
        case e.ReceiptSeen():
            _tell(message, event, at_us)
        case e.MessageReleased():
            _release(message, event)
        case e.MessageRescheduled():
            _reschedule(message, event, at_us)
        case e.MessageRedriven():
            _redrive(message, event, at_us)
        case e.AttemptAborted():
            message.status, message.in_flight, message.due_us = _resting(message), 0, event.due_us
        case e.ReconcileStarted():
            message.doubt_us, message.doubted_us = event.until_us, at_us
        case e.AmbiguityResolved():
            message.doubt_us = None
            message.due_us = message.due_us if event.due_us is None else event.due_us
        case e.MessageHeld():
            message.status, message.due_us, message.held_by = "held", None, event.by
        case e.LaneChanged():
            message.lane, message.due_us = event.lane, event.due_us
        case _:
            _change_little(message, event)
    message.version += 1
    message.changed_us = at_us


def _change_little(message: Growing, event: e.Event) -> None:
    match event:
        case e.MessageDeferred():
            message.due_us = event.due_us
        case e.MessageSetAside():
            message.aside = True
        case e.CancelRequested():
            message.cancel = event.reason
        case e.FallbackStarted():
            message.fallback, message.fallbacks = event.message, 0
        case e.FallbackRefused():
            message.fallbacks = 0
        case e.EndTold():
            message.end_told = event.status
        case e.MessageCancelled():
            _end(message, "cancelled", event.reason)
        case e.MessageExpired():
            _end(message, "expired", "expired")
        case e.MessageDead():
            _end(message, "dead", event.reason)
        case _:
            raise Impossible(f"{type(event).__name__} is no event of a message")


def _start(message: Growing, event: e.AttemptStarted, at_us: int) -> None:
    if message.lanes:
        others = (tried for tried in message.tried_in if tried[0] != event.lane)
        message.tried_in = (*others, (event.lane, event.attempt))
    message.status = "sending"
    message.lane = event.lane
    message.attempt = message.in_flight = event.attempt
    message.started_us = at_us
    message.deadline_us = event.deadline_us
    message.probe = event.probe
    message.by_template = event.by_template
    message.doubt_us = message.due_us = None


def _take(message: Growing, event: e.AttemptTaken) -> None:
    message.in_flight = 0
    message.due_us = None
    message.detail = ""
    message.taken_as, message.taken_code = event.status, event.code
    message.provider_id = event.provider_id or message.provider_id
    _stand(message)


def _prove(message: Growing, event: e.AttemptProved) -> None:
    message.due_us = message.doubt_us = message.held_by = None
    message.detail = ""
    message.taken_as, message.taken_code = "sent", event.code
    message.provider_id = event.provider_id or message.provider_id
    _stand(message)


def _tell(message: Growing, event: e.ReceiptSeen, at_us: int) -> None:
    told = Told(status=event.status, at_us=at_us, attempt=event.attempt, code=event.code)
    message.receipts = (*message.receipts, told)
    message.provider_id = message.provider_id or event.provider_id
    if message.status in TAKEN:
        _stand(message)


def _stand(message: Growing) -> None:
    """Where a taken message stands: as far as its receipts raise it, whether they came before the answer or after."""
    # Asked at each end, and most messages never hear anything.
    told = message.told if message.receipts else None
    message.code, message.reason = message.taken_code, ""
    if told is None or RANK[told.status] <= RANK[message.taken_as]:
        message.status = message.taken_as
    elif told.status == "failed":
        message.status, message.code, message.reason = "failed", told.code, "failed"
    else:
        message.status = told.status


def _fail(message: Growing, event: e.AttemptFailed, at_us: int) -> None:
    message.status = "retrying"
    message.in_flight = 0
    message.due_us = event.due_us
    message.used += event.used
    message.faults = message.faults + 1 if is_fault(event.outcome) else 0
    if message.failing_us is None or message.excused:
        message.failing_us = at_us
    message.excused = isinstance(event.outcome, Config)
    message.code, message.detail = event.outcome.code, event.outcome.detail


def _release(message: Growing, event: e.MessageReleased) -> None:
    message.status = _resting(message)
    message.due_us = event.due_us
    message.held_by = None
    # The time that it was held counts for nothing: else one that a person kept for a week would be given up at once.
    message.faults, message.failing_us, message.excused = 0, None, False


def _reschedule(message: Growing, event: e.MessageRescheduled, at_us: int) -> None:
    message.status = "scheduled" if event.due_us > at_us else "queued"
    message.first_due_us = message.due_us = event.due_us
    message.zone = message.zone if event.zone is None else event.zone


def _redrive(message: Growing, event: e.MessageRedriven, at_us: int) -> None:
    message.status = "queued"
    message.round_us = at_us
    message.first_due_us = message.due_us = event.due_us
    message.used = message.faults = 0
    message.failing_us = message.cancel = None
    message.excused = message.aside = False
    message.reason = ""
    message.is_redriven = True


def _end(message: Growing, status: Status, reason: str) -> None:
    message.status, message.reason = status, reason
    message.due_us = message.doubt_us = message.held_by = None


def _resting(message: Growing) -> Status:
    return "retrying" if message.failing_us is not None else "queued"


def head_of(message: Growing, shard: int) -> Head:
    """The head row that mirrors a message: a pure function of its fold, so that heads can be rebuilt from the log."""
    return head_from(head_row_of(message, shard))


def head_row_of(message: Growing, shard: int) -> HeadRow:
    """The fields of that head alone. Making the head takes four times as long, and who compares many needs none."""
    status = message.status
    waits = status in WAITING
    return (
        message.id,
        "msg",
        shard,
        message.tenant,
        message.version,
        status,
        message.channel,
        message.lane,
        message.conversation,
        message.priority,
        message.host,
        message.agenda_us if waits else None,
        message.line,
        message.place if waits or status == "sending" else None,
        message.attempt,
        message.accepted_us,
        message.changed_us,
        # Whatever a provider says, a row can hold it: PostgreSQL's texts have no NUL.
        message.code.replace("\x00", ""),
        message.cause,
        message.owes,
        message.ends_us if waits else None,
    )
