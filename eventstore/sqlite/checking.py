"""The check of a SQLite log as a person starts it: by path, in the foreground, on as many cores as there are.

This file answers for verification changing nothing, beside a daemon too, and for the verdict being the same on one core
as on many. It must never mend anything.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from eventstore.audit.findings import Report
from eventstore.integrity import Progress, check
from eventstore.sqlite.book import SqliteBook
from eventstore.sqlite.opening import open_to_read
from eventstore.sqlite.parts import last_of
from eventstore.sqlite.sharing import shared_check

# A shorter log is checked before another process has started.
SHARED_FROM: Final = 100_000


def verify(path: Path, progress: Progress | None = None, *, processes: int | None = None) -> Report:
    """The full check of the log in a file, also beside the daemon that writes it. Raises StoreRefused or CorruptLog.

    `processes`: how many share the work; None is one a core for a long log. What they find together counts only where
    all is well: a log that is not is looked at again from its beginning by one, which names the first fault first.
    """
    with closing(open_to_read(path)) as connection:
        # One snapshot for all of it, whatever is committed meanwhile.
        connection.execute("BEGIN")
        book = SqliteBook(connection)
        if processes is None:
            processes = len(os.sched_getaffinity(0)) if _is_long(connection) else 1
        if processes > 1:
            findings = shared_check(path, connection, processes, progress)
            if findings is not None:
                return findings.report()
        return check(book, progress)


def _is_long(connection: sqlite3.Connection) -> bool:
    try:
        return last_of(connection) >= SHARED_FROM
    except sqlite3.Error:
        # One process names what cannot be read.
        return False
