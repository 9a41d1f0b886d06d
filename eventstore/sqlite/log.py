"""The log of one daemon in one SQLite file: the Log port, opened whole or not at all.

This file answers for the order in which the parts are opened and closed. It must never hold a statement or decide
anything about a row.
"""

import sqlite3
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from eventstore.sqlite.committing import Committing
from eventstore.sqlite.connecting import empty_wal
from eventstore.sqlite.connection import Connection
from eventstore.sqlite.locking import Lock
from eventstore.sqlite.opening import open_again, open_to_write, refusing
from eventstore.sqlite.reader import Reader
from eventstore.sqlite.reading import ReadOnlyLog, readers
from eventstore.sqlite.recovery import numbering_of, oldest_expiry_us
from eventstore.sqlite.writer import Writer
from eventstore.waking import Waking
from eventstore.writing import WritingLog


class SqliteLog(WritingLog, ReadOnlyLog):
    """The log that a daemon writes. `open` is how it begins; the lock is held until it is closed."""

    def __init__(
        self, connection: Connection, committing: Committing, lock: Lock, *, hot: Reader, wide: Reader
    ) -> None:
        super().__init__(committing.numbering, hot=hot, wide=wide)
        self._connection = connection
        self._lock = lock
        self._waking = Waking()
        self._writer = Writer(connection, committing, self._waking)

    @staticmethod
    async def open(path: Path) -> "SqliteLog":
        """Opens the log in this file, or makes one. Raises StoreRefused or CorruptLog; the file is then as it was."""
        async with AsyncExitStack() as undo:
            lock = Lock(path)
            undo.callback(lock.release)
            connection = await Connection.start(partial(open_to_write, path, lock))
            undo.push_async_callback(connection.close)
            committing = await connection.run(partial(_recovered, path))
            hot, wide = await readers(path, open_again)
            undo.pop_all()
        return SqliteLog(connection, committing, lock, hot=hot, wide=wide)

    async def close(self) -> None:
        """Commits what is queued, answers what was asked, and lets go of file and lock."""
        try:
            await self._writer.close()
            await super().close()
            # Last, since it is the last connection that moves the write-ahead log into the file.
            await self._connection.close()
        finally:
            self._lock.release()


def _recovered(path: Path, connection: sqlite3.Connection) -> Committing:
    def recovered() -> Committing:
        # Whoever reads while we start keeps the write-ahead log as the life before us left it, with what went there.
        is_kept = not empty_wal(connection)
        return Committing(numbering_of(connection), oldest_expiry_us(connection), may_hold_erased=is_kept)

    return refusing(path, recovered)
