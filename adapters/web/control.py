"""What people ask of messages: cancelling, redriving, moving; one by its id, or all open ones of a reference.

This file answers for shapes and calls. A message whose state forbids what is asked is a 409 where it was named, and is
told of in the answer where it was only one of many.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Final

import anyio
import msgspec
from aiohttp import web

from adapters.web.answers import Answer, answer
from adapters.web.auth import Caller
from adapters.web.front import Front
from adapters.web.message_ids import message_in_path
from adapters.web.problems import invalid
from adapters.web.reading import body_of
from adapters.web.states import shown
from core import ids
from core.contents import PAST_TOLERANCE_US, not_blank
from core.errors import Forbidden
from core.pointers import decoded
from core.policies import DAY_US

# So many messages of a reference are changed at once: enough to share commits, few enough to leave room for others.
_AT_ONCE: Final = 64

Reference = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class CancelRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Cancel every open message with this reference."""

    reference: Reference


class RescheduleRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Move every open message with this reference that was not tried yet."""

    reference: Reference
    send_at: Moment


class Unchanged(Answer, frozen=True, kw_only=True):
    """A message that stayed as it was, and why."""

    id: str
    detail: str


class Changed(Answer, frozen=True, kw_only=True):
    """What was done about a reference: `matched` open messages had it, `changed` of them now are as asked."""

    reference: str
    matched: int
    changed: int
    unchanged: list[Unchanged]


_CANCELS: Final = msgspec.json.Decoder(CancelRequest)
_RESCHEDULES: Final = msgspec.json.Decoder(RescheduleRequest)


async def cancel(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Cancels one message; one in flight is cancelled unless that attempt is taken."""
    message = await front.system.errands.cancel(caller.tenant, message_in_path(request))
    return answer(shown(front, message))


async def redrive(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Puts one dead letter back on the agenda."""
    message = await front.system.errands.redrive(caller.tenant, message_in_path(request))
    return answer(shown(front, message))


async def cancel_all(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Cancels all open messages of a reference."""
    asked = decoded(_CANCELS, await body_of(front, request))
    tenant = caller.one_tenant

    async def change(stream: int) -> object:
        return await front.system.errands.cancel(tenant, stream)

    return answer(await _each(front, tenant, asked.reference, change))


async def reschedule_all(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Moves all open messages of a reference that were not tried yet."""
    asked = decoded(_RESCHEDULES, await body_of(front, request))
    tenant = caller.one_tenant
    send_at_us = _instant_us(front, asked.send_at)

    async def change(stream: int) -> object:
        return await front.system.errands.reschedule(tenant, stream, send_at_us)

    return answer(await _each(front, tenant, asked.reference, change))


async def _each(front: Front, tenant: str, reference: str, change: Callable[[int], Awaitable[object]]) -> Changed:
    keyed = front.system.intake.reference_hash(tenant, not_blank(reference, "/reference"))
    assert keyed is not None, "a reference that is there has a hash"
    streams = await front.system.errands.of_reference(tenant, keyed)
    waiting = iter(streams)
    unchanged: dict[int, str] = {}

    async def work() -> None:
        for stream in waiting:
            try:
                await change(stream)
            except Forbidden as error:
                unchanged[stream] = str(error)

    async with anyio.create_task_group() as group:
        for _ in range(min(_AT_ONCE, len(streams))):
            group.start_soon(work)
    return Changed(
        reference=reference,
        matched=len(streams),
        changed=len(streams) - len(unchanged),
        unchanged=[Unchanged(id=ids.encode("msg", stream), detail=unchanged[stream]) for stream in sorted(unchanged)],
    )


def _instant_us(front: Front, moment: datetime) -> int:
    now_us, most_us = front.clock.now_us(), front.send_at_max_us
    instant_us = round(moment.timestamp() * 1_000_000)
    if instant_us < now_us - PAST_TOLERANCE_US:
        raise invalid("/send_at", "lies in the past")
    if instant_us > now_us + most_us:
        raise invalid("/send_at", f"lies more than {most_us // DAY_US} days ahead")
    return instant_us
