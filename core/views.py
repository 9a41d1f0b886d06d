"""What people are shown: the present state of a message, a conversation, a lane, a redrive, an erasure and a key.

This file answers for the shape of those states and for the one translation that needs more than the log's own word
for it: a message's status depends on the instant and on what its lane is allowed. It must never decide anything, and
nothing here is ever stored. Instants and spans are microseconds, ids are numbers; outside forms are made at the door.
"""

from collections.abc import Collection, Mapping
from typing import Final, Literal

import msgspec

from core.events import CausedBy, OnAmbiguous, Order, ReceiptStatus
from core.message import OPEN, WAITING, Growing

ShownStatus = Literal[
    "scheduled", "queued", "sending", "retrying", "held", "sent", "delivered", "read", "failed", "dead", "cancelled",
    "expired",
]  # fmt: skip  # The open ones, then what each may end as.
HeldBy = Literal["lane", "unknown", "parked"]
AnyChannel = Literal["email", "whatsapp", "push", "webhook", "hook"]
"""What a message may have gone through: a channel that one can be handed over for, or the door that hooks come by."""
Role = Literal["read", "send", "operate", "admin"]
Position = Literal["closed", "open", "half_open"]
"""Where a circuit or a breaker stands: half-open means that one probe is out or may go out."""

ROLES: Final[tuple[Role, ...]] = ("read", "send", "operate", "admin")
"""Each role includes those before it."""


class MessageState(msgspec.Struct, frozen=True, kw_only=True):
    """One message now. `code` and `detail` are the last answer of the provider, empty before the first attempt.

    `due_us` is when it may next be tried, None where it does not wait for time; `reason` says why it ended undelivered.
    `doubt_us` is until when evidence is awaited for an attempt of unknown fate. `receipts` are what the provider told
    so far, each with the instant at which it was recorded. `lanes` are those it may go through, in order; `fallback` is
    the message that took its place (0: none did), and `owes` says that one still should. `cause` is what led to it.
    """

    id: int
    tenant: str
    conversation: int
    channel: str
    lane: str
    status: ShownStatus
    held_by: HeldBy | None
    order: Order
    priority: int
    on_ambiguous: OnAmbiguous | None
    policy: str | None
    attempts: int
    accepted_us: int
    changed_us: int
    due_us: int | None
    expires_us: int | None
    cancel_requested: bool
    code: str
    detail: str
    reason: str
    provider_id: str
    doubt_us: int | None = None
    receipts: tuple[tuple[ReceiptStatus, int], ...] = ()
    lanes: tuple[str, ...] = ()
    fallback_by_us: int | None = None
    fallback: int = 0
    owes: bool = False
    cause: int = 0
    caused_by: CausedBy = ""


