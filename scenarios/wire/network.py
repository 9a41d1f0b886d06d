"""The network of one life: names with their addresses, and who answers at each of them.

This file answers for every name having one address of its own, which looks public, and for how long it takes to reach
somebody. It must never open anything.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from core.policies import SECOND_US
from scenarios.wire.exchange import Exchange, present
from scenarios.wire.line import Line

# Where somebody answers who is no concern of an attempt: our own door, or an issuer of tokens.
_REACHED_US: Final = 1_000


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers: a protocol for each line. `carries`: its lines are those that attempts meet their fate on."""

    protocol: Callable[[], asyncio.BaseProtocol]
    carries: bool


class Network:
    """All who can be reached. `anybody` answers under every name that has no server of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop, servers: Mapping[str, Server], anybody: Server) -> None:
        self._loop = loop
        self._servers = servers
        self._anybody = anybody
        self._addresses: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def address_of(self, name: str) -> str:
        """The address of a name, or of a number that is used as one."""
        if name not in self._addresses:
            number = len(self._addresses)
            self._addresses[name] = f"45.{number >> 8 & 0xFF}.{number & 0xFF}.1"
            self._names[self._addresses[name]] = name
        return self._addresses[name]

    async def reach(self) -> None:
        """Takes as long as it takes to connect. Raises ConnectionRefusedError where nobody listens."""
        call = present()
        meeting = call.meeting if isinstance(call, Exchange) else None
        span_us = _REACHED_US if meeting is None else meeting.connects_us
        await asyncio.sleep(span_us / SECOND_US)
        fails = None if meeting is None else meeting.fails
        if fails is not None and fails.kind == "refused":
            raise ConnectionRefusedError("nobody listens there")

    def line_to(self, address: str, protocol: asyncio.BaseProtocol) -> asyncio.Transport:
        """A line to whoever has the address."""
        name = self._names.get(address, address)
        server = self._servers.get(name, self._anybody)
        line = Line(self._loop, protocol, server.protocol(), carries=server.carries)
        line.open()
        return line.client
