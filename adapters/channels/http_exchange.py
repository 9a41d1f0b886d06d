"""One request over HTTP, as every channel that speaks it needs: when it left, what a fault means, what is closed.

This file answers for the moment of the hand-over, for whether a request without an answer leaves doubt, and for
connections that are closed only after what is under way on them. It must never know what an answer means, follow a
redirect, keep a cookie, or let an error through that tells a URL.
"""

import math
import socket
import ssl
from asyncio import Event
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final

from aiohttp import (
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientConnectorSSLError,
    ClientError,
    ClientResponse,
    ClientResponseError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from aiohttp.abc import AbstractResolver, AbstractStreamWriter
from aiohttp.payload import Payload

from core.outcomes import Ambiguous, Outcome, Transient
from core.policies import SECOND_US

SocketFactory = Callable[
    [tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]],
    socket.socket,
]

BROKEN: Final = (ClientError, TimeoutError, OSError)
"""What a request that gets no answer raises."""

_RESOLVED_FOR_S: Final = 30


class Connections:
    """A session that is made with its first request, and closed once the requests under way have ended."""

    def __init__(
        self,
        *,
        agent: str,
        tls: ssl.SSLContext,
        keep_alive_us: int,
        resolver: AbstractResolver | None = None,
        socket_factory: SocketFactory | None = None,
    ) -> None:
        self._agent = agent
        self._tls = tls
        self._keep_alive_us = keep_alive_us
        self._resolver = resolver
        self._socket_factory = socket_factory
        self._session: ClientSession | None = None
        self._in_flight = 0
        self._settled: Event | None = None

    def in_use(self) -> AbstractContextManager[ClientSession]:
        """The session, which is not closed meanwhile."""
        return self  # One made from a generator would cost each request more than all that it does.

    def __enter__(self) -> ClientSession:
        session = self._opened()
        self._in_flight += 1
        return session

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._in_flight -= 1
        if self._in_flight == 0 and self._settled is not None:
            self._settled.set()

    async def close(self) -> None:
        """Closes every connection, once the requests that are under way have ended: their deadlines bound that."""
        if self._in_flight:
            self._settled = Event()
            await self._settled.wait()
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def _opened(self) -> ClientSession:
        # Not before the first send: a session belongs to the running loop, and a checked configuration needs none.
        if self._session is None:
            connector = TCPConnector(
                ssl=self._tls,
                resolver=self._resolver,
                ttl_dns_cache=_RESOLVED_FOR_S,
                socket_factory=self._socket_factory,
                keepalive_timeout=self._keep_alive_us / SECOND_US,
                limit=0,  # The governor bounds what is in flight; a second queue here would only eat deadlines.
            )
            self._session = ClientSession(
                connector=connector,
                headers={"User-Agent": self._agent},
                cookie_jar=DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session


class Body(Payload):
    """The bytes to send; knows the moment at which the first of them leaves, together with the headers."""

    _autoclose = True

    def __init__(self, content: bytes, content_type: str, handed_over: Callable[[], None] | None) -> None:
        super().__init__(content, content_type=content_type)
        self._size = len(content)
        self._handed_over = handed_over
        self.content = content
        self.left = False

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The body as text, which aiohttp asks for in error messages."""
        return self.content.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Writes headers and body."""
        # A connection that was lost since it was taken from the pool carries nothing: then writing raises.
        if writer.transport is not None and not writer.transport.is_closing():
            self.left = True
            if self._handed_over is not None:
                self._handed_over()
        await writer.write(self.content)


def trust(ca_file: str | None) -> ssl.SSLContext:
    """Trust in the usual authorities, and in those of a file. Raises OSError where that cannot be read."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


def within(left_us: int) -> ClientTimeout:
    """A bound on a whole request, its answer's body included."""
    # Unrounded: by default aiohttp stretches what is longer than 5 s to the next whole second.
    return ClientTimeout(total=left_us / SECOND_US, ceil_threshold=math.inf)


def fault(error: ClientError | TimeoutError | OSError, *, left: bool) -> Outcome:
    """What a request without an answer came to: in doubt only where its first byte had `left`.

    Certificates and URLs are judged by the caller, who knows whose they are.
    """
    match error:
        case ClientConnectorSSLError():
            return Transient(code="tls")
        case ClientConnectorDNSError():
            return Transient(code="dns")
        case ClientConnectorError():
            return Transient(code="connect")
        case TimeoutError():
            code = "timeout"
        case ClientResponseError():
            code = "bad_answer"
        case _:
            code = "disconnected"
    return Ambiguous(code=code) if left else Transient(code=code)


async def first_bytes(response: ClientResponse, bytes_max: int) -> tuple[bytes, bool]:
    """What an answer's body begins with, and whether that is all of it; its connection is given back either way.

    A body that breaks off ends early: its status came, and that is an answer. More than `bytes_max` is never kept.
    """
    pieces: list[bytes] = []
    left_bytes = bytes_max
    whole = False
    try:
        while left_bytes > 0 and not response.content.at_eof():
            piece = await response.content.readany()
            pieces.append(piece[:left_bytes])
            left_bytes -= len(piece)
        whole = response.content.at_eof() and left_bytes >= 0
    except BROKEN:
        pass  # The status has been read; only the rest of the body is lost, and with it the connection.
    finally:
        response.release()
    return b"".join(pieces), whole
