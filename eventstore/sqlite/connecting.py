"""How connections to the file are set up, and what SQLite's errors mean to the house.

This file answers for both being the same wherever the file is opened, in a process of a few imports too. It must never
hold a statement of the log.
"""

import sqlite3
from pathlib import Path
from typing import Final

from core.errors import CorruptLog, StoreUnavailable

# A checkpoint copies the write-ahead log into the database within a commit: smaller and it comes too often, larger and
# it holds up that commit for too long.
CHECKPOINT_PAGES: Final = 4_000
WAL_BYTES_MAX: Final = 64 * 1024 * 1024
# Only a stranger (a person's sqlite3 shell, a backup) can hold the lock, since a second daemon is refused.
BUSY_MS: Final = 5_000
# Negative means KiB to SQLite.
WRITER_CACHE_KIB: Final = -64 * 1024
READER_CACHE_KIB: Final = -16 * 1024
STATEMENTS_KEPT: Final = 256


def writing(path: Path) -> sqlite3.Connection:
    """The one connection that writes; makes the file where there is none."""
    _spare_adapting()
    connection = _connect(f"{path.absolute().as_uri()}?mode=rwc")
    # Only an empty file takes this one, and it has to come before the first table.
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_MAX}")
    # What is deleted (an erased vault row above all) is overwritten in the file.
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute(f"PRAGMA cache_size = {WRITER_CACHE_KIB}")
    # What a statement or savepoint might have to undo, some pages of a batch, else goes to a file in /var/tmp first.
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def reading(path: Path, *, is_immutable: bool = False) -> sqlite3.Connection:
    """A connection that cannot write, beside a daemon or without one.

    Immutable: nobody can write the file, so that SQLite needs no file beside it to agree with a writer.
    """
    connection = _connect(f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if is_immutable else ''}")
    connection.execute("PRAGMA query_only = ON")
    connection.execute(f"PRAGMA cache_size = {READER_CACHE_KIB}")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def empty_wal(connection: sqlite3.Connection) -> bool:
    """Moves the write-ahead log into the file and makes it empty; False where somebody else reads there just now."""
    try:
        connection.execute("PRAGMA busy_timeout = 0")
        is_busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error:
        return False  # What was committed is durable all the same.
    finally:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    return not is_busy


def _spare_adapting() -> None:
    """Has Python's module take bytes, None and truth values as they are, without asking them for another form first.

    It asks by two names that none of them has, which costs as much as binding five numbers; whoever writes binds a
    dozen such values a message. A form that is registered is taken instead, for all connections of the process: it is
    the value itself.
    """
    sqlite3.register_adapter(bytes, bytes.__bytes__)
    sqlite3.register_adapter(bool, int)
    sqlite3.register_adapter(type(None), lambda none: none)


def _connect(uri: str) -> sqlite3.Connection:
    # isolation_level None: transactions begin and end where we say so, never behind our back.
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, cached_statements=STATEMENTS_KEPT)
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    return connection


def is_damage(error: sqlite3.Error) -> bool:
    """Whether SQLite says that the file itself is damaged, or no database at all."""
    return _primary(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def read_fault(error: sqlite3.Error) -> CorruptLog | StoreUnavailable:
    """What an error of a read means to the house."""
    if is_damage(error):
        return CorruptLog(f"the log's file is damaged: {error}; run `tidings verify`, then restore a copy")
    return StoreUnavailable(f"the log cannot be read now: {error}")


def wrote_nothing(error: sqlite3.Error) -> bool:
    """Whether an error of COMMIT proves that nothing of the transaction can come back after a crash.

    A commit is one sequential write of frames to the write-ahead log, of which only the last makes it count: where a
    write failed or was never tried, that one is missing. A failed sync proves nothing: all frames may be there.
    """
    code = getattr(error, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_IOERR_WRITE or _primary(error) in (
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_PERM,
    )


def _primary(error: sqlite3.Error) -> int | None:
    # An extended code carries the primary one in its lowest byte. Errors of the Python module itself have none.
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