class ConversationState(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation now. `until_us` is when an open circuit lets its probe out; `paused_until_us` when its peer's
    own wish for a slower pace ends; `attempts` counts those of its open messages; `open` those messages by status.
    `suppressed` is what is no longer sent there, and `suppressed_by` why; `strikes` messages in a row could not reach
    the address. `window_until_us` is when the peer's reply window closes: None where nothing is known of it, 0 where
    the provider said that it is closed. `refusals` of the peer's own limiter came in a row. `channel` is None where
    they acted and we never wrote to them.
    """

    id: int
    tenant: str
    channel: str | None
    circuit: Position
    until_us: int | None
    streak: int
    paused_until_us: int | None
    attempts: int
    next_due_us: int | None
    open: dict[str, int]
    suppressed: Literal["all", "marketing"] | None = None
    suppressed_by: Literal["recipient", "optout"] | None = None
    strikes: int = 0
    window_until_us: int | None = None
    refusals: int = 0


class LimitUse(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one limit is taken now. `window_us` None means that it bounds what is in flight, not a rate.

    `tenant` is set where the limit is a tenant's own share.
    """

    scope: Literal["lane", "tenant", "recipient", "gap", "concurrency"]
    used: int
    of: int
    window_us: int | None = None
    tenant: str | None = None


class LaneState(msgspec.Struct, frozen=True, kw_only=True):
    """One lane now. `depth` counts its waiting messages, `lateness_us` how long the oldest has been due (0: none is).

    `breaker_until_us` is when an open breaker lets a probe out. `drain_forecast_s` is None where nothing can be said:
    the lane stands still, or nothing was measured yet.
    """

    name: str
    channel: str
    provider: str
    paused_by: Literal["operator", "config", "provider"] | None
    pause_code: str
    throttled_until_us: int | None
    breaker: Position
    breaker_until_us: int | None
    limits: tuple[LimitUse, ...]
    depth: int
    in_flight: int
    oldest_due_us: int | None
    lateness_us: int
    drain_forecast_s: float | None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a bulk redrive would move: how many, how old, and how long it would take (None: as fast as limits allow)."""

    count: int
    oldest_us: int | None
    newest_us: int | None
    estimate_s: float | None


class RedriveState(msgspec.Struct, frozen=True, kw_only=True):
    """One bulk redrive now. `count` dead letters were found at its start, `moved` of them are back on the agenda."""

    id: int
    tenant: str | None
    status: Literal["running", "done", "cancelled"]
    channel: str | None
    lane: str | None
    conversation: int | None
    before_us: int
    per_s: float | None
    count: int
    moved: int
    started_us: int
    ended_us: int | None


class ErasureState(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody being forgotten, or forgotten: what went so far. `conversation` None: nobody ever wrote to them.

    `messages` are all whose private parts went, `cancelled` those of them that were open. Devices and plans are counted
    once all is over.
    """

    id: int
    tenant: str
    status: Literal["erasing", "erased"]
    channel: str
    conversation: int | None
    messages: int
    cancelled: int
    devices: int
    plans: int
    started_us: int
    ended_us: int | None


class KeyState(msgspec.Struct, frozen=True, kw_only=True):
    """One API key, without its secret. `tenant` None means all tenants."""

    id: int
    tenant: str | None
    role: Role
    label: str
    added_us: int
    revoked: bool


def message_state(message: Growing, now_us: int, paused_lanes: Collection[str]) -> MessageState:
    """The message as people see it at `now_us`, where the lanes in `paused_lanes` let nothing out."""
    status, held_by = shown_status(message, now_us, paused_lanes)
    return MessageState(
        id=message.id,
        tenant=message.tenant,
        conversation=message.conversation,
        channel=message.channel,
        lane=message.lane,
        status=status,
        held_by=held_by,
        order=message.order,
        priority=message.priority,
        on_ambiguous=message.on_ambiguous,
        policy=message.policy,
        attempts=message.attempt,
        accepted_us=message.accepted_us,
        changed_us=message.changed_us,
        due_us=message.due_us,
        expires_us=message.expires_us,
        cancel_requested=message.cancel is not None and message.status in OPEN,
        code=message.code,
        detail=message.detail,
        reason=message.reason,
        provider_id=message.provider_id,
        doubt_us=message.doubt_us,
        receipts=tuple((told.status, told.at_us) for told in message.receipts),
        lanes=message.lanes,
        fallback_by_us=message.fallback_by_us,
        fallback=message.fallback,
        owes=message.owes_fallback,
        cause=message.cause,
        caused_by=message.caused_by,
    )


def shown_status(message: Growing, now_us: int, paused_lanes: Collection[str]) -> tuple[ShownStatus, HeldBy | None]:
    """The status people see, and what holds the message where that is `held`.

    The log says `scheduled` until the first attempt: nothing is recorded when a due instant passes. A paused lane holds
    what waits for it; an attempt that is already out is not called back, so it stays `sending`.
    """
    if message.status == "held":
        return "held", message.held_by
    if message.status in WAITING and message.lane in paused_lanes:
        return "held", "lane"
    if message.status == "scheduled" and message.due_us is not None and message.due_us <= now_us:
        return "queued", None
    return message.status, None


def stored_statuses(wanted: Collection[str]) -> tuple[str, ...]:
    """The statuses in the log behind which a message may hide that is shown as one of `wanted`."""
    return tuple(sorted({stored for shown in wanted for stored in _STORED_AS.get(shown, frozenset({shown}))}))


_STORED_AS: Final[Mapping[str, frozenset[str]]] = {
    "queued": frozenset({"queued", "scheduled"}),
    "held": WAITING | {"held"},
}
