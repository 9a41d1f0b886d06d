"""The rows of a batch go to SQLite, with one statement a table.

This file answers for the store saying no where a batch contradicts it. It must never begin or end a transaction: where
it fails, rows of the batch are there that only a rollback takes away again.
"""

import sqlite3
from typing import Final

from core.errors import StreamConflict
from core.records import Head
from eventstore.rows import head_row
from eventstore.sheet import Sheet
from eventstore.sqlite.bulk import Bulk, Row

# OR FAIL: a statement that fails leaves rows behind, which the caller rolls back with all others. By default SQLite
# would undo that one statement first, and copy for that every page before it changes.
_EVENT: Final = Bulk("INSERT OR FAIL INTO event", 12)
_HEAD: Final = Bulk("INSERT OR FAIL INTO head", 21)
# What changes in a message's life, and nothing else: SQLite rewrites the index entries of every column that is named,
# changed or not, and most messages are written three times. `stream` and the version before are the last of a row.
_MESSAGE_HEAD: Final = Bulk(
    """
UPDATE OR FAIL head SET version = new.column1, status = new.column2, lane = new.column3, due_us = new.column4,
  line = new.column5, place = new.column6, attempts = new.column7, changed_us = new.column8, code = new.column9,
  owes = new.column10, ends_us = new.column11 FROM (""",
    13,
    ") AS new WHERE stream = new.column12 AND head.version = new.column13",
)
_OTHER_HEAD: Final = """
UPDATE head SET kind = ?, shard = ?, tenant = ?, version = ?, status = ?, channel = ?, lane = ?, conversation = ?,
  priority = ?, host = ?, due_us = ?, line = ?, place = ?, attempts = ?, accepted_us = ?, changed_us = ?, code = ?,
  cause = ?, owes = ?, ends_us = ? WHERE stream = ? AND version = ?"""
_SEALED: Final = Bulk("INSERT OR FAIL INTO vault", 7)
_RESEALED: Final = "REPLACE INTO vault VALUES (?, ?, ?, ?, ?, ?, ?)"
_ERASED: Final = "DELETE FROM vault WHERE stream = ?"
_NAMED: Final = "INSERT INTO alias VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_UNNAMED: Final = "DELETE FROM alias WHERE space = ? AND tenant = ? AND name = ? AND stream = ?"
# A peer has one conversation for ever. Another one under the same address would break its order, so it breaks the
# column's NOT NULL instead, and with it this call alone.
_ADDRESS: Final = Bulk(
    "INSERT OR FAIL INTO address",
    4,
    """ON CONFLICT (tenant, channel, subject)
  DO UPDATE SET conversation = NULL WHERE conversation <> excluded.conversation""",
)
# Where it leads to the conversation, it leads to its negative from here on; elsewhere it stays as it is.
_CLOSED: Final = """
INSERT INTO address VALUES (?, ?, ?, ?) ON CONFLICT (tenant, channel, subject)
  DO UPDATE SET conversation = excluded.conversation WHERE conversation = -excluded.conversation"""
_GONE: Final = "DELETE FROM address WHERE tenant = ? AND channel = ? AND subject = ? AND abs(conversation) = ?"
_TALLY: Final = Bulk(
    "INSERT OR FAIL INTO tally",
    6,
    """ON CONFLICT (tenant, channel, lane, status)
  DO UPDATE SET messages = messages + excluded.messages, attempts = attempts + excluded.attempts""",
)
_SNAPSHOT: Final = """
INSERT INTO snapshot VALUES (?, ?, ?) ON CONFLICT (stream)
  DO UPDATE SET version = excluded.version, body = excluded.body WHERE version <= excluded.version"""


def write(connection: sqlite3.Connection, sheet: Sheet) -> None:
    """Writes all rows. Raises StreamConflict or sqlite3.IntegrityError where the store says otherwise."""
    _EVENT.run(connection, sheet.events)
    _write_heads(connection, sheet)
    if sheet.sealed:
        _SEALED.run(connection, list(sheet.sealed.values()))
    if sheet.addresses:
        _ADDRESS.run(connection, [(*address, peer) for address, peer in sheet.addresses.items()])
    if sheet.resealed:
        connection.executemany(_RESEALED, sheet.resealed.values())
    if sheet.erased:
        connection.executemany(_ERASED, [(stream,) for stream in sorted(sheet.erased)])
    for address, change in sheet.changes.items():
        if change.becomes == "closed":
            connection.execute(_CLOSED, (*address, -change.conversation))
        else:
            connection.execute(_GONE, (*address, change.conversation))
    for statement, leads in ((_UNNAMED, False), (_NAMED, True)):
        if rows := sheet.aliases(leads=leads):
            connection.executemany(statement, rows)
    if sheet.counts:
        _TALLY.run(connection, [(*key, messages, attempts) for key, (messages, attempts) in sheet.counts.items()])
    if sheet.snapshots:
        kept = sheet.snapshots.values()
        connection.executemany(_SNAPSHOT, [(snapshot.stream, snapshot.version, snapshot.body) for snapshot in kept])


def _write_heads(connection: sqlite3.Connection, sheet: Sheet) -> None:
    messages: list[Row] = []
    others: list[Row] = []
    for head, before in sheet.moved():
        if head.kind == "msg":
            messages.append((*_changing(head), head.stream, before))
        else:
            others.append((*head_row(head)[1:], head.stream, before))
    _HEAD.run(connection, [head_row(head) for head in sheet.fresh()])
    if _MESSAGE_HEAD.run(connection, messages) != len(messages):
        raise _contradicted(messages)
    if others and connection.executemany(_OTHER_HEAD, others).rowcount != len(others):
        raise _contradicted(others)


def _changing(head: Head) -> Row:
    return (
        head.version,
        head.status,
        head.lane,
        head.due_us,
        head.line,
        head.place,
        head.attempts,
        head.changed_us,
        head.code,
        head.owes,
        head.ends_us,
    )


def _contradicted(rows: list[Row]) -> StreamConflict:
    *_, stream, before = rows[0]
    named = f"stream {stream!r} after version {before!r}" if len(rows) == 1 else f"one of {len(rows)} streams"
    return StreamConflict(f"{named}: the store's version is another than this append follows on")
