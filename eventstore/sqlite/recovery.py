"""Where a log goes on: read from its last events when it is opened, however long it is.

This file answers for the last link of each shard being the one that its event makes. It must never walk the log:
that is what verification is for.
"""
# ruff: noqa: S608  # Statements are put together from constants of ours; every value is bound.

import sqlite3
from typing import Final

from core.errors import CorruptLog
from core.ids import SHARDS
from eventstore.chain import FIRST_LINK, link_of
from eventstore.codec import EventRow
from eventstore.numbering import Numbering
from eventstore.sqlite.rows import EVENT_COLUMNS

_LAST_OF_SHARD: Final = f"SELECT {EVENT_COLUMNS} FROM event WHERE shard = ? ORDER BY seq DESC LIMIT 2"
_LAST: Final = "SELECT pos, at_us FROM event ORDER BY pos DESC LIMIT 1"
_LARGEST: Final = """
SELECT max(ifnull((SELECT max(stream) FROM event), 0), ifnull((SELECT max(conversation) FROM address), 0))"""


def numbering_of(connection: sqlite3.Connection) -> Numbering:
    """The numbers and links that the next event of each shard follows on. Raises CorruptLog for a wrong last link."""
    numbering = Numbering()
    for shard in range(SHARDS):
        rows: list[EventRow] = connection.execute(_LAST_OF_SHARD, (shard,)).fetchall()
        if rows:
            _check_link(rows)
            numbering.seqs[shard], numbering.links[shard] = rows[0][2], rows[0][11]
    last = connection.execute(_LAST).fetchone()
    if last is not None:
        numbering.pos, numbering.at_us = last
    (numbering.largest,) = connection.execute(_LARGEST).fetchone()
    return numbering


def oldest_expiry_us(connection: sqlite3.Connection) -> int | None:
    """When the oldest dedup row expires; None where there is none."""
    row = connection.execute("SELECT expires_us FROM idem ORDER BY pos LIMIT 1").fetchone()
    return None if row is None else int(row[0])


def _check_link(rows: list[EventRow]) -> None:
    last = rows[0]
    previous = rows[1][11] if len(rows) > 1 else FIRST_LINK
    if len(rows) == 1 and last[2] != 1:
        raise CorruptLog(f"shard {last[1]} holds event {last[2]} only, but numbers begin at 1; run `tidings verify`")
    if link_of(previous, last[1:11]) != last[11]:
        raise CorruptLog(
            f"the last event of shard {last[1]} (seq {last[2]}, stream {last[3]}, version {last[4]}) does not follow"
            " on the one before it: the file was damaged or changed; run `tidings verify`, then restore a copy"
        )
