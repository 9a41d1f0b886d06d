"""The log as pages, and the events of one message.

This file answers for two calls; stream.py follows the log as it grows. Order is total within a shard and so within a
stream; between shards it is only as good as the page that holds them.
"""

from typing import Annotated, Final

import msgspec
from aiohttp import web

from adapters.web import cursors
from adapters.web.answers import Answer, answer
from adapters.web.auth import Caller
from adapters.web.front import Front
from adapters.web.message_ids import channels_of, message_in_path
from adapters.web.reading import query_of
from adapters.web.telling import EventAnswer, told

PAGE_MAX: Final = 1_000


class EventQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From where, and how many. Without `after`: from the beginning of the log."""

    after: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)] = 100


class EventPage(Answer, frozen=True, kw_only=True):
    """A page of the log. `next` is where the following page begins; `more` is false once nothing lies beyond.

    A page may be short, or even empty, and still have more behind it, where the events between were of other tenants.
    """

    events: list[EventAnswer]
    next: str
    more: bool


class EventList(Answer, frozen=True, kw_only=True):
    """The events of one message, in order."""

    events: list[EventAnswer]


async def page(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """The events beyond a cursor, of the caller's tenant."""
    asked = query_of(request, EventQuery)
    after = {} if asked.after is None else cursors.read(asked.after, "?after")
    recorded, reached = await front.log.log_page(after, tenant=caller.tenant, limit=asked.limit)
    channels = await channels_of(front.log, recorded)
    shown = [told(entry, channels.get(entry.stream, "")) for entry in recorded]
    return answer(EventPage(events=shown, next=cursors.written(reached), more=reached != after))


async def of_message(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Every event of one message."""
    stream = message_in_path(request)
    # Asking for its state first settles whether this tenant has such a message at all.
    message = await front.views.message(caller.tenant, stream)
    recorded = await front.log.events_of(stream)
    return answer(EventList(events=[told(entry, message.channel) for entry in recorded]))
