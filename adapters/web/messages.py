"""Accepting one message over HTTP.

This file answers for the busiest call of all: it decodes once, encodes once, and does nothing else that it need not.
"""

from datetime import datetime

from aiohttp import web

from actors.intake import Acknowledgement
from adapters.web.answers import Answer, answer, moment_or_none
from adapters.web.auth import Caller
from adapters.web.front import Front
from adapters.web.reading import body_of, headers_of, idempotency_key_of, submission_in
from core import ids


class Accepted(Answer, frozen=True, kw_only=True):
    """A message that was taken charge of, or (`duplicate`) the one that came before under the same key."""

    id: str
    conversation: str
    status: str
    due: datetime | None
    duplicate: bool


async def accept(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Takes charge of one message: 202 once it is durable, 200 where the same request came before."""
    tenant = caller.one_tenant
    headers = headers_of(request)
    submission = submission_in(
        await body_of(front, request),
        trace=headers.traceparent or "",
        correlation=headers.correlation,
        idempotency_key=idempotency_key_of(request),
    )
    acknowledged = await front.desk.intake.accept(tenant, submission)
    if headers.correlation is not None or headers.traceparent is not None:
        # Whoever sends such an id wants to find it again; what is sent without one costs no line.
        front.witness.note(
            "accepted", message=acknowledged.id, correlation=headers.correlation, trace=headers.traceparent
        )
    return answer(accepted(acknowledged), 200 if acknowledged.duplicate else 202)


def accepted(acknowledged: Acknowledgement) -> Accepted:
    """The outside form of an acknowledgement."""
    return Accepted(
        id=ids.encode("msg", acknowledged.id),
        conversation=ids.encode("conv", acknowledged.conversation),
        status=acknowledged.status,
        due=moment_or_none(acknowledged.due_us),
        duplicate=acknowledged.duplicate,
    )
