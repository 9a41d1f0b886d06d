"""The log as it grows, as server-sent events (the HTML standard, section 9.2).

This file answers for following: nothing is skipped and nothing comes twice to a follower that gives back the last id
it saw. It must never hold the log up for a follower: there are so many at most, and one that does not read is let go.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import anyio
import msgspec
from aiohttp import web

from adapters.web import cursors
from adapters.web.answers import encoded
from adapters.web.auth import Caller, secret_of
from adapters.web.front import Front
from adapters.web.message_ids import channels_of
from adapters.web.reading import given_back, query_of
from adapters.web.telling import told
from core.errors import Overloaded, Refused
from core.records import Recorded

_LAST_EVENT_ID: Final = "Last-Event-ID"
_PAGE_MAX: Final = 256
# Commits come by the hundred a second: a follower reads once for all that came within this time.
_GATHER_S: Final = 0.02
# A daemon that stands by may act a moment later, and its log before that tells of no more commits.
_LOOK_S: Final = 1.0
_HEARTBEAT: Final = b": still here\n\n"


class StreamQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From where. The header `Last-Event-ID`, which a browser sends by itself to go on, goes before `after`."""

    after: str | None = None


async def follow(front: Front, request: web.Request, caller: Caller) -> web.StreamResponse:
    """Every event of the caller's tenant beyond a cursor, and those to come, until the follower leaves."""
    position = _beginning(request)
    if len(front.followers) >= front.bounds.followers_max:
        raise Overloaded(f"at most {front.bounds.followers_max} follow the log at once", retry_after_s=30)
    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    response = web.StreamResponse(headers=headers | given_back(request))
    # A daemon that stops cancels the scopes of its followers, so that none of them keeps it from stopping.
    with anyio.CancelScope() as scope:
        front.followers.add(scope)
        try:
            await response.prepare(request)
            secret = secret_of(request)
            # A stream outlives the moment of its admission, so the key is asked for again and again.
            is_welcome = partial(_is_welcome, front, secret)
            await _follow(front, response, caller.tenant, position, is_welcome=is_welcome)
        except (TimeoutError, Refused):
            # It does not read, or the log cannot be read: either way it reconnects with the last id it saw.
            if request.transport is not None:
                request.transport.abort()
        finally:
            front.followers.discard(scope)
    return response


def _is_welcome(front: Front, secret: str | None) -> bool:
    return secret is not None and front.desk.keys.holder(secret) is not None


async def _follow(
    front: Front,
    response: web.StreamResponse,
    tenant: str | None,
    position: dict[int, int],
    *,
    is_welcome: Callable[[], bool],
) -> None:
    heartbeat_s, patience_s = front.bounds.heartbeat_s, front.bounds.patience_s
    heard_s = anyio.current_time()
    while is_welcome():
        # Asked before reading: a commit in between is then seen by one or the other.
        change = front.log.changed()
        recorded, reached = await front.log.log_page(position, tenant=tenant, limit=_PAGE_MAX)
        has_moved = reached != position
        piece = _written(recorded, position, await channels_of(front.log, recorded))
        if not has_moved:
            wait_s = heard_s + heartbeat_s - anyio.current_time()
            with anyio.move_on_after(wait_s if front.stand is None else min(wait_s, _LOOK_S)):
                await change
                await anyio.sleep(_GATHER_S)
        if not piece and anyio.current_time() >= heard_s + heartbeat_s:
            piece = _HEARTBEAT
        if piece:
            with anyio.fail_after(patience_s):
                await response.write(piece)
            heard_s = anyio.current_time()
        position = reached


def _written(recorded: list[Recorded], before: dict[int, int], channels: Mapping[int, str]) -> bytes:
    """A page as the stream writes it: each event with the position right after it."""
    position = dict(before)
    lines: list[bytes] = []
    for entry in recorded:
        position[entry.shard] = entry.seq
        head = f"id: {cursors.written(position)}\nevent: {type(entry.event).__name__}\ndata: ".encode()
        lines.append(head + encoded(told(entry, channels.get(entry.stream, ""))) + b"\n\n")
    return b"".join(lines)


def _beginning(request: web.Request) -> dict[int, int]:
    asked = query_of(request, StreamQuery)
    last = request.headers.get(_LAST_EVENT_ID)
    if last:
        return cursors.read(last, _LAST_EVENT_ID)
    return {} if asked.after is None else cursors.read(asked.after, "?after")
