"""Where a log goes on: read from its last mark and the few events behind it, however long it is.

This file answers for those events following on the mark, link by link. It must never walk the log: that is what
verification is for.
"""
# ruff: noqa: S608  # Statements are put together from constants of ours; every value is bound.

import sqlite3
from typing import Final

from eventstore.following import follow
from eventstore.numbering import Numbering
from eventstore.rows import EVENT_COLUMNS
from eventstore.sqlite.marks import last_mark

_BEHIND: Final = f"SELECT {EVENT_COLUMNS} FROM event WHERE pos > ? ORDER BY pos"
_LAST_INSTANT: Final = "SELECT ifnull((SELECT at_us FROM event ORDER BY pos DESC LIMIT 1), 0)"
# Conversations have ids of the same kind as streams, but may have no stream.
_LARGEST: Final = """
SELECT max(ifnull((SELECT max(stream) FROM event), 0), ifnull((SELECT max(conversation) FROM address), 0))"""


def numbering_of(connection: sqlite3.Connection) -> Numbering:
    """The numbers and links that the next event of each shard follows on. Raises CorruptLog for a wrong link."""
    numbering = last_mark(connection)
    for row in connection.execute(_BEHIND, (numbering.pos,)):
        follow(numbering, row)
    (numbering.at_us,) = connection.execute(_LAST_INSTANT).fetchone()
    (numbering.largest,) = connection.execute(_LARGEST).fetchone()
    return numbering


def oldest_expiry_us(connection: sqlite3.Connection) -> int | None:
    """When the oldest dedup row expires; None where there is none."""
    row = connection.execute("SELECT expires_us FROM idem ORDER BY pos LIMIT 1").fetchone()
    return None if row is None else int(row[0])
