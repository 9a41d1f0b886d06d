"""A daemon among others: it lets itself be heard of, looks who else is, and listens.

This file answers for signs of life that no question or batch can hold up: they go through a connection of their own. It
must never take anything over itself; it says when that may be tried.
"""

import asyncio
from typing import Final, NoReturn

from core.errors import StoreRefused
from core.ownership import BEAT_S, Watch
from eventstore.batches import INBOX_ROWS_MAX
from eventstore.postgres.connection import FAREWELL_S, TROUBLE, Connection, connect, words_of
from eventstore.postgres.hints import FREE, Hints
from eventstore.postgres.owning import Ownership, bury
from eventstore.waking import Waking

# How soon it is tried again where the database did not hear it, and how long one round may take: a connection that
# leads nowhere must be noticed while there is trust left.
AGAIN_S: Final = 0.5
ROUND_S: Final = 4.0

_OTHERS: Final = """
SELECT node.node, extract(epoch FROM clock_timestamp() - beat.at)::float8
  FROM node JOIN beat USING (node) WHERE state = 'up' AND node.node <> $1"""
_OWNER: Final = "SELECT owner FROM shard WHERE shard = 0"
# Rows are counted only where their numbers leave room for so many: nearly always a look at both ends is enough.
_IS_FULL: Final = """
SELECT CASE WHEN max(id) - min(id) < $1 - 1 THEN FALSE
  ELSE (SELECT count(*) FROM (SELECT FROM inbox LIMIT $1) AS waiting) >= $1 END FROM inbox"""
_LAST: Final = "SELECT pos, at_us FROM event ORDER BY pos DESC LIMIT 1"


class Presence:
    """The connection and the task by which this process is there."""

    def __init__(self, url: str, connection: Connection, ownership: Ownership, hints: Hints) -> None:
        self._url = url
        self._connection = connection
        self._ownership = ownership
        self._hints = hints
        self._watch = Watch()
        self._waking = Waking()
        self._is_free = asyncio.Event()
        # Those who may be replaced, as of the last look.
        self.silent: list[int] = []
        self._is_closing = False
        # Where the log stood at the last look.
        self._pos = 0
        self.at_us = 0
        # Whether as much waited for the one that acts at the last look as may.
        self.is_inbox_full = False
        # Why the database did not hear the last sign of life, empty where it did.
        self.trouble = ""
        self._beat_due_s = asyncio.get_running_loop().time() + BEAT_S
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def free(self) -> None:
        """Returns when the log may be taken: nobody has it, or who has it was silent for long enough."""
        await self._is_free.wait()
        # Whoever finds it taken after all waits for another look.
        self._is_free.clear()

    def changed(self) -> asyncio.Future[None]:
        """Done at the next look that finds new events."""
        return self._waking.ask()

    async def lost(self) -> NoReturn:
        """Raises StoreRefused once another daemon has taken this one for dead; waits until then.

        Where it is lost by a fault of ours, since nobody lets it be heard of any more, that fault is raised.
        """
        try:
            await self._ownership.lost()
        except StoreRefused:
            if self._task.done():
                await self._task
            raise

    async def close(self) -> Connection | None:
        """Is no longer heard of; the connection, where there is one for whoever leaves."""
        self._is_closing = True
        self._hints.wake(FREE)
        # A round over a connection that leads nowhere would take all of its time.
        if not (await asyncio.wait({self._task}, timeout=FAREWELL_S))[0]:
            self._connection.terminate()
            self._task.cancel()
            await asyncio.wait({self._task})
        if self._connection.is_closed():
            return None
        return self._connection

    async def _work(self) -> None:
        try:
            while not self._is_closing:
                await self._tried()
                if not self._is_closing:
                    await self._hints.heard(FREE, within_s=self._pause_s())
        finally:
            if not self._is_closing:
                # Reached by a bug of ours alone. It would be replaced soon, so it goes at once.
                self._ownership.lose("nothing lets it be heard of any more")
                self._is_free.set()

    async def _tried(self) -> None:
        try:
            async with asyncio.timeout(ROUND_S):
                await self._round()
        except TROUBLE as error:
            # Once the database is back, the next one tells whether somebody else came meanwhile.
            self._connection.terminate()
            self.trouble = f"the log's database cannot be reached now: {words_of(error)}"
        else:
            self.trouble = ""

    def _pause_s(self) -> float:
        if self.trouble:
            return AGAIN_S
        # The one that acts looks less often: nobody waits for it to take over.
        return BEAT_S if self._ownership.epochs else self._watch.rest_s(asyncio.get_running_loop().time())

    async def _round(self) -> None:
        if self._connection.is_closed():
            self._connection = await connect(self._url)
            self._beat_due_s = 0.0
            await self._hints.listen(self._connection)
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._beat_due_s:
            await self._ownership.beat(self._connection)
            self._beat_due_s = now_s + BEAT_S
        await self._look()

    async def _look(self) -> None:
        # Before it is asked: what the answer says is at least as true as of then.
        now_s = asyncio.get_running_loop().time()
        rows = await self._connection.fetch(_OTHERS, self._ownership.identity)
        silences: dict[int, float] = {row[0]: row[1] for row in rows}
        owner = await self._connection.fetchval(_OWNER)
        silent = self.silent = self._watch.look(silences, now_s)
        if not self._ownership.epochs:
            if owner not in silences or owner in silent:
                self._is_free.set()
            else:
                self._is_free.clear()
        await self._follow()
        self.is_inbox_full = bool(await self._connection.fetchval(_IS_FULL, INBOX_ROWS_MAX))
        # The owner is left to whoever takes its place in the same step.
        if dead := [node for node in silent if node != owner]:
            await bury(self._connection, dead)

    async def _follow(self) -> None:
        last = await self._connection.fetchrow(_LAST)
        if last is not None and last[0] != self._pos:
            self._pos, self.at_us = last
            self._waking.wake()
