"""Bodies of hooks as they come in: whoever sends them has shown nothing yet.

This file answers for the bytes of all hooks in memory being bounded together, and each by itself, in size and in time.
It must never look at what it reads: a signature is over the very bytes.
"""

import asyncio
from types import TracebackType
from typing import Self

from aiohttp import web

from adapters.web.problems import Declined, badly_framed, too_large, too_slow
from core.errors import Overloaded


class Room:
    """The memory for bodies, shared by all that are being read or taken charge of."""

    __slots__ = ("bytes", "bytes_max")

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.bytes = 0

    def share(self) -> "Share":
        """One hook's part, which is given back at the end of the block."""
        return Share(self)


class Share:
    """What one hook holds."""

    __slots__ = ("_room", "bytes")

    def __init__(self, room: Room) -> None:
        self._room = room
        self.bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._room.bytes -= self.bytes

    def grow(self, more_bytes: int) -> None:
        """Takes so many bytes more. Raises Overloaded where there is no room."""
        room = self._room
        if room.bytes + more_bytes > room.bytes_max:
            raise Overloaded(f"hooks of {room.bytes_max} bytes are being taken already")
        room.bytes += more_bytes
        self.bytes += more_bytes


def body_at_hand(request: web.Request, share: Share, *, bytes_max: int) -> bytes | None:
    """A body that came together with its head, as small ones do; None where `hook_body` has to wait for it.

    Raises as that does.
    """
    if not request.content.is_eof():
        return None
    try:
        body = request.content.read_nowait()
    except web.RequestPayloadError:
        raise badly_framed() from None
    share.grow(len(body))
    if len(body) > bytes_max:
        raise too_large(bytes_max)
    return body


async def hook_body(request: web.Request, share: Share, *, bytes_max: int, silence_s: float) -> bytes:
    """The whole body: within the bound (else 413), in time (408), and well-formed on the wire (400)."""
    length = request.content_length
    # Said beforehand, it need not be read first.
    if length is not None and length > bytes_max:
        raise too_large(bytes_max)
    try:
        async with asyncio.timeout(silence_s):
            return await _read(request, share, bytes_max)
    except TimeoutError:
        raise Declined(too_slow(silence_s)) from None
    except web.RequestPayloadError:
        raise badly_framed() from None


async def _read(request: web.Request, share: Share, bytes_max: int) -> bytes:
    pieces: list[bytes] = []
    while piece := await request.content.readany():
        share.grow(len(piece))
        if share.bytes > bytes_max:
            raise too_large(bytes_max)
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
