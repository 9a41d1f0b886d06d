"""The questions that look along many streams: listing, counting, pages of the log.

This file answers for the way that each filter goes to its rows, chosen here and not by a planner that knows nothing of
their numbers. It must never write.
"""
# ruff: noqa: S608  # Statements are put together from constants of ours; every value is bound.

import sqlite3
from collections.abc import Iterator
from itertools import dropwhile, islice
from typing import Final

from core.records import Head, ListedKind, MessageFilter, Recorded, Tally
from eventstore import rows
from eventstore.codec import EventRow, recorded
from eventstore.paging import LOOKED_AT_MAX, page_of
from eventstore.rows import EVENT_COLUMNS, HEAD_COLUMNS
from eventstore.sqlite.marks import start_of
from eventstore.tallying import Counts, tallies_of

# The statuses that the agenda's index holds, and those that the index by status holds: each of the latter has its rows
# there in the order of their ids. SQLite takes a partial index only where it sees the index's own condition again.
WAITING: Final = ("queued", "scheduled", "retrying")
RESTING: Final = ("sending", "held", "dead", "cancelled", "expired", "failed")
LISTED: Final[tuple[ListedKind, ...]] = ("lane", "sys", "device", "plan", "stray")
_WAITS: Final = "due_us IS NOT NULL"
_RESTS: Final = f"({' OR '.join(f'status = {status!r}' for status in RESTING)})"
_IS_LISTED: Final = f"({' OR '.join(f'kind = {kind!r}' for kind in LISTED)})"

_OF_KIND: Final = f"""
SELECT {HEAD_COLUMNS} FROM head INDEXED BY head_kind WHERE kind = ? AND {_IS_LISTED} AND stream > ?
  AND (? IS NULL OR status = ?) ORDER BY stream LIMIT ?"""
_SILENT: Final = f"""
SELECT {HEAD_COLUMNS} FROM head INDEXED BY head_silent
  WHERE kind = 'device' AND status = 'active' AND (changed_us, stream) > (?, ?)
  ORDER BY changed_us, stream LIMIT ?"""
_ENDING: Final = f"""
SELECT {HEAD_COLUMNS} FROM head INDEXED BY head_ends
  WHERE ends_us IS NOT NULL AND (ends_us, stream) > (?, ?) ORDER BY ends_us, stream LIMIT ?"""
_TALLIES: Final = "SELECT tenant, channel, lane, status, messages, attempts FROM tally"
_PAGE: Final = f"SELECT {EVENT_COLUMNS} FROM event WHERE pos >= ? ORDER BY pos"
_LAST_POS: Final = "SELECT ifnull(max(pos), 0) FROM event"
_FROM: Final = "SELECT pos, at_us FROM event WHERE pos >= ? ORDER BY pos LIMIT 1"

Values = list[str | int | bytes]
# An index to go by, its own conditions, and the statuses to be found there, None for all.
Way = tuple[str, list[str], tuple[str, ...] | None]


def heads(connection: sqlite3.Connection, wanted: MessageFilter, *, limit: int, oldest_first: bool) -> list[Head]:
    """The messages that match, in the order of their ids."""
    if wanted.status == ():
        return []
    order = "ASC" if oldest_first else "DESC"
    streams, values = _streams(wanted, order, limit)
    statement = f"SELECT {HEAD_COLUMNS} FROM head WHERE stream IN ({streams}) ORDER BY stream {order} LIMIT ?"
    return [rows.head(row) for row in connection.execute(statement, [*values, limit])]


def count(connection: sqlite3.Connection, wanted: MessageFilter, at_most: int) -> int:
    """How many messages match, counted no further than `at_most`."""
    if wanted.status == ():
        return 0
    streams, values = _streams(wanted, "DESC", at_most)
    (number,) = connection.execute(f"SELECT count(*) FROM ({streams} LIMIT ?)", [*values, at_most]).fetchone()
    return int(number)


def heads_of_kind(
    connection: sqlite3.Connection, kind: ListedKind, *, status: str | None, after: int, limit: int | None
) -> list[Head]:
    """Streams of such a kind, in the order of their ids."""
    # To SQLite a negative limit is none.
    values = (kind, after, status, status, -1 if limit is None else limit)
    return [rows.head(row) for row in connection.execute(_OF_KIND, values)]


def silent_devices(connection: sqlite3.Connection, after: tuple[int, int] | None, limit: int) -> list[Head]:
    """Active devices in the order of (changed, stream)."""
    return [rows.head(row) for row in connection.execute(_SILENT, (*(after or (-1, -1)), limit))]


