"""HTTP/1.1 over asyncio protocols: the cheapest server and client a benchmark can put beside the daemon.

Answers for: keep-alive connections parsed by httptools, on both sides, one exchange in flight on each connection.
Must never: hold up what is measured (no tasks, no streams, no awaiting here), or know what is being benchmarked.
"""

import asyncio
from collections.abc import Callable
from typing import cast

import httptools

_REASONS = {200: b"OK", 202: b"Accepted", 404: b"Not Found", 503: b"Service Unavailable"}


def request(method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """One whole request, ready to be written."""
    fields = {"host": "127.0.0.1", "content-length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def response(status: int, body: bytes, content_type: bytes = b"application/json") -> bytes:
    """One whole response, ready to be written."""
    head = b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"
    return head % (status, _REASONS[status], content_type, len(body)) + body


class Served(asyncio.Protocol):
    """One connection of a server: hands each whole request to `take(connection, path, body)`.

    `take` answers with `write`, at once or later; a peer that pipelines could see answers out of order, so none does.
    """

    def __init__(self, take: Callable[["Served", bytes, bytes], None]) -> None:
        self._take = take
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""
        self._parts: list[bytes] = []
        self.write: Callable[[bytes], None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.write = cast(asyncio.Transport, transport).write  # uvloop's transports inherit from nothing of asyncio's

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_body(self, part: bytes) -> None:
        self._parts.append(part)

    def on_message_complete(self) -> None:
        path, parts = self._path, self._parts
        self._path, self._parts = b"", []
        self._take(self, path, parts[0] if len(parts) == 1 else b"".join(parts))


class Calling(asyncio.Protocol):
    """One connection of a client: `ask` writes a request, `answered(connection, status, body)` gets its answer."""

    def __init__(self, answered: Callable[["Calling", int, bytes], None]) -> None:
        self._answered = answered
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self.ask: Callable[[bytes], None]
        self.lost: Callable[[Calling], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        opened = cast(asyncio.Transport, transport)
        # A batch of many megabytes goes out in one write; the default mark would only call pause_writing for nothing.
        opened.set_write_buffer_limits(high=64 * 1024 * 1024)
        self.ask = opened.write
        self.close = opened.close

    def connection_lost(self, exc: Exception | None) -> None:
        if self.lost is not None:
            self.lost(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, part: bytes) -> None:
        self._parts.append(part)

    def on_message_complete(self) -> None:
        parts, self._parts = self._parts, []
        status = self._parser.get_status_code()
        self._answered(self, status, parts[0] if len(parts) == 1 else b"".join(parts))


async def connect(host: str, port: int, count: int, answered: Callable[[Calling, int, bytes], None]) -> list[Calling]:
    """Open `count` keep-alive connections whose answers all go to `answered`."""
    loop = asyncio.get_running_loop()
    opened = [await loop.create_connection(lambda: Calling(answered), host, port) for _ in range(count)]
    return [calling for _, calling in opened]
