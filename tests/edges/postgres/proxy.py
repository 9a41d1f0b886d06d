"""A proxy between a daemon and its PostgreSQL server that cuts connections where it hurts most.

It reads just enough of the protocol (version 3, in the clear) to know a batch from everything else. What it
passes on it passes on as it came.
"""

import asyncio
from typing import Final

from tests.listener import Listener

_HEADER_BYTES: Final = 5
# What a batch of the log has in its text, and one that a daemon takes in while it stands by.
OF_THE_LOG: Final = b"INSERT INTO event "
OF_A_DOOR: Final = b"INSERT INTO inbox "


class Proxy(Listener):
    """Passes everything on. Of the batches each n-th is cut between its commit and the answer, `cut_every` being n."""

    def __init__(self, host: str, port: int, *, cut_every: int, batch: bytes = OF_THE_LOG) -> None:
        super().__init__()
        self._place = host, port
        self.batch = batch
        self._cut_every = cut_every
        self.batches = 0
        self.cuts = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """See Listener."""
        try:
            from_server, to_server = await asyncio.open_connection(*self._place)
        except OSError:
            return
        link = _Link(self)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(link.up(reader, to_server))
                group.create_task(link.down(from_server, writer))
        except* (ConnectionError, asyncio.IncompleteReadError, _Cut):
            pass
        finally:
            to_server.transport.abort()

    def takes(self) -> bool:
        """Whether the batch that is on its way now is one to cut."""
        self.batches += 1
        return self.batches % self._cut_every == 0


class _Cut(Exception):
    """The connection ends here."""


class _Link:
    """One connection."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._batches: set[bytes] = set()
        self._is_doomed = False

    async def up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """From the daemon to the server."""
        # The first message has no kind, only a length.
        length = await reader.readexactly(4)
        writer.write(length + await reader.readexactly(int.from_bytes(length) - 4))
        while True:
            kind, body, whole = await _message(reader)
            if kind == b"P":
                name, _, text = body.partition(b"\0")
                self._batches |= {name} if self._proxy.batch in text else set()
            # A bind names its portal and then its statement.
            if kind == b"B" and body.split(b"\0", 2)[1] in self._batches:
                self._is_doomed = self._proxy.takes()
            writer.write(whole)
            await writer.drain()

    async def down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """From the server to the daemon. Of a batch that is to be cut nothing is heard; the server is done with it."""
        while True:
            kind, _, whole = await _message(reader)
            if self._is_doomed:
                if kind == b"Z":
                    self._proxy.cuts += 1
                    raise _Cut
                continue
            writer.write(whole)
            await writer.drain()


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes, bytes]:
    header = await reader.readexactly(_HEADER_BYTES)
    body = await reader.readexactly(int.from_bytes(header[1:]) - 4)
    return header[:1], body, header + body
