"""The events of a log as a replay takes them: from the first one on, as fast as they can be read.

This file answers for the order of arrival and for nothing beside events having a part in it. It must never write.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Final

import msgspec
from msgspec import json

from core.errors import CorruptLog
from core.events import Event
from eventstore.codec import decode
from eventstore.sqlite.opening import open_to_read

# Stream, instant, tenant, cause, event: what folding asks for. A plain tuple, and no more columns than these: a replay
# of millions is bounded by what is made for each of them.
Happened = tuple[int, int, str, int, Event]

# One of so many shares of a log by its shards, from 0: a stream lies in one shard, and a conversation in its messages'.
Share = tuple[int, int]
WHOLE: Final[Share] = (0, 1)

# What is paused is asked of every message, so the few events of lanes are in every share.
_EVENTS: Final = """
SELECT stream, at_us, tenant, cause, type, schema_version, body FROM event
  WHERE pos <= ? AND ((shard & 255) % ? = ? OR stream IN (SELECT value FROM json_each(?))) ORDER BY pos"""
_LAST: Final = "SELECT ifnull(max(pos), 0) FROM event"
_LAST_AT: Final = "SELECT pos, at_us FROM event WHERE pos <= ? AND at_us <= ? ORDER BY pos DESC LIMIT 1"
_OUTLINE: Final = """
SELECT type, stream, count(*) FROM event
  WHERE pos <= ? AND (type = 'LaneOpened' OR (type = 'ReceiptSeen' AND (shard & 255) % ? = ?)) GROUP BY type, stream"""
EVENTS_A_PAGE: Final = 1_000
# No log has more events.
_ALL: Final = (1 << 63) - 1


class Outline(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a share before its first event is read.

    `receipts` are how many of them each stream has: who knows what is still to come for a message keeps no other.
    """

    receipts: dict[int, int]
    lanes: list[int]


def last_of(path: Path, until_us: int | None) -> tuple[int, int, int]:
    """How many events there are, how many of them up to an instant (None: all), and when the last of those happened.

    Raises StoreRefused or CorruptLog.
    """
    with closing(open_to_read(path)) as connection, _readable(path):
        (last,) = connection.execute(_LAST).fetchone()
        found = connection.execute(_LAST_AT, (last, _ALL if until_us is None else until_us)).fetchone()
        return last, *(found or (0, 0))


def outline(path: Path, *, up_to: int, share: Share = WHOLE) -> Outline:
    """What is known of a share up to a position. Raises StoreRefused or CorruptLog."""
    part, parts = share
    with closing(open_to_read(path)) as connection, _readable(path):
        found = connection.execute(_OUTLINE, (up_to, parts, part)).fetchall()
    lanes = [stream for name, stream, _ in found if name == "LaneOpened"]
    return Outline(receipts={stream: count for name, stream, count in found if name == "ReceiptSeen"}, lanes=lanes)


def happened(
    path: Path, until_us: int | None, *, up_to: int = _ALL, share: Share = WHOLE, lanes: Sequence[int] = ()
) -> Iterator[list[Happened]]:
    """The events of a share and of these lanes up to an instant (None: all) and to a position, a page at a time.

    Also beside a daemon. Raises StoreRefused or CorruptLog.
    """
    part, parts = share
    with closing(open_to_read(path)) as connection, _readable(path):
        yield from _pages(connection.execute(_EVENTS, (up_to, parts, part, json.encode(lanes).decode())), until_us)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.DatabaseError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptLog(f"{path} cannot be read on: {error}; run `tidings verify`") from error


def _pages(events: sqlite3.Cursor, until_us: int | None) -> Iterator[list[Happened]]:
    while rows := events.fetchmany(EVENTS_A_PAGE):
        # Instants never decrease in the order of arrival, so the first later one ends it.
        page = rows if until_us is None else list(takewhile(lambda row: row[1] <= until_us, rows))
        yield [
            (stream, at_us, tenant, cause, decode(name, schema_version, body))
            for stream, at_us, tenant, cause, name, schema_version, body in page
        ]
        if len(page) < len(rows):
            return
