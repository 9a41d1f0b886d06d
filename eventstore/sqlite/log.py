"""The log of one daemon in one SQLite file: the Log port, opened whole or not at all.

This file answers for the order in which the parts are opened and closed. It must never hold a statement or decide
anything about a row.
"""

import sqlite3
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from core.ports import Health
from core.records import Acceptance, Append, Repeated, Snapshot, Stored
from eventstore.sqlite.committing import Committing
from eventstore.sqlite.connection import Connection
from eventstore.sqlite.locking import Lock
from eventstore.sqlite.opening import open_again, open_to_write, refusing
from eventstore.sqlite.reader import Reader
from eventstore.sqlite.reading import ReadOnlyLog, readers
from eventstore.sqlite.recovery import numbering_of, oldest_expiry_us
from eventstore.sqlite.writer import Writer
from eventstore.waking import Waking


class SqliteLog(ReadOnlyLog):
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

    def newest(self) -> tuple[int, int]:
        """(largest id, latest instant in the log): where ids and log time go on; (0, 0) for an empty log."""
        return self._writer.numbering.largest, self._writer.numbering.at_us

    def health(self) -> tuple[Health, str]:
        """Whether writes work now, and why not."""
        return self._writer.health()

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
    return refusing(path, lambda: Committing(numbering_of(connection), oldest_expiry_us(connection)))
