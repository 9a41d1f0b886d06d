"""One daemon among those on a database: it takes in and reads from its start on, and acts once it owns the log.

This file answers for giving back in order what a daemon holds of the database. It must never take the log from anybody
who may still send.
"""

import asyncio
from collections.abc import Collection
from contextlib import AsyncExitStack
from typing import Final, NoReturn

from core.errors import StoreUnavailable
from core.ports import Health, Witness
from eventstore.numbering import Numbering
from eventstore.postgres.committing import Committing
from eventstore.postgres.connection import TROUBLE, Pool, connect, farewell, words_of
from eventstore.postgres.door import PostgresDoor
from eventstore.postgres.errands import Errands
from eventstore.postgres.hints import Hints
from eventstore.postgres.inbox import PostgresInbox
from eventstore.postgres.line import begin
from eventstore.postgres.log import PostgresLog
from eventstore.postgres.months import Months
from eventstore.postgres.owning import Claimed, Ownership, claim, leave
from eventstore.postgres.presence import Presence
from eventstore.postgres.recovery import numbering_of, oldest_expiry_us
from eventstore.postgres.standing import StandingLog

# A supervisor that asked for the end does not wait for ever; whoever stands by notices by itself.
_LEFT_WITHIN_S: Final = 3.0
_TROUBLE: Final[tuple[type[Exception], ...]] = (*TROUBLE, StoreUnavailable)


class Node:
    """A process on the database; `opening.open_node` gives one."""

    def __init__(
        self,
        url: str,
        *,
        ownership: Ownership,
        pool: Pool,
        presence: Presence,
        hints: Hints,
        numbering: Numbering,
        witness: Witness | None,
    ) -> None:
        self._url = url
        self._ownership = ownership
        self._pool = pool
        self._presence = presence
        self._hints = hints
        self._errands = Errands(url)
        self._months = Months(url, witness)
        self._is_closed = False
        self.door = PostgresDoor(url, ownership=ownership, presence=presence, errands=self._errands, hints=hints)
        self.log_for_reading = StandingLog(pool, numbering, ownership=ownership, presence=presence)
        self._log: PostgresLog | None = None
        # Why it does not act although nobody does, empty where nothing keeps it from that.
        self._trouble = ""

    @property
    def identity(self) -> int:
        """The number of this process."""
        return self._ownership.identity

    @property
    def slot(self) -> int:
        """What no other living daemon has in the ids that it mints."""
        return self._ownership.slot

    @property
    def is_acting(self) -> bool:
        """Whether this daemon owns the log."""
        return bool(self._ownership.epochs) and not self._ownership.is_lost

    def newest(self) -> tuple[int, int]:
        """(largest id, latest instant in the log): where ids and log time go on; (0, 0) for an empty log."""
        return self.log_for_reading.newest() if self._log is None else self._log.newest()

    def health(self) -> tuple[Health, str]:
        """Whether the database hears this daemon, and lets it act where nobody does; and why not."""
        if self._log is not None:
            return self._log.health()
        state, reason = self.log_for_reading.health()
        return ("failing", self._trouble) if state == "ok" and self._trouble else (state, reason)

    async def lost(self) -> NoReturn:
        """Raises StoreRefused once this process counts as dead; waits until then. It ends then: dead is final.

        Raises the fault where one of ours keeps it from being heard of.
        """
        await self._presence.lost()

    async def acted(self) -> PostgresLog:
        """The log, once it is this daemon's: at once where nobody has it, or when who has it leaves or is silent.

        Closing it ends the node as well. Raises CorruptLog where it is not sound, and StoreRefused as `lost` does.
        """
        while self._log is None or self._ownership.is_lost:
            if self._ownership.is_lost:
                await self._ownership.lost()
            await self._presence.free()
            try:
                await self.act(self._presence.silent)
                self._trouble = ""
            except StoreUnavailable as error:
                # We have heard, or are about to, that this process counts as dead.
                self._trouble = str(error)
            except TROUBLE as error:
                self._trouble = f"the log's database does not let this daemon act now: {words_of(error)}"
        return self._log

    async def act(self, silent: Collection[int] | None = None) -> PostgresLog | Claimed:
        """The log where it can be had now, else what kept it from that; `silent` is as `claim` has it.

        Raises CorruptLog, StoreUnavailable or what the driver raises.
        """
        if self._is_closed:
            raise StoreUnavailable("the log is closed")
        async with AsyncExitStack() as undo:
            connection = await connect(self._url, for_writing=True)
            undo.callback(connection.terminate)
            claimed = await claim(connection, self._ownership, silent)
            if claimed.silent_s is not None:
                return claimed
            undo.callback(self._ownership.epochs.clear)
            line = await begin(self._url, connection, self._ownership)
            numbering = await numbering_of(connection)
            expiry_us = await oldest_expiry_us(connection)
            committing = Committing(line, self._ownership, numbering, months=self._months, expiry_us=expiry_us)
            undo.pop_all()
        self._log = PostgresLog(
            committing,
            pool=self._pool,
            line=line,
            ownership=self._ownership,
            presence=self._presence,
            inbox=PostgresInbox(self.identity, self._errands, self._hints),
            is_exclusive=claimed.is_exclusive,
            leave=self.close,
        )
        return self._log

    async def close(self) -> None:
        """Commits what is queued, takes no more, lets the next daemon act at once, and gives back every connection."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._log is not None:
            await self._log.finish()
        await self._months.close()
        await self.door.close()
        await self._hints.close()
        self._ownership.epochs.clear()
        connection = await self._presence.close()
        try:
            async with asyncio.timeout(_LEFT_WITHIN_S):
                if connection is None:
                    connection = await connect(self._url)
                await leave(connection, self._ownership)
        except _TROUBLE:
            # The next daemon waits until this one was silent for long enough.
            pass
        if connection is not None:
            await farewell(connection)
        await self._errands.close()
        await self.log_for_reading.close()
