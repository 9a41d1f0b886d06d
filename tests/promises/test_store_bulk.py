"""Answers for rows going to SQLite together: all of them, in their order, in few steps, and counted truly."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from eventstore.sqlite.bulk import Bulk
from eventstore.sqlite.connecting import writing


@pytest.mark.parametrize(("count", "steps"), [(0, 0), (1, 1), (7, 1), (15, 2), (64, 1), (65, 2), (127, 5), (1_024, 16)])
def test_any_number_of_rows_goes_in_few_steps(count: int, steps: int) -> None:
    """Rows arrive whole and in their order, however many there are, and in no more steps than halving needs."""
    statements: list[str] = []
    rows = [(number, f"row {number}", bytes([number % 256])) for number in range(count)]
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE kept (number INTEGER, name TEXT, body BLOB) STRICT")
        connection.set_trace_callback(statements.append)
        assert Bulk("INSERT INTO kept", 3).run(connection, rows) == count
        connection.set_trace_callback(None)
        assert connection.execute("SELECT * FROM kept ORDER BY rowid").fetchall() == rows
    assert len(statements) == steps


def test_every_value_is_kept_as_it_is(tmp_path: Path) -> None:
    """Whatever a row holds is bound as SQLite's own kind of it, and comes back the same."""
    row = (7, "ü", b"\x00\xff", b"", None, True, False)
    with closing(writing(tmp_path / "kept.db")) as connection:
        connection.execute("CREATE TABLE kept (a, b, c, d, e, f, g)")
        Bulk("INSERT INTO kept", len(row)).run(connection, [row] * 3)
        kinds = connection.execute("SELECT typeof(a), typeof(b), typeof(c), typeof(d), typeof(e), typeof(f) FROM kept")
        assert set(kinds) == {("integer", "text", "blob", "blob", "null", "integer")}
        assert connection.execute("SELECT * FROM kept").fetchall() == [row] * 3


def test_only_rows_that_changed_are_counted() -> None:
    """What an update does not find is missing from its count, so that a contradiction is seen."""
    update = Bulk("UPDATE kept SET name = new.column2 FROM (", 2, ") AS new WHERE number = new.column1")
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE kept (number INTEGER PRIMARY KEY, name TEXT) STRICT")
        Bulk("INSERT INTO kept", 2).run(connection, [(1, "a"), (2, "b"), (3, "c")])
        assert update.run(connection, [(1, "x"), (7, "y"), (3, "z")]) == 2
        assert connection.execute("SELECT name FROM kept ORDER BY number").fetchall() == [("x",), ("b",), ("z",)]
