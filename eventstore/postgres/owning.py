"""Who writes this database: one daemon at a time, known by a number of its own for each start.

This file answers for a second daemon being refused while the first is alive, for a dead one being replaced, and for
whoever was replaced learning it. It must never rest on a lock that goes with a connection, nor on a clock of ours: the
database judges by its own.
"""

import asyncio
from typing import Final, NoReturn

from core.errors import StoreRefused, StoreUnavailable
from core.ids import SHARDS
from eventstore.postgres.connection import TROUBLE, Connection, connect, farewell, place_of, words_of

# How often a daemon is heard of, and after how long of silence it counts as dead: long enough for a pause of its
# process or a short outage of the database, short enough for a restart after a crash.
BEAT_S: Final = 3.0
SILENCE_S: Final = 15
# How soon it is tried again where the database did not hear it.
AGAIN_S: Final = 0.5

# Nodes that ended so long ago are forgotten. Their batches find no row of theirs then, which is as good as a dead one.
_FORGOTTEN: Final = "DELETE FROM node WHERE state <> 'up' AND started < clock_timestamp() - interval '30 days'"
# Holds up whoever else means to claim, and nobody who writes.
_ALONE: Final = "SELECT value FROM meta WHERE name = 'schema_version' FOR UPDATE"
_HEARD: Final = """
SELECT extract(epoch FROM clock_timestamp() - max(beat.at))::float8
  FROM node JOIN beat USING (node) WHERE state = 'up'"""
# Waits for the batch that such a node may have under way: it holds its row.
_BURY: Final = "UPDATE node SET state = 'dead' WHERE state = 'up'"
_ARRIVE: Final = "INSERT INTO node (node, state, turn, started) VALUES ($1, 'up', 0, clock_timestamp())"
_FIRST_BEAT: Final = "INSERT INTO beat (node, at) VALUES ($1, clock_timestamp())"
_OWN: Final = "UPDATE shard SET owner = $1, epoch = epoch + 1 RETURNING shard, epoch"
_LEAVE: Final = "UPDATE node SET state = 'stopped' WHERE node = $1 AND state = 'up'"
_BEAT: Final = """
UPDATE beat SET at = clock_timestamp() FROM node
  WHERE beat.node = $1 AND node.node = beat.node AND node.state = 'up' RETURNING 1"""
# Waits as well, for a batch that was sent through an earlier connection: from here on it is written or never will be.
_TURN: Final = "UPDATE node SET turn = turn + 1 WHERE node = $1 AND state = 'up' RETURNING turn"


class Ownership:
    """That this process owns every shard, until it hears otherwise."""

    def __init__(self, url: str, identity: int, epochs: list[int]) -> None:
        self.identity = identity
        self.epochs = epochs
        self._place = place_of(url)
        self._reason = ""
        self._is_lost = asyncio.Event()

    def lose(self, reason: str) -> None:
        """The fence has said no. The first reason is kept."""
        self._reason = self._reason or f"{self._place} is no longer this daemon's to write: {reason}"
        self._is_lost.set()

    def check(self) -> None:
        """Raises StoreUnavailable where the database belongs to another."""
        if self._reason:
            raise self.refusal()

    def refusal(self) -> StoreUnavailable:
        """What is answered to whoever means to write once the database belongs to another."""
        return StoreUnavailable(self._reason)

    async def lost(self) -> NoReturn:
        """Raises StoreRefused once the database belongs to another; waits until then."""
        await self._is_lost.wait()
        raise StoreRefused(self._reason)

    async def take_turn(self, connection: Connection) -> int:
        """The number under which this connection alone may write from now on.

        Raises StoreUnavailable where the fence says no, and what the driver raises.
        """
        self.check()
        turn = await connection.fetchval(_TURN, self.identity)
        if turn is None:
            self.lose("another daemon took it over while this one was silent")
            self.check()
        return int(turn)


async def claim(connection: Connection, url: str, identity: int) -> Ownership:
    """Takes all shards. Raises StoreRefused while another daemon is alive, and what the driver raises."""
    async with connection.transaction():
        await connection.fetchval(_ALONE)
        silent_s = await connection.fetchval(_HEARD)
        if silent_s is not None and silent_s < SILENCE_S:
            raise StoreRefused(
                f"another daemon uses this database; it was last heard of {max(silent_s, 0):.0f} s ago"
                f" ({place_of(url)}): stop it first, or if it has died start again once it was silent for {SILENCE_S} s"
            )
        await connection.execute(_BURY)
        await connection.execute(_FORGOTTEN)
        await connection.execute(_ARRIVE, identity)
        await connection.execute(_FIRST_BEAT, identity)
        epochs = {row[0]: row[1] for row in await connection.fetch(_OWN, identity)}
    return Ownership(url, identity, [epochs[shard] for shard in range(SHARDS)])


async def leave(connection: Connection, ownership: Ownership) -> None:
    """Lets the next daemon in at once. Raises what the driver raises."""
    await connection.execute(_LEAVE, ownership.identity)


class Beat:
    """Lets this process be heard of, through a connection of its own, so that no question or batch can hold it up."""

    def __init__(self, url: str, connection: Connection, ownership: Ownership) -> None:
        self._url = url
        self._connection = connection
        self._ownership = ownership
        self._closing = asyncio.Event()
        # Why the database did not hear the last one, empty where it did.
        self.trouble = ""
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def close(self) -> None:
        """Beats no more, and lets go of the connection."""
        self._closing.set()
        await self._task
        await farewell(self._connection)

    async def _work(self) -> None:
        while not await self._waited():
            try:
                await self._beat()
            except TROUBLE as error:
                # Once the database is back, the next one tells whether somebody else came meanwhile.
                self._connection.terminate()
                self.trouble = f"the log's database cannot be reached now: {words_of(error)}"
            else:
                self.trouble = ""

    async def _beat(self) -> None:
        if self._connection.is_closed():
            self._connection = await connect(self._url)
        if not await self._connection.fetchval(_BEAT, self._ownership.identity):
            self._ownership.lose("another daemon took it over while this one was silent")

    async def _waited(self) -> bool:
        try:
            async with asyncio.timeout(AGAIN_S if self.trouble else BEAT_S):
                await self._closing.wait()
        except TimeoutError:
            return False
        return True
