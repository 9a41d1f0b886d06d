"""One end of a line: the transport that a protocol writes to, and where the bytes of the other end come out.

This file answers for what asyncio promises of transports: bytes in order, the end of them once, the loss of the line
once, and nothing after it.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Final, Protocol, cast

from core.policies import SECOND_US

_HIGH_BYTES: Final = 65_536


class Carrier(Protocol):
    """What lies between two ends."""

    def carry(self, end: "End", data: bytes) -> None:
        """Takes what an end writes."""
        ...


class End(asyncio.Transport):
    """A transport without a socket. `other` is the end of the other side."""

    other: "End"

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.BaseProtocol, line: Carrier) -> None:
        super().__init__()
        self.protocol = protocol
        self.line = line
        self._loop = loop
        self._is_closing = False
        self._is_lost = False
        self._is_paused = False
        self._comes_last_s = 0.0
        # What came while nobody read; None is the end of it.
        self._waiting: deque[bytes | None] = deque()
        self._under_way_bytes = 0
        self._high_bytes = _HIGH_BYTES
        self._holds_up = False

    # -- what the line does

    def come(self, data: bytes | None, after_us: int) -> None:
        """Bytes for this end, or with None the end of them: after this time, and never before what came before."""
        if data is not None:
            self.other.leaves(len(data))
        self._comes_last_s = max(self._comes_last_s, self._loop.time() + after_us / SECOND_US)
        self._loop.call_at(self._comes_last_s, self._here, data)

    def lose(self, error: ConnectionError | None) -> None:
        """The line is gone; an error tells that it broke."""
        if self._is_lost:
            return
        self._is_closing = self._is_lost = True
        self._waiting.clear()
        self._loop.call_soon(self.protocol.connection_lost, error)

    def _here(self, data: bytes | None) -> None:
        if data is not None:
            self.other.arrived(len(data))
        if self._is_lost:
            return
        self._waiting.append(data)
        self._read()

    def _read(self) -> None:
        while self._waiting and not self._is_paused and not self._is_lost:
            data = self._waiting.popleft()
            protocol = cast("asyncio.Protocol", self.protocol)
            if data is not None:
                protocol.data_received(data)
            elif not protocol.eof_received():
                self.close()

    def leaves(self, count_bytes: int) -> None:
        """So many bytes of this end's are under way."""
        self._under_way_bytes += count_bytes
        if self._under_way_bytes > self._high_bytes and not self._holds_up:
            self._holds_up = True
            self.protocol.pause_writing()

    def arrived(self, count_bytes: int) -> None:
        """So many bytes of this end's are there."""
        self._under_way_bytes -= count_bytes
        if self._holds_up and self._under_way_bytes <= self._high_bytes // 4:
            self._holds_up = False
            self.protocol.resume_writing()

    # -- what asyncio asks

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Sends bytes; they are dropped where the line is closing."""
        if not self._is_closing and data:
            self.line.carry(self, bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Sends all of them at once."""
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        """Says that no more comes from here."""
        if not self._is_closing:
            self.other.come(None, 0)

    def can_write_eof(self) -> bool:
        """It can."""
        return True

    def close(self) -> None:
        """Closes the line once what was written is through."""
        if not self._is_closing:
            self._is_closing = True
            self.other.come(None, 0)
            self.lose(None)

    def abort(self) -> None:
        """Breaks the line."""
        self.lose(None)
        self.other.lose(ConnectionResetError("the other side broke the line"))

    def is_closing(self) -> bool:
        """Whether nothing can be written any more."""
        return self._is_closing

    def pause_reading(self) -> None:
        """What comes waits."""
        self._is_paused = True

    def resume_reading(self) -> None:
        """What waits is read, and what comes from now on."""
        if self._is_paused:
            self._is_paused = False
            self._loop.call_soon(self._read)

    def is_reading(self) -> bool:
        """Whether what comes is read."""
        return not self._is_paused and not self._is_closing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """How much may be under way before the writer is held up."""
        self._high_bytes = _HIGH_BYTES if high is None else high

    def get_write_buffer_size(self) -> int:
        """How much is under way."""
        return self._under_way_bytes

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Another reader."""
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The reader."""
        return self.protocol
