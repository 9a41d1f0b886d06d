"""The log of the daemon that acts on one PostgreSQL database: the Log port, closed in its order.

This file answers for what such a daemon holds of the database beyond that of one that stands by. It must never hold a
statement or decide anything about a row; `opening.open_node` is how it begins.
"""

from collections.abc import Awaitable, Callable
from typing import NoReturn

from core.ports import Health
from eventstore.postgres.committing import Committing
from eventstore.postgres.connection import Pool
from eventstore.postgres.inbox import PostgresInbox
from eventstore.postgres.line import Line
from eventstore.postgres.owning import Ownership
from eventstore.postgres.presence import Presence
from eventstore.postgres.reading import PostgresReading
from eventstore.waking import Waking
from eventstore.writer import Writer
from eventstore.writing import WritingLog


class PostgresLog(WritingLog, PostgresReading):
    """The log that a daemon writes. It owns the database until it is closed, and is no node of it any more then."""

    def __init__(
        self,
        committing: Committing,
        *,
        pool: Pool,
        line: Line,
        ownership: Ownership,
        presence: Presence,
        inbox: PostgresInbox,
        is_exclusive: bool,
        leave: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(pool, committing.numbering)
        self._line = line
        self._ownership = ownership
        self._presence = presence
        self._waking = Waking()
        self._writer = Writer(committing, self._waking)
        self._is_exclusive = is_exclusive
        self._leave = leave
        self.inbox = inbox

    @property
    def is_exclusive(self) -> bool:
        """Whether whoever wrote before is surely gone: it stopped in order, or died long ago."""
        return self._is_exclusive

    def may_send(self) -> bool:
        """Whether this process surely still is the one that acts."""
        return self._ownership.may_send()

    async def lost(self) -> NoReturn:
        """Raises StoreRefused once another daemon has taken the database over; waits until then.

        Whoever runs the process awaits this and stops: nothing that it appends is written any more.
        """
        await self._presence.lost()

    def health(self) -> tuple[Health, str]:
        """Whether writes work now, and why not: as the last batch tells, or a sign of life that nobody heard."""
        state, reason = super().health()
        if state == "ok" and self._presence.trouble:
            return "failing", self._presence.trouble
        return state, reason

    async def close(self) -> None:
        """Commits what is queued, answers what was asked, and lets the next daemon in."""
        await self._leave()

    async def finish(self) -> None:
        """The part of its end that is the log's alone: commits what is queued and takes no more."""
        await self._writer.close()
        await self._line.close()
        self._hot.close()
        self._wide.close()
        self._sought.close()
