"""What one message is at an instant: its statuses, and everything that decisions about it ask.

This file answers for the shape of that state and for what follows from it at once. How events change it stands in
message.py.
"""

from collections.abc import Collection
from typing import Final, Literal

import msgspec
from msgspec.structs import force_setattr

from core import events as e
from core.records import FIFO_LINE, LOOSE_LINE

Status = Literal[
    "queued", "scheduled", "sending", "retrying", "held", "sent", "delivered", "read", "failed", "dead", "cancelled",
    "expired",
]  # fmt: skip  # The open ones, then what each may end as.

WAITING: Final = frozenset({"queued", "scheduled", "retrying"})
OPEN: Final = WAITING | {"sending", "held"}
# Ended well, as far as anybody knows: receipts move it on among these, and to failed.
TAKEN: Final = frozenset({"sent", "delivered", "read", "failed"})
CONCLUDED: Final = TAKEN | {"dead", "cancelled", "expired"}

UNDELIVERED: Final = frozenset({"dead", "expired", "cancelled", "failed"})
# Of what a provider told of a message the furthest counts, whatever order it came in; a failure counts over sent alone.
RANK: Final[dict[str, int]] = {"sent": 1, "failed": 2, "delivered": 3, "read": 4}
# The reason of a message that is cancelled because the time of its fallback has come.
FALLBACK_DUE: Final = "fallback"


class Told(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One status that the provider told: when that was recorded, of which attempt, and the provider's code."""

    status: e.ReceiptStatus
    at_us: int
    attempt: int
    code: str = ""


class Growing(msgspec.Struct, kw_only=True, gc=False):
    """What the events of one message come to so far, while they are folded. Instants and spans are microseconds.

    Only the fold changes it, and nobody else holds it meanwhile: everybody else has a `Message`.

    `used` counts attempts that the schedule spent in this round (a redrive begins a new one), `attempt` all that ever
    started; `in_flight` is the running attempt or 0. `tried_in` names the last attempt of each lane, where it may go
    through several. `failing_us` is when it first failed in this round; `excused`: it failed last by our own set-up, so
    nobody counts for how long. `doubt_us` is until when evidence is awaited for an attempt of unknown fate, since
    `doubted_us`. `taken_as` and `taken_code` are what its provider answered, `receipts` what it told besides.
    `fallback` is the message that took its place; `is_redriven` says that a person wanted it tried again.
    `fans_out`: it is a push to a user; `is_part`: it is one device's of such a push, which heard `end_told` of it.
    """

    id: int
    tenant: str
    channel: str
    lane: str
    conversation: int
    host: int | None = None
    order: e.Order
    priority: int
    on_ambiguous: e.OnAmbiguous | None = None
    policy: str | None = None
    zone: str | None = None
    accepted_us: int
    round_us: int
    first_due_us: int
    due_us: int | None
    expires_us: int | None = None
    commitment: bytes
    status: Status
    cause: int = 0
    caused_by: e.CausedBy = ""
    lanes: tuple[str, ...] = ()
    fallbacks: int = 0
    fallback_by_us: int | None = None
    has_template: bool = False
    marketing: bool = False
    version: int = 1
    changed_us: int = 0
    attempt: int = 0
    in_flight: int = 0
    started_us: int = 0
    deadline_us: int = 0
    probe: bool = False
    tried_in: tuple[tuple[str, int], ...] = ()
    used: int = 0
    faults: int = 0
    failing_us: int | None = None
    excused: bool = False
    aside: bool = False
    held_by: Literal["unknown", "parked"] | None = None
    cancel: str | None = None
    code: str = ""
    detail: str = ""
    reason: str = ""
    provider_id: str = ""
    by_template: bool = False
    doubt_us: int | None = None
    doubted_us: int = 0
    taken_as: Literal["sent", "delivered"] = "sent"
    taken_code: str = ""
    receipts: tuple[Told, ...] = ()
    fallback: int = 0
    is_redriven: bool = False
    fans_out: bool = False
    is_part: bool = False
    end_told: e.ReceiptStatus | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has not concluded."""
        return self.status in OPEN

    @property
    def ends_us(self) -> int | None:
        """When its time ends, if it is not through by then: it expires, or another channel takes over.

        While it is in doubt it may have arrived, so no other channel takes over before that is settled.
        """
        gives_way_us = self.fallback_by_us if self.fallbacks and self.doubt_us is None else None
        if self.expires_us is None or gives_way_us is None:
            return gives_way_us if self.expires_us is None else self.expires_us
        return min(self.expires_us, gives_way_us)

    @property
    def agenda_us(self) -> int | None:
        """When time next decides about it: it is due, or its time ends before that."""
        ends_us = self.ends_us
        if self.due_us is None or ends_us is None:
            return self.due_us
        return min(self.due_us, ends_us)

    @property
    def owes(self) -> bool:
        """Whether its end is to be followed by something that has not been recorded yet."""
        if not self.fallbacks and not self.is_part:
            return False  # Most can owe nothing, and are asked with each event.
        return self.owes_fallback or (self.word is not None and self.word != self.end_told)

    @property
    def word(self) -> e.ReceiptStatus | None:
        """What the push that it is a part of is to hear of it; None where it is none, or merely sent, or open."""
        match self.status:
            case _ if not self.is_part:
                return None
            case "delivered" | "read":
                return self.status
            case _:
                return "failed" if self.status in UNDELIVERED else None

    @property
    def owes_fallback(self) -> bool:
        """Whether it ended undelivered and what should take its place has not been accepted yet."""
        if not self.fallbacks or self.status not in UNDELIVERED:
            return False
        if self.status == "cancelled" and self.reason != FALLBACK_DUE:
            return False
        # Its provider may tell after all that it has the message: then nothing takes its place.
        return self.told is None or self.told.status == "failed"

    @property
    def told(self) -> Told | None:
        """The furthest that its provider told of it. A failure is about its own attempt; a success is about all."""
        if not self.receipts:
            return None  # Asked at each event, and most messages never hear anything.
        counted = (one for one in self.receipts if one.status != "failed" or one.attempt == self.attempt)
        return max(counted, key=lambda one: RANK[one.status], default=None)

    def receipt_at(self, status: e.ReceiptStatus) -> int | None:
        """When the provider's word for a status was recorded, None while it has not come."""
        return next((one.at_us for one in self.receipts if one.status == status), None)

    def attempt_in(self, lanes: Collection[str]) -> int:
        """Its last attempt in any of these lanes, 0 where it was never tried there."""
        if not self.lanes:
            return self.attempt if self.lane in lanes else 0
        return max((attempt for lane, attempt in self.tried_in if lane in lanes), default=0)

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


class Message(Growing, frozen=True, kw_only=True, gc=False):  # type: ignore[misc]  # It has grown, and changes no more.
    """What the events of one message come to: a value."""


def growing(message: Message) -> Growing:
    """A copy that can grow.

    A copy with `replace` costs three times as much: of so many fields a dozen change with an event, and each is looked
    for by its name. Both classes have the same fields, so that an object of one becomes one of the other at once.
    """
    grown: Growing = message.__copy__()  # type: ignore[attr-defined]  # What `copy.copy` finds after a search.
    force_setattr(grown, "__class__", Growing)
    return grown


def grown(message: Growing) -> Message:
    """The same message as a value: from now on it does not grow any more."""
    message.__class__ = Message
    assert isinstance(message, Message)
    return message
