"""The side of a copy that is a SQLite file.

This file answers for reading all rows of a file in one snapshot and for a new file that is whole or not there. It must
never touch a file that holds a log.
"""
# ruff: noqa: S608  # Statements are put together from constants of ours; every value is bound.

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

from core.errors import StoreRefused
from eventstore.copying.tables import CHUNK, TABLES, Row, Sum, Table
from eventstore.postgres.months import Month, month_of
from eventstore.sqlite.connecting import writing
from eventstore.sqlite.files import make_durable, remove
from eventstore.sqlite.locking import Lock
from eventstore.sqlite.opening import open_to_read
from eventstore.sqlite.schema import create

_NEXT_STREAM: Final = "SELECT min(stream) FROM event WHERE stream > ?"


@contextmanager
def for_nobody_else(path: Path) -> Iterator[None]:
    """Keeps daemons away from a file for the length of a block. Raises StoreRefused where one is at work."""
    # The lock lies beside the file, and is released by the process that ends, whatever ends it.
    lock = Lock(path)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def snapshot_of(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that sees the log as it is now for as long as the block lasts. Raises StoreRefused or CorruptLog."""
    with closing(open_to_read(path)) as connection:
        try:
            connection.execute("BEGIN")
            yield connection
        except sqlite3.Error as error:
            raise StoreRefused(f"{path} cannot be read: {error}") from error


def size_of(connection: sqlite3.Connection) -> int:
    """How many rows the log has, over all tables."""
    return sum(int(connection.execute(f"SELECT count(*) FROM {table.name}").fetchone()[0]) for table in TABLES)


def chunks_of(connection: sqlite3.Connection) -> Iterator[tuple[Table, list[Row]]]:
    """All rows of all tables, in order, some at a time."""
    for table in TABLES:
        rows = connection.execute(table.question)
        while chunk := rows.fetchmany(CHUNK):
            yield table, chunk


def months_of(path: Path) -> list[Month]:
    """The months in which a log's streams were born."""
    months: list[Month] = []
    last = -1
    with snapshot_of(path) as connection:
        while (found := connection.execute(_NEXT_STREAM, (last,)).fetchone())[0] is not None:
            months.append(month_of(found[0]))
            last = max(months[-1].beyond - 1, found[0])
    return months


def refuse_missing(path: Path) -> None:
    """Raises StoreRefused where there is no log."""
    if not path.is_file():
        raise StoreRefused(f"there is no log at {path}")


def sums_of(path: Path) -> dict[str, Sum]:
    """What a file holds, table by table."""
    sums = {table.name: Sum() for table in TABLES}
    with snapshot_of(path) as connection:
        for table, chunk in chunks_of(connection):
            sums[table.name].add(chunk)
    return sums


def refuse_used(path: Path) -> None:
    """Raises StoreRefused where there is something already."""
    if path.exists() and path.stat().st_size:
        raise StoreRefused(f"{path} is there already: copy to a new file, or remove it; nothing was changed")


@contextmanager
def new_file(path: Path) -> Iterator[sqlite3.Connection]:
    """An empty log in a new file, whole at the end of the block, and removed where that fails. Raises StoreRefused."""
    with ExitStack() as undo:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # The vault is in it, so nobody else may read it.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            undo.callback(remove, path)
            with _filling(path) as connection:
                yield connection
        except (OSError, sqlite3.Error) as error:
            raise StoreRefused(f"{path} cannot be written: {error}") from error
        undo.pop_all()


@contextmanager
def _filling(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(writing(path)) as connection:
        # A file that is not finished is thrown away, so nothing needs to be undone, or written twice.
        connection.execute("PRAGMA journal_mode = OFF")
        create(connection)
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")


def write(connection: sqlite3.Connection, table: Table, rows: Sequence[Row]) -> None:
    """Adds rows to a table of a new file."""
    places = ", ".join("?" * len(rows[0]))
    connection.executemany(f"INSERT INTO {table.name} ({table.columns}) VALUES ({places})", rows)


def put_in_place(finished: Path, path: Path) -> None:
    """Gives a finished file its name, at once and durably."""
    make_durable(finished)
    finished.replace(path)
    make_durable(path.parent)
