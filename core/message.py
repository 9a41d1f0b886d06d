"""The life of one message: which event may follow in which state, and the fold over them.

This file answers for the explicit transition table and for `evolve`. It decides nothing: the events were decided
before (conversation.py) and are the truth here. A chain of events that the table does not know raises Impossible.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from core import events as e
from core.errors import Impossible
from core.outcomes import is_fault
from core.records import FIFO_LINE, LOOSE_LINE, Head, Recorded

Status = Literal[
    "queued", "scheduled", "sending", "retrying", "held", "sent", "delivered", "dead", "cancelled", "expired"
]

WAITING: Final = frozenset({"queued", "scheduled", "retrying"})
OPEN: Final = WAITING | {"sending", "held"}
CONCLUDED: Final = frozenset({"sent", "delivered", "dead", "cancelled", "expired"})

# What each event asks of the state before it. The new status follows from the event itself (see _NEXT and evolve).
ALLOWED: Final[dict[type[e.Event], frozenset[str]]] = {
    e.AttemptStarted: WAITING,
    e.AttemptTaken: frozenset({"sending"}),
    e.AttemptFailed: frozenset({"sending"}),
    e.AttemptAborted: frozenset({"sending"}),
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
}


class Message(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the events of one message come to. Instants and spans are microseconds.

    `used` counts attempts that the schedule spent in this round (a redrive begins a new one), `attempt` all that ever
    started; `in_flight` is the running attempt or 0. `failing_us` is when it first failed in this round.
    """

    id: int
    tenant: str
    channel: str
    lane: str
    conversation: int
    host: int | None
    order: e.Order
    priority: int
    on_ambiguous: e.OnAmbiguous | None
    policy: str | None
    zone: str | None
    accepted_us: int
    round_us: int
    first_due_us: int
    due_us: int | None
    expires_us: int | None
    commitment: bytes
    status: Status
    version: int = 1
    changed_us: int = 0
    attempt: int = 0
    in_flight: int = 0
    started_us: int = 0
    deadline_us: int = 0
    probe: bool = False
    used: int = 0
    faults: int = 0
    failing_us: int | None = None
    aside: bool = False
    held_by: Literal["unknown", "parked"] | None = None
    cancel: str | None = None
    code: str = ""
    detail: str = ""
    reason: str = ""
    provider_id: str = ""
    cause: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it has not concluded."""
        return self.status in OPEN

    @property
    def agenda_us(self) -> int | None:
        """When time next decides about it: it is due, or its time ends before that."""
        if self.due_us is None or self.expires_us is None:
            return self.due_us
        return min(self.due_us, self.expires_us)

    @property
    def line(self) -> int:
        """The line of its conversation that it stands in: fifo unless its order is any or it was set aside."""
        return LOOSE_LINE if self.aside or self.order == "any" else FIFO_LINE

    @property
    def place(self) -> int | None:
        """Its place in that line, None where it takes part in neither (held or concluded).

        In the loose line an attempt in flight comes first: however long the line is, a first page of it shows what
        is out there.
        """
        if self.status not in WAITING and self.status != "sending":
            return None
        return self.first_due_us if self.line == FIFO_LINE else self.due_us or 0


def fold(recorded: Sequence[Recorded]) -> Message:
    """The message that its recorded events, in order from version 1, come to."""
    first = recorded[0]
    message = accepted(first.stream, first.at_us, first.tenant, first.event, cause=first.cause)
    for entry in recorded[1:]:
        message = evolve(message, entry.event, entry.at_us)
    return message


def accepted(stream: int, at_us: int, tenant: str, event: e.Event, *, cause: int = 0) -> Message:
    """The message right after its first event, which `cause` led to (0: nothing that the log knows)."""
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
            return _started(event, at_us)
        case e.AttemptTaken():
            return _taken(event)
        case e.AttemptFailed():
            return _failed(message, event, at_us)
        case e.AttemptAborted():
            return {"status": _resting(message), "in_flight": 0, "due_us": event.due_us}
        case e.AmbiguityResolved():
            return {}
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
            return {"status": status, "first_due_us": event.due_us, "due_us": event.due_us}
        case e.MessageRedriven():
            return _redriven(event, at_us)
        case e.CancelRequested():
            return {"cancel": event.reason}
        case _:
            return _ended(event)


def _started(event: e.AttemptStarted, at_us: int) -> dict[str, object]:
    return {
        "status": "sending",
        "lane": event.lane,
        "attempt": event.attempt,
        "in_flight": event.attempt,
        "started_us": at_us,
        "deadline_us": event.deadline_us,
        "probe": event.probe,
        "due_us": None,
    }


def _taken(event: e.AttemptTaken) -> dict[str, object]:
    return {
        "status": event.status,
        "in_flight": 0,
        "due_us": None,
        "code": event.code,
        "detail": "",
        "provider_id": event.provider_id,
    }


def _failed(message: Message, event: e.AttemptFailed, at_us: int) -> dict[str, object]:
    return {
        "status": "retrying",
        "in_flight": 0,
        "due_us": event.due_us,
        "used": message.used + event.used,
        "faults": message.faults + 1 if is_fault(event.outcome) else 0,
        "failing_us": message.failing_us if message.failing_us is not None else at_us,
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
        "aside": False,
        "cancel": None,
        "reason": "",
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
    return {"status": status, "due_us": None, "held_by": None, "reason": reason}


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
        code=message.code,
        cause=message.cause,
    )