def ending_messages(connection: sqlite3.Connection, after: tuple[int, int] | None, limit: int) -> list[Head]:
    """What waits and has an end, in the order of (end, stream)."""
    return [rows.head(row) for row in connection.execute(_ENDING, (*(after or (-1, -1)), limit))]


def tallies(connection: sqlite3.Connection, tenant: str | None) -> list[Tally]:
    """The counts by channel, lane and status."""
    counts: Counts = {tuple(row[:4]): (row[4], row[5]) for row in connection.execute(_TALLIES)}
    return tallies_of(counts, tenant)


def recorded_since(connection: sqlite3.Connection, at_us: int, types: tuple[str, ...]) -> list[Recorded]:
    """Events of these types from an instant on, oldest first."""
    places = ", ".join("?" * len(types))
    statement = f"SELECT {EVENT_COLUMNS} FROM event WHERE pos >= ? AND type IN ({places}) ORDER BY pos"
    return [recorded(row) for row in connection.execute(statement, (_first_pos(connection, at_us), *types))]


def log_page(
    connection: sqlite3.Connection, after: dict[int, int], *, tenant: str | None, limit: int
) -> tuple[list[Recorded], dict[int, int]]:
    """Events beyond a position, and the position reached."""
    # Read row by row, and no further than the page needs.
    events: Iterator[EventRow] = connection.execute(_PAGE, (start_of(connection, after),))
    unseen = dropwhile(lambda row: row[2] <= after.get(row[1], 0), events)
    return page_of(islice(unseen, LOOKED_AT_MAX), after, tenant=tenant, limit=limit)


def _first_pos(connection: sqlite3.Connection, at_us: int) -> int:
    (last_pos,) = connection.execute(_LAST_POS).fetchone()
    # Instants never decrease along positions, so the first one is found by halving, whatever came after it.
    low, high = 1, last_pos + 1
    while low < high:
        middle = (low + high) // 2
        pos, at = connection.execute(_FROM, (middle,)).fetchone()
        if at < at_us:
            low = pos + 1
        else:
            high = middle
    return low


def _streams(wanted: MessageFilter, order: str, limit: int) -> tuple[str, Values]:
    """A query for the first matching ids of each way to them; all of them together where there is one way only."""
    conditions, common = _conditions(wanted)
    queries: list[str] = []
    values: Values = []
    for way, own, statuses in _ways(wanted):
        where = [*own, *conditions]
        if statuses is not None:
            where.append(f"status IN ({', '.join('?' * len(statuses))})")
        inner = f"SELECT stream FROM head {way} WHERE {' AND '.join(where)} ORDER BY stream {order} LIMIT ?"
        queries.append(f"SELECT stream FROM ({inner})")
        values += [*common, *(statuses or ()), limit]
    return " UNION ALL ".join(queries), values


def _ways(wanted: MessageFilter) -> list[Way]:
    statuses = wanted.status
    if wanted.conversation is not None:
        return [("INDEXED BY head_conversation", ["kind = 'msg'"], statuses)]
    if wanted.reference is not None:
        # The vault's index leads to the streams, and the heads are then asked by key.
        return [("", ["kind = 'msg'"], statuses)]
    if wanted.cause:
        return [("INDEXED BY head_cause", ["kind = 'msg'", "cause <> 0"], statuses)]
    if wanted.owes:
        return [("INDEXED BY head_owes", ["kind = 'msg'", "owes = 1"], statuses)]
    if statuses is None or not {*WAITING, *RESTING}.issuperset(statuses):
        return [("NOT INDEXED" if wanted.tenant is None else "INDEXED BY head_tenant", ["kind = 'msg'"], statuses)]
    waiting = tuple(status for status in WAITING if status in statuses)
    resting: list[Way] = [("INDEXED BY head_status", [_RESTS], (status,)) for status in RESTING if status in statuses]
    return [*resting, ("INDEXED BY head_due", [_WAITS], waiting)] if waiting else resting


def _conditions(wanted: MessageFilter) -> tuple[list[str], Values]:
    asked: list[tuple[str, str | int | bytes | None]] = [
        ("tenant = ?", wanted.tenant),
        ("channel = ?", wanted.channel),
        ("lane = ?", wanted.lane),
        ("conversation = ?", wanted.conversation),
        ("stream IN (SELECT stream FROM vault WHERE reference = ?)", wanted.reference),
        ("stream < ?", wanted.before),
        ("stream > ?", wanted.after),
        ("cause = ?", wanted.cause),
        ("owes = ?", wanted.owes),
    ]
    given = [(condition, value) for condition, value in asked if value is not None]
    return [condition for condition, _ in given], [value for _, value in given]
