"""Answers for SQLite's programs doing for a head what its row and its index entries ask for, and no more."""

import sqlite3
from contextlib import closing

import pytest

from eventstore.rows import HEAD_COLUMNS
from eventstore.sqlite.schema import create

INSERT = f"INSERT INTO head VALUES ({HEAD_COLUMNS.count(',') * 'NULL, '}NULL)"  # noqa: S608  # Nothing but NULL.


@pytest.mark.parametrize(
    "statement",
    [INSERT, "UPDATE head SET status = 'held'", "PRAGMA integrity_check"],
)
def test_no_row_costs_a_table_of_its_own(statement: str) -> None:
    """No condition of an index is a list that SQLite makes a table of, anew for each row that it writes or checks.

    Writing a head cost twice as much with two of them.
    """
    with closing(sqlite3.connect(":memory:")) as connection:
        create(connection)
        steps = connection.execute(f"EXPLAIN {statement}").fetchall()
    operations = {step[1] for step in steps}
    assert "Halt" in operations
    assert "OpenEphemeral" not in operations
