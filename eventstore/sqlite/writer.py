"""The writer of a SQLite log: each batch is one hop to the connection's thread.

This file answers for what a failed commit is called between that thread and the queue. It must never touch a row.
"""

import sqlite3

from core.errors import StoreUnavailable
from eventstore.batches import Answer, Entry
from eventstore.numbering import Numbering
from eventstore.sqlite.committing import Committing
from eventstore.sqlite.connection import Connection
from eventstore.waking import Waking
from eventstore.writer import Writer as QueueWriter


class Writer(QueueWriter):
    """The one that writes to a file."""

    def __init__(self, connection: Connection, committing: Committing, waking: Waking) -> None:
        super().__init__(_OnThread(connection, committing), waking)


class _OnThread:
    def __init__(self, connection: Connection, committing: Committing) -> None:
        self._connection = connection
        self._committing = committing

    @property
    def numbering(self) -> Numbering:
        return self._committing.numbering

    async def commit(self, batch: list[Entry]) -> list[Answer]:
        return await self._connection.run(lambda connection: self._committing.commit(connection, batch))

    async def probe(self) -> None:
        try:
            await self._connection.run(self._committing.probe)
        except sqlite3.Error as still:
            raise StoreUnavailable(f"the log cannot be written now: {still}") from still
