"""The reading half of the log in PostgreSQL: every question of the port.

This file answers for reading a log beside the daemon that writes it, or without one. It must never write.
"""

import asyncio
from typing import Final

from eventstore.numbering import Numbering
from eventstore.postgres.connection import Pool
from eventstore.postgres.listing import ListQuestions
from eventstore.postgres.queries import StreamQuestions
from eventstore.postgres.reader import MOST, SOUGHT_MOST, WIDE_MOST, Reader

# How long what was asked may still take once the log is closed: nobody waits for a question whose connection is cut.
_CLOSE_S: Final = 2.0


class PostgresReading(StreamQuestions, ListQuestions):
    """What can be asked of a log; `opening.read_log` gives one."""

    def __init__(self, pool: Pool, numbering: Numbering) -> None:
        self._pool = pool
        self._numbering = numbering
        # Questions of actors, which are short, and those that look along many rows, which must not hold them up.
        self._hot = Reader(pool, MOST)
        self._wide = Reader(pool, WIDE_MOST)
        self._sought = Reader(pool, SOUGHT_MOST, plans_anew=True)

    def newest(self) -> tuple[int, int]:
        """(largest id, latest instant in the log): where ids and log time go on; (0, 0) for an empty log."""
        return self._numbering.largest, self._numbering.at_us

    async def close(self) -> None:
        """Answers what was asked and lets go of the connections."""
        self._hot.close()
        self._wide.close()
        self._sought.close()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()
