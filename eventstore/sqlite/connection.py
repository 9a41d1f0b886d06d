"""One SQLite connection on a thread of its own, asked by whole functions: one hop to the thread for each.

This file answers for that hop, and for nothing of SQLite leaving the thread by it, in an error either: it goes without
its locks. It must never let a function that runs on the thread wait for anything but SQLite.
"""

import sqlite3
import traceback
from collections.abc import Callable
from typing import TypeVar, cast

import aiosqlite
from anyio import to_thread

from core.errors import TidingsError

Result = TypeVar("Result")


class Connection(aiosqlite.Connection):
    """A connection whose thread runs whole functions: a batch of statements costs one hop, as one statement does."""

    def __init__(self, connector: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connector, iter_chunk_size=1)
        # A process that ends without closing its log (a crash of ours) must end, not wait for this thread.
        self._thread.daemon = True

    @staticmethod
    async def start(connector: Callable[[], sqlite3.Connection]) -> "Connection":
        """A connection on its thread, open. What the connector raises is raised here."""
        connection = Connection(connector)
        try:
            await connection  # type: ignore[unused-awaitable]  # It gives itself.
        except (TidingsError, OSError, sqlite3.Error):
            # The thread answers once more before it ends, and the caller may be about to close the loop under it.
            await to_thread.run_sync(connection._thread.join)
            raise
        return connection

    async def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """What `work` gives, run on the connection's thread. A caller that is cancelled does not stop it."""
        return cast("Result", await self._execute(_done, work, self._conn))  # type: ignore[no-untyped-call]  # Not annotated there.


def left_behind(error: BaseException) -> None:
    """Lets go of what the frames hold that an error passed through: a cursor there would end on another thread."""
    at: BaseException | None = error
    while at is not None:
        traceback.clear_frames(at.__traceback__)
        at = at.__cause__ or at.__context__


def _done(work: Callable[[sqlite3.Connection], Result], connection: sqlite3.Connection) -> Result:
    try:
        return work(connection)
    except (TidingsError, OSError, sqlite3.Error) as error:
        left_behind(error)
        raise
