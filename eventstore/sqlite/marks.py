"""Marks along the log: where all shards stood as of an event, every thousand events or so.

This file answers for finding the place that a position means without walking the log, and without an index that every
event would pay for. It must never be trusted over the events: verification compares the two.
"""

import sqlite3
from typing import Final

from core.errors import CorruptLog
from eventstore.marking import EVENTS_A_MARK, has_seen, is_at, is_due, packed, seqs_of, unpacked
from eventstore.numbering import Numbering

_INSERT: Final = "INSERT INTO mark VALUES (?, ?, ?)"
_LAST: Final = "SELECT pos, seqs, links FROM mark ORDER BY pos DESC LIMIT 1"
_AT: Final = "SELECT pos, seqs, links FROM mark WHERE pos = ?"
_INSTANT: Final = "SELECT at_us FROM event WHERE pos = ?"
_PLACES: Final = "SELECT pos FROM mark ORDER BY pos"
_UP_TO: Final = "SELECT pos, seqs FROM mark WHERE pos <= ? ORDER BY pos DESC"
_SEEN: Final = "SELECT shard, max(seq) FROM event WHERE pos > ? AND pos <= ? GROUP BY shard"


def write_mark(connection: sqlite3.Connection, before: int, now: Numbering) -> None:
    """Leaves a mark where events from the position `before` on led past the next thousand."""
    if is_due(before, now):
        connection.execute(_INSERT, (now.pos, *packed(now)))


def last_mark(connection: sqlite3.Connection) -> Numbering:
    """The numbering as of the last mark, or that of an empty log."""
    return unpacked(connection.execute(_LAST).fetchone())


def mark_at(connection: sqlite3.Connection, pos: int) -> Numbering:
    """The numbering as of the mark at a position, and the instant there. Raises CorruptLog without an event there."""
    numbering = unpacked(connection.execute(_AT, (pos,)).fetchone())
    event = connection.execute(_INSTANT, (pos,)).fetchone()
    if event is None:
        raise CorruptLog(f"the mark at position {pos} has no event")
    (numbering.at_us,) = event
    return numbering


def marked(connection: sqlite3.Connection) -> list[int]:
    """The positions of all marks, in order."""
    return [pos for (pos,) in connection.execute(_PLACES)]


def start_of(connection: sqlite3.Connection, after: dict[int, int]) -> int:
    """A place in the order of arrival with nothing before it that lies beyond `after` in any shard.

    Every event adds one to one number, so a position that a page gave ends at the sum of its numbers. One that comes
    from elsewhere (another store, another interleaving) may not, and then begins at the last mark that it is past.
    """
    reached = sum(after.values())
    for pos, packed_seqs in connection.execute(_UP_TO, (reached,)):
        seqs = seqs_of(packed_seqs)
        if not has_seen(seqs, after):
            continue
        return reached + 1 if _leads_to(connection, seqs, after, span=(pos, reached)) else pos + 1
    return reached + 1 if _leads_to(connection, {}, after, span=(0, reached)) else 1


def _leads_to(
    connection: sqlite3.Connection, seqs: dict[int, int], after: dict[int, int], *, span: tuple[int, int]
) -> bool:
    if span[1] - span[0] > 2 * EVENTS_A_MARK:
        return False
    return is_at(seqs | dict(connection.execute(_SEEN, span).fetchall()), after)
