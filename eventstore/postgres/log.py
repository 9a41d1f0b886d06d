"""The log of one daemon in one PostgreSQL database: the Log port, closed in its order.

This file answers for what a daemon holds of the database and gives back. It must never hold a statement or decide
anything about a row; `opening.open_log` is how it begins.
"""

from typing import Final, NoReturn

from core.errors import StoreUnavailable
from core.ports import Health
from eventstore.postgres.committing import Committing
from eventstore.postgres.connection import TROUBLE, Pool
from eventstore.postgres.line import Line
from eventstore.postgres.owning import Beat, Ownership, leave
from eventstore.postgres.reading import PostgresReading
from eventstore.waking import Waking
from eventstore.writer import Writer
from eventstore.writing import WritingLog

_TROUBLE: Final[tuple[type[Exception], ...]] = (*TROUBLE, StoreUnavailable)


class PostgresLog(WritingLog, PostgresReading):
    """The log that a daemon writes. It owns the database until it is closed."""

    def __init__(self, committing: Committing, *, pool: Pool, line: Line, ownership: Ownership, beat: Beat) -> None:
        super().__init__(pool, committing.numbering)
        self._line = line
        self._ownership = ownership
        self._beat = beat
        self._waking = Waking()
        self._writer = Writer(committing, self._waking)
        self._is_closed = False

    async def lost(self) -> NoReturn:
        """Raises StoreRefused once another daemon has taken the database over; waits until then.

        Whoever runs the process awaits this and stops: nothing that it appends is written any more.
        """
        await self._ownership.lost()

    def health(self) -> tuple[Health, str]:
        """Whether writes work now, and why not: as the last batch tells, or a sign of life that nobody heard."""
        state, reason = super().health()
        if state == "ok" and self._beat.trouble:
            return "failing", self._beat.trouble
        return state, reason

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
        await self._line.close()
