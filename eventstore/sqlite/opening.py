"""Opening the file: every reason to refuse it, said so that a person knows what to do.

This file answers for a log that is whole as far as a start can tell. It must never change a file that it refuses.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar

from core.errors import CorruptLog, StoreRefused
from eventstore.sqlite.connecting import is_damage, reading, writing
from eventstore.sqlite.locking import Lock
from eventstore.sqlite.recovery import numbering_of
from eventstore.sqlite.schema import APPLICATION_ID, SCHEMA_VERSION, create, upgrade, version_of

_MAGIC: Final = b"SQLite format 3\0"
_HEADER_BYTES: Final = 100

Result = TypeVar("Result")


def open_to_write(path: Path, lock: Lock) -> sqlite3.Connection:
    """The writing connection of a file that is ours and whole; a new log where there never was one.

    A file of an older schema is brought to ours. Raises StoreRefused or CorruptLog.
    """
    lock.check(path)
    try:
        # The vault is in it, so nobody else may read it; SQLite gives its other files the same mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreRefused(f"{path} cannot be written: {error.strerror or error}") from error
    is_short = _is_short(path)
    if path.stat().st_size:
        # Judged by a connection that cannot write, so that a file that is refused stays as it was.
        refusing(path, lambda: _judge(path))
    connection = refusing(path, lambda: _opened(path, is_short=is_short))
    lock.remember()
    return connection


def open_to_read(path: Path) -> sqlite3.Connection:
    """A reading connection of such a file, also beside a daemon. Raises StoreRefused or CorruptLog."""
    refuse_absent(path)
    _is_short(path)
    return open_again(path)


def refuse_absent(path: Path) -> None:
    """Raises StoreRefused where there is no log, for what must not begin one."""
    if not (path.is_file() and path.stat().st_size):
        raise StoreRefused(f"there is no log at {path}")


def open_again(path: Path) -> sqlite3.Connection:
    """One more reading connection of a file that this process has open already.

    It asks SQLite alone: whoever opens the file by hand and closes it drops the locks that tell other programs that
    somebody is there, and the next one that leaves takes the write-ahead log with it.
    """
    return refusing(path, lambda: _read(path, oldest=SCHEMA_VERSION))


def _judge(path: Path) -> None:
    with closing(_read(path, oldest=1)) as connection:
        if version_of(connection) < SCHEMA_VERSION:
            # What a start refuses for its end is refused here already: it would be brought up to date before that.
            numbering_of(connection)


def _read(path: Path, *, oldest: int) -> sqlite3.Connection:
    try:
        return _checked(path, reading(path), oldest=oldest)
    except sqlite3.OperationalError:
        # On a medium that cannot be written SQLite cannot make the file that it shares with a writer. Where there is no
        # write-ahead log there is no writer either, and nothing to share.
        if _wal_bytes(path):
            raise
        return _checked(path, reading(path, is_immutable=True), oldest=oldest)


def _wal_bytes(path: Path) -> int:
    wal = path.with_name(f"{path.name}-wal")
    return wal.stat().st_size if wal.is_file() else 0


def _is_short(path: Path) -> bool:
    """Whether the file has fewer bytes than its own header says. Raises where nothing else can hold the rest.

    Asked before SQLite has the file open, since closing a file drops every lock that this process holds on it.
    """
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError as error:
        raise StoreRefused(f"{path} cannot be read: {error.strerror or error}") from error
    if not header:
        return False
    if not header.startswith(_MAGIC):
        raise StoreRefused(f"{path} is no log of Tidings: it begins with {header[:16]!r}, expected {_MAGIC!r}")
    size_bytes, expected_bytes = path.stat().st_size, _expected_bytes(header)
    # A crash in the middle of a checkpoint leaves a short file, and the rest of it in the write-ahead log.
    if size_bytes < expected_bytes and not _wal_bytes(path):
        raise CorruptLog(
            f"{path} is truncated: it has {size_bytes} bytes and should have {expected_bytes}; restore a copy"
        )
    return size_bytes < expected_bytes


def _expected_bytes(header: bytes) -> int:
    # The file format: page size at 16 (1 stands for 65,536), change counter at 24, pages at 28, and at 92 the change
    # counter for which that number of pages holds (sqlite.org/fileformat2.html, section 1.3).
    if len(header) < _HEADER_BYTES:
        return _HEADER_BYTES
    page_bytes = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big") if header[24:28] == header[92:96] else 1
    return pages * (65_536 if page_bytes == 1 else page_bytes)


def _opened(path: Path, *, is_short: bool) -> sqlite3.Connection:
    connection = writing(path)
    try:
        if _is_empty(connection):
            create(connection)
        _check_ours(path, connection, oldest=1)
        if is_short:
            _check_structure(path, connection)
        if version_of(connection) < SCHEMA_VERSION:
            upgrade(connection)
        # What a crash left in the write-ahead log goes into the file, so that it does not grow from start to start.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except (sqlite3.Error, StoreRefused):
        connection.close()
        raise
    return connection


def _checked(path: Path, connection: sqlite3.Connection, *, oldest: int) -> sqlite3.Connection:
    try:
        _check_ours(path, connection, oldest=oldest)
    except (sqlite3.Error, StoreRefused):
        connection.close()
        raise
    return connection


def _is_empty(connection: sqlite3.Connection) -> bool:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    return bool(tables == 0 and application == 0)


def _check_ours(path: Path, connection: sqlite3.Connection, *, oldest: int) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise StoreRefused(f"{path} is a database of another program (application id {application:#x})")
    version = version_of(connection)
    if not 1 <= version <= SCHEMA_VERSION:
        raise StoreRefused(
            f"{path} has schema version {version}, and this release knows 1 to {SCHEMA_VERSION}: run the release that"
            " wrote it; nothing was changed"
        )
    if version < oldest:
        raise StoreRefused(
            f"{path} has schema version {version}, and this release reads {SCHEMA_VERSION}: run `tidings serve` once,"
            " which brings it up to date, or read it with the release that wrote it; nothing was changed"
        )


def _check_structure(path: Path, connection: sqlite3.Connection) -> None:
    # Slow, but asked only where a file is shorter than it says.
    (finding,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if finding != "ok":
        raise CorruptLog(f"{path} is truncated: {finding}; restore a copy")


def refusing(path: Path, opening: Callable[[], Result]) -> Result:
    """What `opening` answers; SQLite's own errors become CorruptLog or StoreRefused, with the file's name."""
    try:
        return opening()
    except sqlite3.Error as error:
        if is_damage(error):
            size_bytes = path.stat().st_size
            raise CorruptLog(f"{path} ({size_bytes} bytes) is damaged: {error}; restore a copy") from error
        raise StoreRefused(f"{path} cannot be opened: {error}") from error
    except UnicodeDecodeError as error:
        # SQLite names what it cannot make sense of, and in a damaged schema even the names are no text.
        raise CorruptLog(f"{path} is damaged: its schema is no text; restore a copy") from error
