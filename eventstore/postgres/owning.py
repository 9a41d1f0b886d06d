"""Who is on this database and which daemon acts: arrivals, takeovers and departures, each a transaction.

This file answers for one owner at a time, for a dead one being replaced, and for whoever was replaced learning it. It
must never rest on a lock that goes with a connection, nor on a clock of ours: the database judges by its own.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Final, Literal, NoReturn

import msgspec

from core.errors import StoreRefused, StoreUnavailable
from core.ids import SHARDS
from core.ownership import SILENCE_S, SLOTS, Trust, free_slot
from eventstore.postgres.connection import Connection, place_of
from eventstore.postgres.hints import FREE, TELL
from eventstore.postgres.schema import ALONE

# Whoever stands still in the middle of a step keeps the others from theirs: the server undoes it before they give up.
BRIEFLY_S: Final = 5.0
_BRIEFLY: Final = f"SET LOCAL idle_in_transaction_session_timeout = '{BRIEFLY_S:.0f}s'"
# Nodes that ended so long ago are forgotten. Their batches find no row of theirs then, which is as good as a dead one.
_FORGOTTEN: Final = "DELETE FROM node WHERE state <> 'up' AND ended < clock_timestamp() - interval '30 days'"
_SLOTS: Final = "SELECT slot FROM node WHERE state = 'up'"
_ARRIVE: Final = "INSERT INTO node (node, state, turn, started, slot) VALUES ($1, 'up', 0, clock_timestamp(), $2)"
_FIRST_BEAT: Final = "INSERT INTO beat (node, at) VALUES ($1, clock_timestamp())"
_BEAT: Final = """
UPDATE beat SET at = clock_timestamp() FROM node
  WHERE beat.node = $1 AND node.node = beat.node AND node.state = 'up' RETURNING 1"""
# Its own beat is over with this row: one that comes at this moment is either seen here, or finds nothing any more.
_SILENCED: Final = f"""
DELETE FROM beat WHERE node = ANY($1::bigint[]) AND at <= clock_timestamp() - interval '{SILENCE_S:.0f} seconds'
  RETURNING node"""  # noqa: S608  # A number of ours.
# The same, but for those whose beat or batch is under way: they are looked at again.
_SILENCED_IDLE: Final = f"""
DELETE FROM beat WHERE node IN (
  SELECT beat.node FROM beat JOIN node USING (node)
    WHERE beat.node = ANY($1::bigint[]) AND at <= clock_timestamp() - interval '{SILENCE_S:.0f} seconds'
    FOR UPDATE SKIP LOCKED) RETURNING node"""  # noqa: S608  # A number of ours.
# Waits for the batch that such a node may have under way: it holds its row.
_BURY: Final = """
UPDATE node SET state = 'dead', ended = clock_timestamp() WHERE node = ANY($1::bigint[]) AND state = 'up'"""
_OWNER: Final = """
SELECT shard.owner, node.state, extract(epoch FROM clock_timestamp() - beat.at)::float8
  FROM shard LEFT JOIN node ON node.node = shard.owner LEFT JOIN beat ON beat.node = shard.owner
  WHERE shard.shard = 0"""
_STILL_UP: Final = "SELECT 1 FROM node WHERE node = $1 AND state = 'up' FOR SHARE"
_OWN: Final = "UPDATE shard SET owner = $1, epoch = epoch + 1 RETURNING shard, epoch"
# A dead one may have left attempts open that are under way, also behind others that stopped in order since; none lasts
# for a day.
_WAS_DEATH: Final = """
SELECT EXISTS (SELECT 1 FROM node WHERE state = 'dead' AND ended > clock_timestamp() - interval '1 day')"""
# Nobody waits for what the dead have asked. What a former owner had begun for the living stays with them: it is not
# begun again, and whoever is not sure that it was left finds it there. Notes alone have a number, so that none of many
# messages is looked at.
_UNWANTED: Final = """
DELETE FROM inbox WHERE number <> 0 AND kind = 'request'
  AND asker NOT IN (SELECT node FROM node WHERE state = 'up')"""
_UNREAD: Final = "DELETE FROM answer WHERE asker NOT IN (SELECT node FROM node WHERE state = 'up')"
_FREE: Final = "UPDATE shard SET owner = NULL WHERE owner = $1"
_LEAVE: Final = "UPDATE node SET state = 'stopped', ended = clock_timestamp() WHERE node = $1 AND state = 'up'"
_LAST_BEAT: Final = "DELETE FROM beat WHERE node = $1"
# Each waits as well, for a batch that was sent through an earlier connection: from here on it is written or never is.
_TURNS: Final = {
    "turn": "UPDATE node SET turn = turn + 1 WHERE node = $1 AND state = 'up' RETURNING turn",
    "door": "UPDATE node SET door = door + 1 WHERE node = $1 AND state = 'up' RETURNING door",
}

# What a connection of a node writes: the log, or what it takes in while it stands by.
Purpose = Literal["turn", "door"]


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt to take the log came to.

    `silent_s` is how long the one who has it was not heard of, None where it is ours now. `is_exclusive`: whoever had
    it before is surely gone, and nothing that it began is under way.
    """

    silent_s: float | None = None
    is_exclusive: bool = False


