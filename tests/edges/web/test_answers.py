"""Answers for the bytes of an answer: what the door writes by itself is what the library would have written."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import anyio
import pytest
from aiohttp import web

from adapters.web.answers import Answer, answer
from tests.edges.web.house import Line, line_to

pytestmark = pytest.mark.anyio

_DATE: Final = re.compile(rb"\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT(?=\r\n)")
_LAST: Final = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
# More than the system keeps for a client that does not read: it takes a few megabytes of a connection.
_UNREAD: Final = 1_000


class _Said(Answer, frozen=True, kw_only=True):
    """What is answered here."""

    words: str


def _ours(words: str) -> web.Response:
    return answer(_Said(words=words), 202)


def _ours_with_a_header(words: str) -> web.Response:
    given = _ours(words)
    given.headers["X-Correlation-Id"] = "7"
    return given


def _the_librarys(words: str) -> web.Response:
    ours = _ours(words)
    return web.Response(body=ours.body, status=ours.status, headers=ours.headers)


def _the_librarys_with_a_header(words: str) -> web.Response:
    ours = _ours_with_a_header(words)
    return web.Response(body=ours.body, status=ours.status, headers=ours.headers)


Made = Callable[[str], web.Response]


class _Server:
    """A server of one path; `answered` counts what it was asked."""

    def __init__(self, made: Made, words: str) -> None:
        self._made = made
        self._words = words
        self.answered = 0

    async def answer(self, _request: web.BaseRequest) -> web.StreamResponse:
        self.answered += 1
        return self._made(self._words)

    @asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        """A connection to it that takes in hardly anything that is not asked for."""
        runner = web.ServerRunner(web.Server(self.answer, access_log=None))
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            async with line_to(runner.addresses[0][1]) as line:
                yield line
        finally:
            await runner.cleanup()


async def _given(made: Made, request: bytes) -> bytes:
    """All that a request is answered with until the server hangs up, its dates taken out."""
    async with _Server(made, 'quoted "ü"').line() as line:
        await line.send(request)
        given, dates = _DATE.subn(b"", await line.all())
    assert dates == given.count(b"HTTP/1."), given
    return given


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}" + _LAST,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 3 + _LAST,
        b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n" + _LAST,
        b"GET / HTTP/1.0\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n" + _LAST,
    ],
    ids=["a body", "several at once", "no body wanted", "HTTP/1.0", "HTTP/1.0 that stays"],
)
@pytest.mark.parametrize(
    ("ours", "librarys"),
    [(_ours, _the_librarys), (_ours_with_a_header, _the_librarys_with_a_header)],
    ids=["plain", "with a header"],
)
async def test_an_answer_is_what_the_library_would_write(ours: Made, librarys: Made, request_bytes: bytes) -> None:
    """Byte for byte the same head and body, whatever the request is like, and the line stays open or not alike."""
    assert await _given(ours, request_bytes) == await _given(librarys, request_bytes)


async def test_a_client_that_reads_nothing_is_waited_for() -> None:
    """Answers do not pile up in memory for a client that asks on and on and never reads one."""
    server = _Server(_ours, "x" * 50_000)
    async with server.line() as line:
        with anyio.move_on_after(0.4) as patience:
            await line.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * _UNREAD)
            await anyio.Event().wait()
        assert patience.cancelled_caught
        assert 0 < server.answered < _UNREAD // 2
