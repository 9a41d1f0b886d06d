"""A batch as rows, gathered from its calls and written with one statement a table.

This file answers for a batch and its calls one by one coming to the same rows. It must never begin or end a
transaction.
"""

import sqlite3
from typing import Final

from core.errors import StreamConflict
from core.records import Acceptance, Append, Head
from eventstore.batches import Entry, check_versions
from eventstore.codec import EventRow
from eventstore.numbering import Numbering
from eventstore.sqlite.bulk import Bulk, Row
from eventstore.sqlite.rows import AliasRow, SealedRow, alias_row, head_row, sealed_row
from eventstore.tallying import Counts, count

_EVENT: Final = Bulk("INSERT INTO event", 12)
_HEAD: Final = Bulk("INSERT INTO head", 21)
# What changes in a message's life, and nothing else: SQLite rewrites the index entries of every column that is named,
# changed or not, and most messages are written three times. `stream` and the version before are the last of a row.
_MESSAGE_HEAD: Final = Bulk(
    """
UPDATE head SET version = new.column1, status = new.column2, lane = new.column3, due_us = new.column4,
  line = new.column5, place = new.column6, attempts = new.column7, changed_us = new.column8, code = new.column9,
  owes = new.column10, ends_us = new.column11 FROM (""",
    13,
    ") AS new WHERE stream = new.column12 AND head.version = new.column13",
)
_OTHER_HEAD: Final = """
UPDATE head SET kind = ?, shard = ?, tenant = ?, version = ?, status = ?, channel = ?, lane = ?, conversation = ?,
  priority = ?, host = ?, due_us = ?, line = ?, place = ?, attempts = ?, accepted_us = ?, changed_us = ?, code = ?,
  cause = ?, owes = ?, ends_us = ? WHERE stream = ? AND version = ?"""
_SEALED: Final = Bulk("INSERT INTO vault", 7)
_RESEALED: Final = "REPLACE INTO vault VALUES (?, ?, ?, ?, ?, ?, ?)"
_NAMED: Final = "INSERT INTO alias VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_UNNAMED: Final = "DELETE FROM alias WHERE space = ? AND tenant = ? AND name = ? AND stream = ?"
# A peer has one conversation for ever. Another one under the same address would break its order, so it breaks the
# column's NOT NULL instead, and with it this call alone.
_ADDRESS: Final = Bulk(
    "INSERT INTO address",
    4,
    """ON CONFLICT (tenant, channel, subject)
  DO UPDATE SET conversation = NULL WHERE conversation <> excluded.conversation""",
)
_TALLY: Final = Bulk(
    "INSERT INTO tally",
    6,
    """ON CONFLICT (tenant, channel, lane, status)
  DO UPDATE SET messages = messages + excluded.messages, attempts = attempts + excluded.attempts""",
)
_SNAPSHOT: Final = """
INSERT INTO snapshot VALUES (?, ?, ?) ON CONFLICT (stream)
  DO UPDATE SET version = excluded.version, body = excluded.body WHERE version <= excluded.version"""


class Sheet:
    """The rows of one batch."""

    def __init__(self) -> None:
        self._events: list[EventRow] = []
        # The stream's last version in this batch; what its head must show in the store before; the head it comes to.
        self._versions: dict[int, int] = {}
        self._before: dict[int, int] = {}
        self._heads: dict[int, Head] = {}
        self._sealed: list[SealedRow] = []
        self._addresses: dict[tuple[str, str, bytes], int] = {}
        # The vault rows that take the place of others, and whether a name leads to a stream once all is written.
        self._resealed: dict[int, SealedRow] = {}
        self._aliases: dict[AliasRow, bool] = {}
        self._counts: Counts = {}
        self._snapshots: list[tuple[int, int, bytes]] = []

    def add(self, entry: Entry, numbering: Numbering) -> None:
        """Takes in one call. Raises StreamConflict where it contradicts itself or another of the batch."""
        if entry.snapshot is not None:
            snapshot = entry.snapshot
            self._snapshots.append((snapshot.stream, snapshot.version, snapshot.body))
            return
        assert entry.append is not None, "an entry is an append, an acceptance or a snapshot"
        for stream, version, *_ in entry.parts:
            self._before.setdefault(stream, version - 1)
        check_versions(entry, self._versions)
        self._events += numbering.number(entry)
        for change in entry.append.heads:
            self._heads[change.head.stream] = change.head
        count(entry.append, self._counts)
        if entry.acceptance is not None:
            self._add_private(entry.acceptance)
        self._add_beside(entry.append)

    def _add_private(self, acceptance: Acceptance) -> None:
        sealed = acceptance.sealed
        if sealed.stream in self._resealed:
            raise StreamConflict(f"stream {sealed.stream}: its vault row is there already")
        self._sealed.append(sealed_row(sealed))
        address = acceptance.append.tenant, acceptance.channel, sealed.subject
        known = self._addresses.setdefault(address, acceptance.conversation)
        if known != acceptance.conversation:
            raise StreamConflict(f"stream {sealed.stream}: its peer belongs to conversation {known}")

    def _add_beside(self, append: Append) -> None:
        self._resealed.update((sealed.stream, sealed_row(sealed)) for sealed in append.sealed)
        self._aliases.update((alias_row(alias), False) for alias in append.dropped)
        self._aliases.update((alias_row(alias), True) for alias in append.aliases)

    def write(self, connection: sqlite3.Connection) -> None:
        """Writes all rows. Raises StreamConflict or sqlite3.IntegrityError where the store says otherwise."""
        _EVENT.run(connection, self._events)
        self._write_heads(connection)
        if self._sealed:
            _SEALED.run(connection, self._sealed)
            _ADDRESS.run(connection, [(*address, peer) for address, peer in self._addresses.items()])
        if self._resealed:
            connection.executemany(_RESEALED, self._resealed.values())
        if self._aliases:
            for statement, leads in ((_UNNAMED, False), (_NAMED, True)):
                connection.executemany(statement, [row for row, now in self._aliases.items() if now is leads])
        if self._counts:
            rows = [(*key, messages, attempts) for key, (messages, attempts) in self._counts.items()]
            _TALLY.run(connection, rows)
        if self._snapshots:
            connection.executemany(_SNAPSHOT, self._snapshots)

    def _write_heads(self, connection: sqlite3.Connection) -> None:
        fresh: list[Row] = []
        messages: list[Row] = []
        others: list[Row] = []
        for stream, head in self._heads.items():
            before = self._before[stream]
            if before == 0:
                fresh.append(head_row(head))
            elif head.kind == "msg":
                messages.append((*_changing(head), stream, before))
            else:
                others.append((*head_row(head)[1:], stream, before))
        _HEAD.run(connection, fresh)
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
