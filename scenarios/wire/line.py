"""One connection: two ends in memory, a way there and a way back, and what goes wrong with the bytes on them.

This file answers for bytes coming in order and in time, for what each kind of break looks like from both ends, and for
a writer being held up where its protocol asked for that. It must never know what the bytes mean.
"""

import asyncio
from typing import Final

from core.policies import SECOND_US
from scenarios.wire.course import Course
from scenarios.wire.end import End
from scenarios.wire.exchange import Call, present

# What goes by on a line that carries no attempt: a greeting, a token, a goodbye.
_PLAIN: Final = Course(there_us=2_000, back_us=2_000)
# How a mail ends, which is where it breaks at the latest.
_FINAL_DOT: Final = b".\r\n"


class Line:
    """A line from a client to a server. `carries`: attempts go over it, and meet on it what is in store for them."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        client: asyncio.BaseProtocol,
        server: asyncio.BaseProtocol,
        *,
        carries: bool,
    ) -> None:
        self.client = End(loop, client, self)
        self.server = End(loop, server, self)
        self.client.other, self.server.other = self.server, self.client
        self.exchange: Call | None = None
        self._loop = loop
        self._carries = carries
        self._carried = 0
        self._writes = 0
        self._is_cut = False
        self._is_answered = False

    def open(self) -> None:
        """Both ends learn of each other."""
        self.client.protocol.connection_made(self.client)
        self.server.protocol.connection_made(self.server)

    def carry(self, end: End, data: bytes) -> None:
        """What one end writes."""
        if end is self.server:
            self._carry_back(data)
            return
        exchange = present() if self._carries else None
        if exchange is not None and exchange is not self.exchange:
            self._begin(exchange)
        self._carry_there(_PLAIN if exchange is None else exchange.course, data)

    def _begin(self, exchange: Call) -> None:
        self.exchange = exchange
        self._carried += 1
        self._writes = 0
        self._is_answered = False

    def _carry_there(self, course: Course, data: bytes) -> None:
        writes, self._writes = self._writes, self._writes + 1
        if course.is_lost or self._is_cut:
            return
        if course.is_stale and self._carried > 1:
            self._break(course.there_us)
        elif course.breaks_in is not None and (writes >= course.breaks_in or data.endswith(_FINAL_DOT)):
            self._pass(self.server, data[: int(course.breaks_at * len(data))], course, course.there_us)
            self._break(course.there_us)
        else:
            self._pass(self.server, data, course, course.there_us)

    def _carry_back(self, data: bytes) -> None:
        course = _PLAIN if self.exchange is None else self.exchange.course
        if self._is_cut:
            return
        if self.exchange is None or not self.exchange.has_arrived or self._is_answered:
            self._pass(self.client, data, course, course.back_us)
            return
        self._is_answered = True
        back_us = course.back_us + course.slow_us
        if course.garbage:
            self._pass(self.client, course.garbage, course, back_us)
            self._hang_up(back_us)
        elif course.ends_at is None:
            self._pass(self.client, data, course, back_us)
        else:
            self._pass(self.client, data[: int(course.ends_at * len(data))], course, back_us)
            self._end(course.ends_by, back_us)

    def _end(self, by: str, after_us: int) -> None:
        if by == "breaks":
            self._break(after_us)
        elif by == "closes":
            self._hang_up(after_us)
        else:
            assert by == "stalls", by
            self._is_cut = True

    def _pass(self, to: End, data: bytes, course: Course, after_us: int) -> None:
        if not course.in_bytes:
            to.come(data, after_us)
            return
        for place in range(len(data)):
            to.come(data[place : place + 1], after_us + place * course.gap_us)

    def _break(self, after_us: int) -> None:
        """Both ends lose the line, with an error, after what is under way."""
        self._is_cut = True
        self._loop.call_later(after_us / SECOND_US, self._lost)

    def _lost(self) -> None:
        for end in (self.client, self.server):
            end.lose(ConnectionResetError("the line broke"))

    def _hang_up(self, after_us: int) -> None:
        """The server closes the line after what is under way."""
        self._is_cut = True
        self.client.come(None, after_us)
        self._loop.call_later(after_us / SECOND_US, self.server.lose, None)
