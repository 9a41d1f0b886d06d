"""The log of one daemon in one PostgreSQL database: the Log port, closed in its order.

This file answers for what a daemon holds of the database and gives back. It must never hold a statement or decide
anything about a row; `opening.open_log` is how it begins.
"""

from collections.abc import Awaitable
from typing import Final, NoReturn

from core.errors import StoreUnavailable
from core.ports import Health
from core.records import Acceptance, Append, Repeated, Snapshot, Stored
from eventstore.postgres.committing import Committing
from eventstore.postgres.connection import TROUBLE, Pool
from eventstore.postgres.line import Line
from eventstore.postgres.owning import Beat, Ownership, leave
from eventstore.postgres.reading import PostgresReading
from eventstore.waking import Waking
from eventstore.writer import Writer

_TROUBLE: Final[tuple[type[Exception], ...]] = (*TROUBLE, StoreUnavailable)


class PostgresLog(PostgresReading):
    """The log that a daemon writes. It owns the database until it is closed."""

    def __init__(self, committing: Committing, *, pool: Pool, line: Line, ownership: Ownership, beat: Beat) -> None:
        super().__init__(pool, committing.numbering)
        self._line = line
        self._ownership = ownership
        self._beat = beat
        self._waking = Waking()
        self._writer = Writer(committing, self._waking)
        self._is_closed = False

    # -- writing

    def append(self, append: Append) -> Awaitable[None]:
        """Events and heads of one shard, atomically, in the order of the calls."""
        return self._writer.put(append)  # type: ignore[return-value]  # An append is answered with None.

    def accept(self, acceptance: Acceptance) -> Awaitable[Stored | Repeated]:
        """Takes charge of a message, or answers with the one that came before under the same idempotency key."""
        return self._writer.put(acceptance)  # type: ignore[return-value]  # An acceptance is never answered with None.

    def save_snapshot(self, snapshot: Snapshot) -> Awaitable[None]:
        """Keeps a long stream's state; only the newest of a stream is kept."""
        return self._writer.put(snapshot)  # type: ignore[return-value]  # A snapshot is answered with None.

    def changed(self) -> Awaitable[None]:
        """Done at the next commit after this call: ask first, then read, then wait, and nothing is missed."""
        return self._waking.ask()

    # -- life

    async def lost(self) -> NoReturn:
        """Raises StoreRefused once another daemon has taken the database over; waits until then.

        Whoever runs the process awaits this and stops: nothing that it appends is written any more.
        """
        await self._ownership.lost()

    def newest(self) -> tuple[int, int]:
        """(largest id, latest instant in the log): where ids and log time go on; (0, 0) for an empty log."""
        return self._writer.numbering.largest, self._writer.numbering.at_us

    def health(self) -> tuple[Health, str]:
        """Whether writes work now, and why not."""
        return self._writer.health()

    async def close(self) -> None:
        """Commits what is queued, answers what was asked, and lets the next daemon in."""
        if self._is_closed:
            return
        self._is_closed = True
        await self._writer.close()
        await self._beat.close()
        await super().close()
        try:
            await leave(await self._line.connected(), self._ownership)
        except _TROUBLE:
            # The next daemon waits until this one was silent for long enough.
            pass
        self._line.drop()
