"""The loop of a run that has a network: what asyncio offers for connections leads to the wire of the run.

This file answers for three calls of asyncio and no others: resolving a name, connecting a socket, making a connection.
It must never open a socket; servers and datagrams stay refused.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from scenarios.loop.virtual import VirtualLoop
from scenarios.wire.network import Network
from scenarios.wire.plugs import Plug, plugs

AddressInfo = tuple[int, int, int, str, tuple[str, int]]


class WireLoop(VirtualLoop):
    """Virtual time with a wire. Whoever lives on it plugs the network in before anybody calls."""

    network: Network

    async def getaddrinfo(self, host: str, port: int, **_options: object) -> list[AddressInfo]:  # type: ignore[override]
        """The one address that a name has."""
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (self.network.address_of(host), port))]

    async def sock_connect(self, sock: socket.socket, address: tuple[str, int]) -> None:  # type: ignore[override]
        """Takes as long as it does; raises ConnectionRefusedError where nobody listens."""
        assert isinstance(sock, Plug), "on the wire there are plugs only"
        await self.network.reach()
        sock.at = address

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.Protocol],
        host: str | None = None,
        port: int | None = None,
        *,
        sock: socket.socket | None = None,
        **_options: object,
    ) -> tuple[asyncio.Transport, Any]:
        """A line to whoever has the address. What was asked of TLS is passed over: lines are in the clear."""
        if sock is None:
            assert host is not None, "a line leads somewhere"
            await self.network.reach()
            at = self.network.address_of(host)
        else:
            assert isinstance(sock, Plug), "on the wire there are plugs only"
            at = sock.at[0]
            sock.close()
        protocol = protocol_factory()
        return self.network.line_to(at, protocol), protocol

    def run_forever(self) -> None:
        """Runs until stopped; meanwhile sockets are plugs."""
        with plugs():
            super().run_forever()
