"""Ids of messages as they read outside: `msg_` for one that goes out, `hook_` for one that came in.

This file answers for reading and writing them, wherever a call names a message. Both kinds are streams of one sort, so
either prefix is read; which of the two a message is written with follows from its channel. It must never tell whether
there is such a message: that is for those who look it up.
"""

from collections.abc import Iterable, Mapping

from aiohttp import web

from adapters.web.problems import invalid
from core import ids
from core.errors import NotFound
from core.events import MessageAccepted
from core.ports import Log
from core.records import Recorded

_EXAMPLE = ids.encode("msg", 1)


def message_id(stream: int, channel: str) -> str:
    """The outside id of a message of this channel."""
    return ids.encode(ids.kind_of(channel), stream)


def message_in_path(request: web.Request) -> int:
    """The number behind the id in the path; what is no id of a message names nothing (404)."""
    number = _read(request.match_info["id"])
    if number is None:
        raise NotFound(f"expected an id such as {_EXAMPLE} in the path")
    return number


def message_of(text: str, at: str) -> int:
    """The number behind an id that was given elsewhere than in the path (422); `at` is where."""
    number = _read(text)
    if number is None:
        raise invalid(at, f"expected an id such as {_EXAMPLE} or {ids.encode('hook', 1)}")
    return number


async def channels_of(log: Log, recorded: Iterable[Recorded]) -> Mapping[int, str]:
    """The channel of each message among these events: as its first event tells it, else as its head does.

    Streams of other kinds are missing, or have the empty channel.
    """
    channels: dict[int, str] = {}
    others: set[int] = set()
    for entry in recorded:
        if isinstance(entry.event, MessageAccepted):
            channels[entry.stream] = entry.event.channel
        else:
            others.add(entry.stream)
    unknown = sorted(others - channels.keys())
    if unknown:
        channels |= {stream: head.channel for stream, head in (await log.heads_by(unknown)).items()}
    return channels


def _read(text: str) -> int | None:
    number = ids.decode("msg", text)
    return number if number is not None else ids.decode("hook", text)
