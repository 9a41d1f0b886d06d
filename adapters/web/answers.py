"""How answers are written: JSON with RFC 3339 times, from structs that also make the OpenAPI document.

This file answers for encoding, and for the bytes that go out. Which names an answer has is said beside the calls that
give it; programs rely on those: add fields, rename and remove none. It must never write a head other than the server
itself would.
"""

from datetime import datetime
from email.utils import formatdate
from typing import Final

import msgspec
from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import SERVER_SOFTWARE, HttpVersion11

from adapters.clock import wall_us
from adapters.moments import moment

_ENCODER: Final = msgspec.json.Encoder()
_JSON_HEADERS: Final = {"Content-Type": "application/json"}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The root of all answers."""


def answer(value: Answer, status: int = 200) -> web.Response:
    """A value as a JSON answer."""
    return JsonResponse(_ENCODER.encode(value), status)


def encoded(value: Answer) -> bytes:
    """A value as JSON."""
    return _ENCODER.encode(value)


def moment_or_none(instant_us: int | None) -> datetime | None:
    """An instant as a datetime, which msgspec writes as RFC 3339; None stays None."""
    return None if instant_us is None else moment(instant_us)


class JsonResponse(web.Response):
    """JSON whose head and body go out in one piece, where nothing about the request is unusual.

    The library goes through a table of headers for each answer, though all of one status and second differ in their
    length alone: a sixteenth of the time of accepting a message. Every other answer is left to it.
    """

    def __init__(self, body: bytes, status: int) -> None:
        super().__init__(body=body, status=status, headers=_JSON_HEADERS)
        self._json = body
        self._is_out = False

    @property
    def prepared(self) -> bool:
        """Whether anything of it may be out."""
        return self._is_out or super().prepared

    @property
    def keep_alive(self) -> bool | None:
        """Whether the line stays open after it."""
        return True if self._is_out else super().keep_alive

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Sends it whole, or has the library begin."""
        if self._is_out or not self._is_usual(request):
            return await super().prepare(request)
        self._is_out = True
        before, after = _HEADS.around_length(self.status, self.reason)
        writer = request.writer
        await writer.write(b"%b%d%b%b" % (before, len(self._json), after, self._json))
        # A client that reads nothing is waited for, whatever it goes on to ask.
        await writer.drain()
        return writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to send where it went out whole."""
        if not self._is_out:
            await super().write_eof(data)

    def _is_usual(self, request: web.BaseRequest) -> bool:
        """Whether the line stays open in the way of HTTP/1.1, the body is wanted, and nobody added a header."""
        return (
            request.version == HttpVersion11
            and request.keep_alive
            and request.method != hdrs.METH_HEAD
            and len(self.headers) == 1
        )


class _Heads:
    """The heads of JSON answers, by status, made once a second: each as what stands before the length and after it."""

    def __init__(self) -> None:
        self._second = 0
        self._made: dict[int, tuple[bytes, bytes]] = {}

    def around_length(self, status: int, reason: str) -> tuple[bytes, bytes]:
        second = wall_us() // 1_000_000
        if second != self._second:
            self._second, self._made = second, {}
        made = self._made.get(status)
        if made is None:
            before = f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: "
            after = f"\r\nDate: {formatdate(second, usegmt=True)}\r\nServer: {SERVER_SOFTWARE}\r\n\r\n"
            made = self._made[status] = before.encode(), after.encode()
        return made


_HEADS: Final = _Heads()
