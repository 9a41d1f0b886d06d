"""The questions about one stream, one conversation, the vault and the agenda: each a function of a connection.

This file answers for each of them finding its rows through an index that stays small or is asked by its key. It must
never write.
"""
# ruff: noqa: S608  # Statements are put together from constants of ours; every value is bound.

import sqlite3
from collections.abc import Sequence
from typing import Final

import msgspec

from core.records import (
    FIFO_LINE,
    LOOSE_LINE,
    AgendaGroup,
    AgendaRow,
    Head,
    LinePage,
    Recorded,
    Sealed,
    Snapshot,
    Woken,
)
from eventstore import rows
from eventstore.codec import readable, recorded
from eventstore.rows import EVENT_COLUMNS, HEAD_COLUMNS, SEALED_COLUMNS

_EVENTS: Final = f"SELECT {EVENT_COLUMNS} FROM event WHERE stream = ? AND version > ? ORDER BY version"
_EVENTS_OF_MANY: Final = (
    f"SELECT {EVENT_COLUMNS} FROM event WHERE stream IN (SELECT value FROM json_each(?)) ORDER BY stream, version"
)
_HEAD: Final = f"SELECT {HEAD_COLUMNS} FROM head WHERE stream = ?"
_HEADS: Final = f"SELECT {HEAD_COLUMNS} FROM head WHERE stream IN (SELECT value FROM json_each(?))"
_LINE: Final = f"""
SELECT {HEAD_COLUMNS} FROM head INDEXED BY head_place
  WHERE conversation = ? AND line = ? AND place IS NOT NULL AND (place, stream) > (?, ?)
  ORDER BY place, stream LIMIT ?"""
_SEALED: Final = f"SELECT {SEALED_COLUMNS} FROM vault WHERE stream = ?"
_ALIASED: Final = "SELECT stream FROM alias WHERE space = ? AND tenant = ? AND name = ? ORDER BY stream"
_CONVERSATION: Final = "SELECT conversation FROM address WHERE tenant = ? AND channel = ? AND subject = ?"
_PEER: Final = "SELECT tenant, channel FROM address WHERE conversation = ? LIMIT 1"
_KEY: Final = "SELECT stream, request_hash FROM idem WHERE tenant = ? AND key_hash = ? AND expires_us > ?"
_SNAPSHOT: Final = "SELECT stream, version, body FROM snapshot WHERE stream = ?"
_NEXT_GROUP: Final = """
SELECT lane, tenant, priority, due_us FROM head INDEXED BY head_due
  WHERE due_us IS NOT NULL AND (lane, tenant, priority) > (?, ?, ?)
  ORDER BY lane, tenant, priority, due_us LIMIT 1"""
_AGENDA: Final = """
SELECT due_us, stream, conversation, host FROM head INDEXED BY head_due
  WHERE lane = ? AND tenant = ? AND priority = ? AND due_us IS NOT NULL AND (due_us, stream) > (?, ?)
  ORDER BY due_us, stream LIMIT ?"""

# Before every pair of an instant and an id.
_FROM_THE_START: Final = (-(1 << 63), -1)


def events_of(connection: sqlite3.Connection, stream: int, after_version: int) -> list[Recorded]:
    """A stream's events beyond a version."""
    return readable([recorded(row) for row in connection.execute(_EVENTS, (stream, after_version))])


def events_of_many(connection: sqlite3.Connection, streams: Sequence[int]) -> dict[int, list[Recorded]]:
    """Several streams' events; a stream without any is left out."""
    found: dict[int, list[Recorded]] = {}
    for row in connection.execute(_EVENTS_OF_MANY, (msgspec.json.encode(streams).decode(),)):
        event = recorded(row)
        found.setdefault(event.stream, []).append(event)
    for events in found.values():
        readable(events)
    return found


def head_of(connection: sqlite3.Connection, stream: int) -> Head | None:
    """A stream's head."""
    row = connection.execute(_HEAD, (stream,)).fetchone()
    return None if row is None else rows.head(row)


