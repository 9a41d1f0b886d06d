"""What became of messages: one, or those that match, newest first.

This file answers for the outside form of a message's state and for finding messages. It changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

import msgspec
from aiohttp import web

from adapters.moments import moment
from adapters.web.answers import Answer, answer, moment_or_none
from adapters.web.auth import Caller
from adapters.web.front import Front
from adapters.web.message_ids import message_id, message_in_path, message_of
from adapters.web.narrowing import known_lane, known_statuses
from adapters.web.reading import id_of, query_of
from core import ids
from core.contents import not_blank
from core.events import OnAmbiguous, Order, ReceiptStatus
from core.message import Message, fold
from core.records import Head, MessageFilter, Private
from core.sealing import unseal
from core.views import AnyChannel, HeldBy, MessageState, ShownStatus, message_state, stored_statuses

PAGE_MAX: Final = 500
# What is shown as queued or held is known only once it was looked at: a page that finds little among so many heads
# comes back short, with the cursor to go on from.
_LOOKED_AT_MAX: Final = 5_000
# What its provider said of a message with such a status was a yes.
_WENT_WELL: Final = frozenset({"sent", "delivered", "read"})


class LastError(Answer, frozen=True, kw_only=True):
    """What the provider (or our own side of the attempt) last said against it."""

    code: str
    detail: str


class ReceiptAnswer(Answer, frozen=True, kw_only=True):
    """What the provider told of a message of its own accord, and when that was recorded."""

    status: ReceiptStatus
    at: datetime


class MessageAnswer(Answer, frozen=True, kw_only=True):
    """One message now. `due` is null where it does not wait for time.

    `reconciling_until` is until when evidence is awaited for an attempt of which nobody knows what became. `failover`
    names the lanes that it may go through; `fallback` is the message to another channel that took its place, and
    `owes_fallback` says that one still should. `cause` is the hook or message that led to it.
    """

    id: str
    conversation: str
    tenant: str
    channel: str
    lane: str
    status: ShownStatus
    held_by: HeldBy | None
    due: datetime | None
    attempts: int
    order: Order
    priority: int
    on_ambiguous: OnAmbiguous | None
    policy: str | None
    accepted_at: datetime
    changed_at: datetime
    expires_at: datetime | None
    cancel_requested: bool
    last_error: LastError | None
    reason: str | None
    provider_id: str | None
    reconciling_until: datetime | None
    receipts: list[ReceiptAnswer]
    failover: list[str]
    fallback_by: datetime | None
    fallback: str | None
    owes_fallback: bool
    cause: str | None

    @classmethod
    def of(cls, state: MessageState) -> "MessageAnswer":
        """The outside form of a message's state."""
        against = (state.code or state.detail) and state.status not in _WENT_WELL
        return cls(
            id=message_id(state.id, state.channel),
            conversation=ids.encode("conv", state.conversation),
            tenant=state.tenant,
            channel=state.channel,
            lane=state.lane,
            status=state.status,
            held_by=state.held_by,
            due=moment_or_none(state.due_us),
            attempts=state.attempts,
            order=state.order,
            priority=state.priority,
            on_ambiguous=state.on_ambiguous,
            policy=state.policy,
            accepted_at=moment(state.accepted_us),
            changed_at=moment(state.changed_us),
            expires_at=moment_or_none(state.expires_us),
            cancel_requested=state.cancel_requested,
            last_error=LastError(code=state.code, detail=state.detail) if against else None,
            reason=state.reason or None,
            provider_id=state.provider_id or None,
            reconciling_until=moment_or_none(state.doubt_us),
            receipts=[ReceiptAnswer(status=status, at=moment(at_us)) for status, at_us in state.receipts],
            failover=list(state.lanes),
            fallback_by=moment_or_none(state.fallback_by_us),
            fallback=ids.encode("msg", state.fallback) if state.fallback else None,
            owes_fallback=state.owes,
            cause=ids.encode(state.caused_by or "msg", state.cause) if state.cause else None,
        )


class WholeMessage(MessageAnswer, frozen=True, kw_only=True):
    """One message with what its sender gave it to be known by; null where it gave nothing, or it was erased."""

    reference: str | None
    metadata: msgspec.Raw | None
    correlation: str | None


class MessageList(Answer, frozen=True, kw_only=True):
    """Messages, newest first. `next` is what to ask with as `before` for more; null at the end."""

    messages: list[MessageAnswer]
    next: str | None


class MessageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which messages. `status` may name several, with commas; `before` is the `next` of the page before.

    `cause` is the hook or message that led to them.
    """

    status: str | None = None
    channel: AnyChannel | None = None
    lane: str | None = None
    conversation: str | None = None
    reference: str | None = None
    cause: str | None = None
    before: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)] = 50


async def show(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """One message now, with what its sender gave it to be known by."""
    message = await front.views.message(caller.tenant, message_in_path(request))
    sealed = await front.log.sealed_of(message.id)
    private = Private(to="", content=b"") if sealed is None else unseal(sealed, message.commitment)
    whole = WholeMessage(
        **msgspec.structs.asdict(shown(front, message)),
        reference=private.reference,
        metadata=None if private.metadata is None else msgspec.Raw(private.metadata),
        correlation=private.correlation,
    )
    return answer(whole)


async def listing(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Messages that match, newest first."""
    asked = query_of(request, MessageQuery)
    statuses = known_statuses(asked.status, "?status")
    wanted = _filter(front, asked, caller, statuses)
    found: list[MessageAnswer] = []
    looked_at = 0
    while True:
        heads = await front.log.heads(wanted, limit=asked.limit)
        for state in await _states(front, heads):
            if not statuses or state.status in statuses:
                found.append(state)
            if len(found) == asked.limit:
                return answer(MessageList(messages=found, next=state.id))
        looked_at += len(heads)
        if len(heads) < asked.limit:
            return answer(MessageList(messages=found, next=None))
        if looked_at >= _LOOKED_AT_MAX:
            return answer(MessageList(messages=found, next=message_id(heads[-1].stream, heads[-1].channel)))
        wanted = msgspec.structs.replace(wanted, before=heads[-1].stream)


def shown(front: Front, message: Message) -> MessageAnswer:
    """The outside form of a message at this instant."""
    paused = front.views.paused_lanes
    return MessageAnswer.of(message_state(message, front.clock.now_us(), paused))


async def _states(front: Front, heads: Sequence[Head]) -> list[MessageAnswer]:
    recorded = await front.log.events_of_many([head.stream for head in heads])
    return [shown(front, fold(recorded[head.stream])) for head in heads]


def _filter(front: Front, asked: MessageQuery, caller: Caller, statuses: frozenset[str]) -> MessageFilter:
    reference = None
    if asked.reference is not None:
        named = not_blank(asked.reference, "?reference")
        reference = front.desk.intake.reference_hash(caller.one_tenant, named)
    return MessageFilter(
        tenant=caller.tenant,
        status=stored_statuses(statuses) if statuses else None,
        channel=asked.channel,
        lane=known_lane(front, asked.lane, "?lane"),
        conversation=None if asked.conversation is None else id_of(asked.conversation, "conv", "?conversation"),
        reference=reference,
        cause=None if asked.cause is None else message_of(asked.cause, "?cause"),
        before=None if asked.before is None else message_of(asked.before, "?before"),
    )
