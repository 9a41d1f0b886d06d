"""The log of both yardsticks: SQLite in WAL mode with synchronous FULL, and group commit without a linger.

Answers for: a row is on disk before its `then` runs; rows that arrive during a commit share the next one.
Must never: be more than the least that is durable: one table, no heads, no dedup, no chain.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ACCEPTED, DELIVERED, REFUSED = 1, 2, 3

Row = tuple[int, int, bytes]
"""Message, kind of event, body: enough to find after a crash what was accepted and has no outcome."""


class IdealLog:
    """An append-only table; `append` returns at once and calls `then` when the row is durable."""

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("PRAGMA wal_autocheckpoint = 4000")
        self._database.execute(
            "CREATE TABLE event (position INTEGER PRIMARY KEY, message INTEGER, kind INTEGER, body BLOB) STRICT"
        )
        self._thread = ThreadPoolExecutor(1)
        self._rows: list[Row] = []
        self._then: list[Callable[[], None]] = []
        self._some = asyncio.Event()

    def append(self, row: Row, then: Callable[[], None] | None = None) -> None:
        """Queue a row for the next commit."""
        self._rows.append(row)
        if then is not None:
            self._then.append(then)
        self._some.set()

    async def write(self) -> None:
        """Commit whatever is queued, again and again, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._some.wait()
            self._some.clear()
            rows, then = self._rows, self._then
            self._rows, self._then = [], []
            # One hop a batch: the disk's wait releases the interpreter, and meanwhile the next batch gathers.
            await loop.run_in_executor(self._thread, self._commit, rows)
            for durable in then:
                durable()

    def _commit(self, rows: list[Row]) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany("INSERT INTO event (message, kind, body) VALUES (?, ?, ?)", rows)
        self._database.execute("COMMIT")