def heads_by(connection: sqlite3.Connection, streams: Sequence[int]) -> dict[int, Head]:
    """Several streams' heads; a stream without one is left out."""
    found = connection.execute(_HEADS, (msgspec.json.encode(streams).decode(),))
    return {head.stream: head for head in map(rows.head, found)}


def line_of(
    connection: sqlite3.Connection, line: tuple[int, int], *, after: tuple[int, int] | None, limit: int
) -> list[Head]:
    """The heads of a (conversation, line) in the order of (place, stream)."""
    return [rows.head(row) for row in connection.execute(_LINE, (*line, *(after or _FROM_THE_START), limit))]


def sealed_of(connection: sqlite3.Connection, stream: int) -> Sealed | None:
    """A stream's vault row."""
    row = connection.execute(_SEALED, (stream,)).fetchone()
    return None if row is None else rows.sealed(row)


def aliased(connection: sqlite3.Connection, name: tuple[str, str, bytes]) -> list[int]:
    """The streams under a (space, tenant, name)."""
    return [stream for (stream,) in connection.execute(_ALIASED, name)]


def conversation_at(connection: sqlite3.Connection, address: tuple[str, str, bytes]) -> int | None:
    """The conversation at a (tenant, channel, subject)."""
    row: tuple[int] | None = connection.execute(_CONVERSATION, address).fetchone()
    return None if row is None else row[0]


def peer_of(connection: sqlite3.Connection, conversation: int) -> tuple[str, str] | None:
    """The (tenant, channel) of a conversation."""
    row = connection.execute(_PEER, (conversation,)).fetchone()
    return None if row is None else (row[0], row[1])


def repeated(connection: sqlite3.Connection, key: tuple[str, bytes], at_us: int) -> tuple[int, bytes] | None:
    """(stream, request hash) under a (tenant, key hash) that has not expired at an instant."""
    row = connection.execute(_KEY, (*key, at_us)).fetchone()
    return None if row is None else (row[0], row[1])


def snapshot_of(connection: sqlite3.Connection, stream: int) -> Snapshot | None:
    """A stream's newest snapshot."""
    row = connection.execute(_SNAPSHOT, (stream,)).fetchone()
    return None if row is None else Snapshot(stream=row[0], version=row[1], body=row[2])


def woken(connection: sqlite3.Connection, conversation: int, limit: int) -> Woken:
    """What a conversation's actor wakes with."""
    snapshot = snapshot_of(connection, conversation)
    lines: dict[int, LinePage] = {}
    for line in (FIFO_LINE, LOOSE_LINE):
        heads = line_of(connection, (conversation, line), after=None, limit=limit)
        events = events_of_many(connection, [head.stream for head in heads]) if heads else {}
        lines[line] = LinePage(heads=heads, events=events)
    after_version = 0 if snapshot is None else snapshot.version
    return Woken(snapshot=snapshot, events=events_of(connection, conversation, after_version), lines=lines)


def agenda_groups(connection: sqlite3.Connection) -> list[AgendaGroup]:
    """Every group with something waiting: one step down the index for each, however much waits in it."""
    groups: list[AgendaGroup] = []
    last: tuple[str, str, int] = ("", "", -1)
    while (row := connection.execute(_NEXT_GROUP, last).fetchone()) is not None:
        lane, tenant, priority, due_us = row
        groups.append(AgendaGroup(lane=lane, tenant=tenant, priority=priority, due_us=due_us))
        last = lane, tenant, priority
    return groups


def agenda_page(
    connection: sqlite3.Connection, group: tuple[str, str, int], *, after: tuple[int, int] | None, limit: int
) -> list[AgendaRow]:
    """A group's waiting messages in the order of (due, stream)."""
    found = connection.execute(_AGENDA, (*group, *(after or _FROM_THE_START), limit))
    return [AgendaRow(due_us=row[0], stream=row[1], conversation=row[2], host=row[3]) for row in found]
