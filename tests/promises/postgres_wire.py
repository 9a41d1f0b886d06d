"""Answers for a wire to a PostgreSQL server that breaks to order: before a batch arrives, before its answer does.

It must never look into what passes, but for which connection is the writer's.
"""

import asyncio
from types import TracebackType
from typing import Final, Literal
from urllib.parse import urlsplit

# What the writer's connection says of itself as it begins (PostgreSQL's protocol, 53.7: StartupMessage).
_WRITER: Final = b"tidings writer"
_CHUNK: Final = 1 << 20

Break = Literal["before it arrives", "before its answer", "and it arrives late"]


class Wire:
    """A door of its own to a server, through which everything passes until it is told otherwise."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server
        self._break: Break | None = None
        self._for_good = False
        # The server's side of a connection that was cut, and what had not arrived.
        self._late: tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.is_down = False
        self.is_mute = False
        self.connections = 0

    async def __aenter__(self) -> "Wire":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self._cut_all()
        await self._server.wait_closed()
        while self._writers:
            await asyncio.wait([asyncio.ensure_future(_gone(writer)) for writer in self._writers])

    @property
    def url(self) -> str:
        """Where the server is found through this wire."""
        port = self._server.sockets[0].getsockname()[1]
        user = self._parts.netloc.rpartition("@")[0]
        return self._parts._replace(netloc=f"{user}@127.0.0.1:{port}", query="").geturl()

    def break_at_next_batch(self, how: Break, *, for_good: bool = False) -> None:
        """The writer's connection breaks at what it sends next; for good, there is no other after it."""
        self._break, self._for_good = how, for_good

    def go_down(self) -> None:
        """Cuts every connection, and every new one at once."""
        self.is_down = True
        self._cut_all()

    async def deliver_late(self) -> bytes:
        """What was on its way as its connection was cut arrives now; what the server answers."""
        assert self._late is not None, "nothing is on its way"
        (data, reader, writer), self._late = self._late, None
        writer.write(data)
        answer = await reader.read(_CHUNK)
        writer.close()
        return answer

    def _cut_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            if self.is_down:
                return
            if self.is_mute:
                await reader.read()
                return
            await self._connect(reader, writer)
        except OSError:
            pass
        finally:
            writer.transport.abort()
            self._writers.discard(writer)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to_there = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        answers = asyncio.create_task(_pass_on(there, writer))
        try:
            is_writer = False
            while data := await reader.read(_CHUNK):
                is_writer = is_writer or _WRITER in data
                if is_writer and self._break is not None:
                    answers.cancel()
                    await asyncio.wait([answers])
                    await self._break_off(data, there, to_there)
                    return
                to_there.write(data)
        finally:
            answers.cancel()
            if self._late is None or self._late[2] is not to_there:
                to_there.transport.abort()

    async def _break_off(self, data: bytes, there: asyncio.StreamReader, to_there: asyncio.StreamWriter) -> None:
        how, self._break = self._break, None
        if how == "and it arrives late":
            self._late = data, there, to_there
        elif how == "before its answer":
            to_there.write(data)
            await there.read(_CHUNK)
        if self._for_good:
            self.go_down()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
    except OSError:
        pass
    writer.transport.abort()


async def _gone(writer: asyncio.StreamWriter) -> None:
    try:
        await writer.wait_closed()
    except OSError:
        pass