class Ownership:
    """That this process is a node of the database, and what it owns of it, until it hears otherwise."""

    def __init__(self, url: str, identity: int, slot: int) -> None:
        self.identity = identity
        self.slot = slot
        # The epoch of each shard, none while it stands by.
        self.epochs: list[int] = []
        self.trust = Trust()
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

    def may_send(self) -> bool:
        """Whether nobody can have taken over by now, nor within the next second."""
        return bool(self.epochs) and not self._reason and self.trust.may_send(asyncio.get_running_loop().time())

    @property
    def is_lost(self) -> bool:
        """Whether it has heard otherwise."""
        return self._is_lost.is_set()

    async def lost(self) -> NoReturn:
        """Raises StoreRefused once the database belongs to another; waits until then."""
        await self._is_lost.wait()
        raise StoreRefused(self._reason)

    async def take_turn(self, connection: Connection, purpose: Purpose) -> int:
        """The number under which this connection alone may write for this purpose from now on.

        Raises StoreUnavailable where the fence says no, and what the driver raises.
        """
        self.check()
        turn = await connection.fetchval(_TURNS[purpose], self.identity)
        if turn is None:
            self.lose_to_another()
            self.check()
        return int(turn)

    async def beat(self, connection: Connection) -> None:
        """Lets this process be heard of. Raises what the driver raises."""
        sent_s = asyncio.get_running_loop().time()
        if await connection.fetchval(_BEAT, self.identity):
            self.trust.heard(sent_s)
        else:
            self.lose_to_another()

    def lose_to_another(self) -> None:
        """The fence has said no, and not to a fault of ours: whoever was silent is replaced."""
        self.lose("another daemon took it over while this one was silent")


@asynccontextmanager
async def alone(connection: Connection) -> AsyncIterator[None]:
    """A transaction in which nobody else arrives, takes over or leaves. Raises what the driver raises."""
    async with connection.transaction():
        await connection.execute(_BRIEFLY)
        await connection.fetchval(ALONE)
        yield


async def arrive(connection: Connection, url: str, identity: int) -> Ownership:
    """Becomes a node of the database, which owns nothing yet.

    Raises StoreRefused where there are too many nodes, and what the driver raises.
    """
    sent_s = asyncio.get_running_loop().time()
    async with alone(connection):
        await connection.execute(_FORGOTTEN)
        slot = free_slot({row[0] for row in await connection.fetch(_SLOTS)})
        if slot is None:
            raise StoreRefused(f"{SLOTS} daemons use {place_of(url)} already: stop one of them first")
        await connection.execute(_ARRIVE, identity, slot)
        await connection.execute(_FIRST_BEAT, identity)
    ownership = Ownership(url, identity, slot)
    ownership.trust.heard(sent_s)
    return ownership


async def claim(connection: Connection, ownership: Ownership, silent: Collection[int] | None) -> Claimed:
    """Takes all shards: of an owner that has gone, or of one of these that were seen silent and still are.

    None for `silent`: of any that is silent now. Raises StoreUnavailable where this node itself counts as dead, and
    what the driver raises.
    """
    async with alone(connection):
        found = await connection.fetchrow(_OWNER)
        assert found is not None, "every shard has a row"
        owner, state, silent_s = found
        if state == "up" and owner != ownership.identity:
            may_bury = silent is None or owner in silent
            if not may_bury or not await connection.fetch(_SILENCED, [owner]):
                return Claimed(silent_s=max(silent_s or 0.0, 0.0))
            await connection.execute(_BURY, [owner])
        if not await connection.fetchval(_STILL_UP, ownership.identity):
            ownership.lose("another daemon took it for dead while this one was silent")
            raise ownership.refusal()
        await _tidy(connection)
        epochs = {row[0]: row[1] for row in await connection.fetch(_OWN, ownership.identity)}
        is_exclusive = not await connection.fetchval(_WAS_DEATH)
    ownership.epochs = [epochs[shard] for shard in range(SHARDS)]
    return Claimed(is_exclusive=is_exclusive)


async def bury(connection: Connection, silent: Sequence[int]) -> None:
    """Marks those of these nodes dead that are still silent, without waiting for any. Raises what the driver raises."""
    async with connection.transaction():
        await connection.execute(_BRIEFLY)
        dead = [row[0] for row in await connection.fetch(_SILENCED_IDLE, list(silent))]
        if dead:
            await connection.execute(_BURY, dead)
            await _tidy(connection)


async def leave(connection: Connection, ownership: Ownership) -> None:
    """Lets the next daemon in at once. Raises what the driver raises."""
    async with alone(connection):
        await connection.execute(_FREE, ownership.identity)
        await connection.execute(_LEAVE, ownership.identity)
        await connection.execute(_LAST_BEAT, ownership.identity)
        await _tidy(connection)
        await connection.fetch(TELL, [FREE])


async def _tidy(connection: Connection) -> None:
    await connection.execute(_UNWANTED)
    await connection.execute(_UNREAD)
