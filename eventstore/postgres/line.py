"""The one connection that writes: made anew when it is lost, each time under a turn of its own.

This file answers for nothing that was sent through an earlier connection being written once a new one is there. It must
never know what is sent.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import Final

from eventstore.postgres.connection import TROUBLE, Connection, connect, farewell
from eventstore.postgres.owning import Ownership, Purpose

# How long a lost connection is tried for before callers are told: as long as a server takes to drop one and let us in
# again, and not so long that a door keeps its clients waiting for a server that is down.
AGAIN_FOR_S: Final = 2.0
_FIRST_WAIT_S: Final = 0.05


class Line:
    """A connection that writes, and its turn. There is none before it is first asked for, unless one is given."""

    def __init__(
        self, url: str, ownership: Ownership, purpose: Purpose, *, connection: Connection | None = None, turn: int = 0
    ) -> None:
        self._url = url
        self._ownership = ownership
        self._purpose: Purpose = purpose
        self._connection = connection
        self.turn = turn

    async def connected(self) -> Connection:
        """The connection, made anew where it is lost.

        Raises StoreUnavailable where the fence says no, and what the driver raises.
        """
        if self._connection is None or self._connection.is_closed():
            async with AsyncExitStack() as undo:
                connection = await connect(self._url, for_writing=True)
                undo.callback(connection.terminate)
                self.turn = await self._ownership.take_turn(connection, self._purpose)
                self._connection = connection
                undo.pop_all()
        return self._connection

    def drop(self) -> None:
        """Whatever was sent may still be on its way: only a new turn tells."""
        if self._connection is not None:
            self._connection.terminate()

    async def close(self) -> None:
        """Lets go of the connection."""
        if self._connection is not None:
            await farewell(self._connection)

    async def again(self) -> Connection:
        """The connection, tried for a while. Raises as `connected` does, once it was tried for long enough."""
        loop = asyncio.get_running_loop()
        end, wait_s = loop.time() + AGAIN_FOR_S, _FIRST_WAIT_S
        while True:
            try:
                return await self.connected()
            except TROUBLE:
                if loop.time() + wait_s > end:
                    raise
            await asyncio.sleep(wait_s)
            wait_s *= 2


async def begin(url: str, connection: Connection, ownership: Ownership) -> Line:
    """The line of a connection that has just claimed the database. Raises what the driver raises."""
    return Line(url, ownership, "turn", connection=connection, turn=await ownership.take_turn(connection, "turn"))
