"""The questions that look along many streams: listing, counting, pages of the log.

This file answers for the way that each filter goes to its rows, chosen here and not by a planner that knows nothing of
their numbers. It must never write.
"""
# ruff: noqa: S608  # Statements are put together from constants of ours; every value is bound.

import sqlite3
from typing import Final, Literal

from core.ids import SHARDS
from core.records import Head, MessageFilter, Recorded, Tally
from eventstore.codec import recorded
from eventstore.paging import LOOKED_AT_MAX, page_of
from eventstore.sqlite import rows
from eventstore.sqlite.rows import EVENT_COLUMNS, HEAD_COLUMNS
from eventstore.tallying import Counts, tallies_of

# A plain success is not in the index by status: there are too many, and they are found quickly among the newest.
SUCCESSES: Final = frozenset({"sent", "delivered", "read"})
_NO_SUCCESS: Final = "status NOT IN ('sent', 'delivered', 'read')"

_OF_KIND: Final = (
    f"SELECT {HEAD_COLUMNS} FROM head INDEXED BY head_kind WHERE kind = ? AND kind IN ('lane', 'sys') ORDER BY stream"
)
_TALLIES: Final = "SELECT tenant, channel, lane, status, messages, attempts FROM tally"
_POSITION: Final = "SELECT pos FROM event WHERE shard = ? AND seq = ?"
_PAGE: Final = f"SELECT {EVENT_COLUMNS} FROM event WHERE pos >= ? ORDER BY pos LIMIT ?"
_FROM: Final = "SELECT pos, at_us FROM event WHERE pos >= ? ORDER BY pos LIMIT 1"

Values = list[str | int | bytes]


def heads(connection: sqlite3.Connection, wanted: MessageFilter, *, limit: int, oldest_first: bool) -> list[Head]:
    """The messages that match, in the order of their ids."""
    statement, values = _ways(wanted, HEAD_COLUMNS, "ASC" if oldest_first else "DESC", limit)
    return [rows.head(row) for row in connection.execute(statement, values)]


def count(connection: sqlite3.Connection, wanted: MessageFilter, at_most: int) -> int:
    """How many messages match, counted no further than `at_most`."""
    statement, values = _ways(wanted, "stream", "DESC", at_most)
    (number,) = connection.execute(f"SELECT count(*) FROM ({statement})", values).fetchone()
    return int(number)


def heads_of_kind(connection: sqlite3.Connection, kind: Literal["lane", "sys"]) -> list[Head]:
    """All lane or sys streams, in the order of their ids."""
    return [rows.head(row) for row in connection.execute(_OF_KIND, (kind,))]


def tallies(connection: sqlite3.Connection, tenant: str | None) -> list[Tally]:
    """The counts by channel, lane and status."""
    counts: Counts = {tuple(row[:4]): (row[4], row[5]) for row in connection.execute(_TALLIES)}
    return tallies_of(counts, tenant)


def recorded_since(connection: sqlite3.Connection, at_us: int, types: tuple[str, ...]) -> list[Recorded]:
    """Events of these types from an instant on, oldest first."""
    places = ", ".join("?" * len(types))
    statement = f"SELECT {EVENT_COLUMNS} FROM event WHERE pos >= ? AND type IN ({places}) ORDER BY pos"
    first = _first_pos(connection, at_us)
    return [recorded(row) for row in connection.execute(statement, (first, *types))]


def log_page(
    connection: sqlite3.Connection, after: dict[int, int], *, tenant: str | None, limit: int
) -> tuple[list[Recorded], dict[int, int]]:
    """Events beyond a position, and the position reached."""
    found = (connection.execute(_POSITION, (shard, after.get(shard, 0) + 1)).fetchone() for shard in range(SHARDS))
    first = min((row[0] for row in found if row is not None), default=None)
    if first is None:
        return [], dict(after)
    # Read row by row, and no further than the page needs.
    events = connection.execute(_PAGE, (first, LOOKED_AT_MAX))
    return page_of(events, after, tenant=tenant, limit=limit)


def _first_pos(connection: sqlite3.Connection, at_us: int) -> int:
    (last_pos,) = connection.execute("SELECT ifnull(max(pos), 0) FROM event").fetchone()
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


def _ways(wanted: MessageFilter, columns: str, order: str, limit: int) -> tuple[str, Values]:
    """One query, or one for each status where these have an index: each gives its first rows, then they are merged."""
    conditions, values = _conditions(wanted)
    statuses = wanted.status
    if wanted.conversation is not None or wanted.reference is not None or statuses is None or SUCCESSES & set(statuses):
        if statuses is not None:
            conditions.append(f"status IN ({', '.join('?' * len(statuses))})")
            values += statuses
        return _way(_index(wanted), columns, conditions, order), [*values, limit]
    merged: Values = []
    parts: list[str] = []
    for status in sorted(set(statuses)):
        way = _way("INDEXED BY head_status", columns, ["status = ?", _NO_SUCCESS, *conditions], order)
        parts.append(f"SELECT * FROM ({way})")
        merged += [status, *values, limit]
    if not parts:
        return _way("NOT INDEXED", columns, ["false"], order), [limit]
    return f"{' UNION ALL '.join(parts)} ORDER BY stream {order} LIMIT ?", [*merged, limit]


def _way(index: str, columns: str, conditions: list[str], order: str) -> str:
    where = " AND ".join(conditions)
    return f"SELECT {columns} FROM head {index} WHERE {where} ORDER BY stream {order} LIMIT ?"


def _index(wanted: MessageFilter) -> str:
    if wanted.conversation is not None:
        return "INDEXED BY head_conversation"
    if wanted.reference is not None:
        # The vault's index leads to the streams, so their heads are asked by key.
        return ""
    return "NOT INDEXED" if wanted.tenant is None else "INDEXED BY head_tenant"


def _conditions(wanted: MessageFilter) -> tuple[list[str], Values]:
    conditions, values = ["kind = 'msg'"], Values()
    asked: list[tuple[str, str | int | bytes | None]] = [
        ("tenant = ?", wanted.tenant),
        ("channel = ?", wanted.channel),
        ("lane = ?", wanted.lane),
        ("conversation = ?", wanted.conversation),
        ("stream IN (SELECT stream FROM vault WHERE reference = ?)", wanted.reference),
        ("stream < ?", wanted.before),
        ("stream > ?", wanted.after),
    ]
    for condition, value in asked:
        if value is not None:
            conditions.append(condition)
            values.append(value)
    return conditions, values
