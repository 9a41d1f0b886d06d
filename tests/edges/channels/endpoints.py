"""A real HTTP server, byte by byte, that answers each request as the test ordered."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from tests.listener import Listener

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it came in; header names in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


class Endpoint(Listener):
    """Answers the n-th request with the n-th order, and with the last one from there on."""

    def __init__(self, *answers: Answer, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls=tls)
        self._answers = list(answers)
        self.received: list[Received] = []

    def url(self, path: str = "/hook", *, host: str = "127.0.0.1") -> str:
        """Where it listens."""
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """See Listener."""
        while not writer.is_closing():
            received = await _read(reader)
            self.received.append(received)
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            await answer(writer)
            await writer.drain()


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(line=head[0], headers=headers, body=body)


def answers(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
    """A whole answer at once."""
    lines = [f"HTTP/1.1 {status} whatever", f"Content-Length: {len(body)}"]
    lines.extend(f"{name}: {value}" for name, value in (headers or {}).items())
    return says("\r\n".join([*lines, "", ""]).encode() + body)


def says(data: bytes) -> Answer:
    """These bytes, and the connection stays."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return answer


def in_pieces(*pieces: bytes) -> Answer:
    """These bytes, each piece in a packet of its own."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            # Long enough for the other side to have read it and asked for more.
            for _ in range(20):
                await asyncio.sleep(0)

    return answer


def then_silence(data: bytes = b"") -> Answer:
    """These bytes, and then nothing more until the test is over."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await asyncio.Event().wait()

    return answer


def then_closes(data: bytes = b"") -> Answer:
    """These bytes, and the connection ends in good order."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        writer.close()

    return answer


def when(allowed: asyncio.Event, data: bytes) -> Answer:
    """These bytes, but not before the test allows it."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        await allowed.wait()
        writer.write(data)

    return answer


async def resets(writer: asyncio.StreamWriter) -> None:
    """The connection is torn down without a word."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
