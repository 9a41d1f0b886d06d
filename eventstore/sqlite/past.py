"""The events of a log as a replay takes them: from the first one on, as fast as they can be read.

This file answers for the order of arrival and for nothing beside events having a part in it. It must never write.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import takewhile
from pathlib import Path
from typing import Final

import msgspec

from core.errors import CorruptLog
from core.events import Event
from eventstore.codec import decode
from eventstore.sqlite.opening import open_to_read

# Stream, instant, tenant, cause, event: what folding asks for. A plain tuple, and no more columns than these: a replay
# of millions is bounded by what is made for each of them.
Happened = tuple[int, int, str, int, Event]

_EVENTS: Final = """
SELECT stream, at_us, tenant, cause, type, schema_version, body FROM event WHERE pos <= ? ORDER BY pos"""
_LAST: Final = "SELECT ifnull(max(pos), 0) FROM event"
_RECEIPTS: Final = "SELECT stream, count(*) FROM event WHERE type = 'ReceiptSeen' AND pos <= ? GROUP BY stream"
EVENTS_A_PAGE: Final = 1_000
# No log has more events.
_ALL: Final = (1 << 63) - 1


def receipts(path: Path) -> tuple[int, dict[int, int]]:
    """How many events there are, and how many receipts each stream has among them: who knows what is still to come for
    a message keeps no other. Raises StoreRefused or CorruptLog.
    """
    with closing(open_to_read(path)) as connection:
        try:
            (last,) = connection.execute(_LAST).fetchone()
            return last, dict(connection.execute(_RECEIPTS, (last,)))
        except sqlite3.DatabaseError as error:
            raise CorruptLog(f"{path} cannot be read: {error}; run `tidings verify`") from error


def happened(path: Path, until_us: int | None, *, up_to: int = _ALL) -> Iterator[list[Happened]]:
    """Every event up to an instant (None: to the end) and to a position, a page at a time, also beside a daemon.

    Raises StoreRefused or CorruptLog.
    """
    with closing(open_to_read(path)) as connection:
        try:
            yield from _pages(connection.execute(_EVENTS, (up_to,)), until_us)
        except (sqlite3.DatabaseError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CorruptLog(f"{path} cannot be read on: {error}; run `tidings verify`") from error


def _pages(events: sqlite3.Cursor, until_us: int | None) -> Iterator[list[Happened]]:
    while rows := events.fetchmany(EVENTS_A_PAGE):
        # Instants never decrease in the order of arrival, so the first later one ends it.
        page = rows if until_us is None else list(takewhile(lambda row: row[1] <= until_us, rows))
        yield [(*row[:4], decode(row[4], row[5], row[6])) for row in page]
        if len(page) < len(rows):
            return
