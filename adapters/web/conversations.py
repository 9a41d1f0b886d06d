"""Conversations over HTTP: their state, and the two things a person may do to them.

This file answers for shapes and calls; what a reset or a release does is decided behind it.
"""

from datetime import datetime

from aiohttp import web

from adapters.web.answers import Answer, answer, moment_or_none
from adapters.web.auth import Caller
from adapters.web.front import Front
from adapters.web.reading import id_in_path
from core import ids
from core.views import ConversationState, Position


class ConversationAnswer(Answer, frozen=True, kw_only=True):
    """One conversation now. `open` counts its open messages by status; `retry_at` is when an open circuit probes."""

    id: str
    tenant: str
    channel: str
    circuit: Position
    retry_at: datetime | None
    failures: int
    paused_until: datetime | None
    attempts: int
    next_due: datetime | None
    open: dict[str, int]

    @classmethod
    def of(cls, state: ConversationState) -> "ConversationAnswer":
        """The outside form of a conversation's state."""
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
        )


class Released(Answer, frozen=True, kw_only=True):
    """How many held messages go on."""

    released: int


async def show(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """One conversation now."""
    conversation = id_in_path(request, "conv")
    return answer(ConversationAnswer.of(await front.system.errands.conversation(caller.tenant, conversation)))


async def reset(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Closes its circuit, and answers with what it is then."""
    conversation = id_in_path(request, "conv")
    await front.system.errands.reset(caller.tenant, conversation)
    return answer(ConversationAnswer.of(await front.system.errands.conversation(caller.tenant, conversation)))


async def release(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Lets its held messages go on."""
    released = await front.system.errands.release(caller.tenant, id_in_path(request, "conv"))
    return answer(Released(released=released))
