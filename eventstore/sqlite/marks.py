"""Marks along the log: where all shards stood as of an event, every thousand events or so.

This file answers for finding the place that a position means without walking the log, and without an index that every
event would pay for. It must never be trusted over the events: verification compares the two.
"""

import sqlite3
from struct import Struct
from typing import Final

from core.ids import SHARDS
from eventstore.chain import FIRST_LINK
from eventstore.numbering import Numbering

# Denser marks make each page begin faster and the file larger: 10 KiB for each.
EVENTS_A_MARK: Final = 1_024

_SEQS: Final = Struct(f">{SHARDS}q")
_LINK_BYTES: Final = len(FIRST_LINK)

_INSERT: Final = "INSERT INTO mark VALUES (?, ?, ?)"
_LAST: Final = "SELECT pos, seqs, links FROM mark ORDER BY pos DESC LIMIT 1"
_AT: Final = "SELECT pos, seqs, links FROM mark WHERE pos = ?"
_INSTANT: Final = "SELECT at_us FROM event WHERE pos = ?"
_PLACES: Final = "SELECT pos FROM mark ORDER BY pos"
_UP_TO: Final = "SELECT pos, seqs FROM mark WHERE pos <= ? ORDER BY pos DESC"
_SEEN: Final = "SELECT shard, max(seq) FROM event WHERE pos > ? AND pos <= ? GROUP BY shard"


def write_mark(connection: sqlite3.Connection, before: int, now: Numbering) -> None:
    """Leaves a mark where events from the position `before` on led past the next thousand."""
    if before // EVENTS_A_MARK != now.pos // EVENTS_A_MARK:
        connection.execute(_INSERT, (now.pos, *packed(now)))


def packed(numbering: Numbering) -> tuple[bytes, bytes]:
    """The numbers and the links of all shards, as a mark holds them."""
    return _SEQS.pack(*numbering.seqs), b"".join(numbering.links)


def last_mark(connection: sqlite3.Connection) -> Numbering:
    """The numbering as of the last mark, or that of an empty log."""
    return _read(connection.execute(_LAST).fetchone())


def mark_at(connection: sqlite3.Connection, pos: int) -> Numbering:
    """The numbering as of the mark at a position, and the instant there."""
    numbering = _read(connection.execute(_AT, (pos,)).fetchone())
    (numbering.at_us,) = connection.execute(_INSTANT, (pos,)).fetchone()
    return numbering


def marked(connection: sqlite3.Connection) -> list[int]:
    """The positions of all marks, in order."""
    return [pos for (pos,) in connection.execute(_PLACES)]


def _read(row: tuple[int, bytes, bytes] | None) -> Numbering:
    numbering = Numbering()
    if row is not None:
        numbering.pos, seqs, links = row
        numbering.seqs = list(_SEQS.unpack(seqs))
        numbering.links = [links[at : at + _LINK_BYTES] for at in range(0, SHARDS * _LINK_BYTES, _LINK_BYTES)]
    return numbering


def start_of(connection: sqlite3.Connection, after: dict[int, int]) -> int:
    """A place in the order of arrival with nothing before it that lies beyond `after` in any shard.

    Every event adds one to one number, so a position that a page gave ends at the sum of its numbers. One that comes
    from elsewhere (another store, another interleaving) may not, and then begins at the last mark that it is past.
    """
    reached = sum(after.values())
    for pos, packed_seqs in connection.execute(_UP_TO, (reached,)):
        seqs = dict(enumerate(_SEQS.unpack(packed_seqs)))
        if any(seq > after.get(shard, 0) for shard, seq in seqs.items()):
            continue
        return reached + 1 if _leads_to(connection, seqs, after, span=(pos, reached)) else pos + 1
    return reached + 1 if _leads_to(connection, {}, after, span=(0, reached)) else 1


def _leads_to(
    connection: sqlite3.Connection, seqs: dict[int, int], after: dict[int, int], *, span: tuple[int, int]
) -> bool:
    if span[1] - span[0] > 2 * EVENTS_A_MARK:
        return False
    seen = seqs | dict(connection.execute(_SEEN, span).fetchall())
    return all(seen.get(shard, 0) == after.get(shard, 0) for shard in range(SHARDS))
