"""Conversations over HTTP: their state, and the two things a person may do to them.

This file answers for shapes and calls; what a reset or a release does is decided behind it.
"""

from datetime import datetime
from typing import Literal

from aiohttp import web

from adapters.web.answers import Answer, answer, moment_or_none
from adapters.web.auth import Caller
from adapters.web.front import Front
from adapters.web.reading import id_in_path
from core import ids
from core.views import ConversationState, Position


class Suppression(Answer, frozen=True, kw_only=True):
    """What is no longer sent to a peer, and why: the address is dead (`recipient`), or its owner wants no more."""

    scope: Literal["all", "marketing"]
    reason: Literal["recipient", "optout"]


class ConversationAnswer(Answer, frozen=True, kw_only=True):
    """One conversation now. `open` counts its open messages by status; `retry_at` is when an open circuit probes.

    `window` says whether the peer's reply window is open, null where nothing is known of it; `window_until` is when an
    open one closes. `strikes` messages in a row could not reach the address; `refusals` of its own limiter came in a
    row. `channel` is null as long as its peer only acted (wrote, or wants no more) and was never written to.
    """

    id: str
    tenant: str
    channel: str | None
    circuit: Position
    retry_at: datetime | None
    failures: int
    paused_until: datetime | None
    attempts: int
    next_due: datetime | None
    open: dict[str, int]
    suppressed: Suppression | None
    strikes: int
    refusals: int
    window: Literal["open", "closed"] | None
    window_until: datetime | None

    @classmethod
    def of(cls, state: ConversationState, now_us: int) -> "ConversationAnswer":
        """The outside form of a conversation's state at an instant."""
        until_us = state.window_until_us
        is_open = until_us is not None and until_us > now_us
        suppressed = None
        if state.suppressed is not None and state.suppressed_by is not None:
            suppressed = Suppression(scope=state.suppressed, reason=state.suppressed_by)
        return cls(
            id=ids.encode("conv", state.id),
            tenant=state.tenant,
            channel=state.channel,
            circuit=state.circuit,
            retry_at=moment_or_none(state.until_us),
            failures=state.streak,
            paused_until=moment_or_none(state.paused_until_us),
            attempts=state.attempts,
            next_due=moment_or_none(state.next_due_us),
            open=state.open,
            suppressed=suppressed,
            strikes=state.strikes,
            refusals=state.refusals,
            window=None if until_us is None else "open" if is_open else "closed",
            window_until=moment_or_none(until_us) if is_open else None,
        )


class Released(Answer, frozen=True, kw_only=True):
    """How many held messages go on."""

    released: int


async def show(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """One conversation now."""
    return answer(await _shown(front, caller, id_in_path(request, "conv")))


async def reset(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Closes its circuit, and answers with what it is then."""
    conversation = id_in_path(request, "conv")
    await front.system.errands.reset(caller.tenant, conversation)
    return answer(await _shown(front, caller, conversation))


async def release(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Lets its held messages go on, and ends its suppression."""
    released = await front.system.errands.release(caller.tenant, id_in_path(request, "conv"))
    return answer(Released(released=released))


async def _shown(front: Front, caller: Caller, conversation: int) -> ConversationAnswer:
    state = await front.system.errands.conversation(caller.tenant, conversation)
    return ConversationAnswer.of(state, front.clock.now_us())
