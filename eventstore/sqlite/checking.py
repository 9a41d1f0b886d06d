"""The check and the mending of a SQLite log as a person starts them: by path, in the foreground.

This file answers for verification changing nothing, beside a daemon too, and for rebuilding touching only what follows
from events. It must never change an event.
"""
# ruff: noqa: S608  # Statements are put together from constants of ours.

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import msgspec

from core import devices
from core.errors import CorruptLog
from core.events import MessageAccepted
from core.message import fold, head_of
from core.records import Alias, Head, Sealed
from eventstore.book import Report
from eventstore.codec import EventRow, UnknownEvent, recorded
from eventstore.integrity import FOLDED, Progress, check
from eventstore.numbering import Numbering
from eventstore.sqlite import rows
from eventstore.sqlite.locking import Lock
from eventstore.sqlite.marks import packed
from eventstore.sqlite.opening import open_to_read, open_to_write
from eventstore.sqlite.queries import conversation_at
from eventstore.sqlite.queries import head_of as stored_head
from eventstore.sqlite.rows import EVENT_COLUMNS, HEAD_COLUMNS, SEALED_COLUMNS, head_row
from eventstore.tallying import Counts, add, key_of

_ARRIVALS: Final = f"SELECT {EVENT_COLUMNS} FROM event ORDER BY pos"
_STREAMS: Final = f"SELECT {EVENT_COLUMNS} FROM event INDEXED BY event_of_stream ORDER BY stream, version"
_HEADS: Final = f"SELECT {HEAD_COLUMNS} FROM head ORDER BY stream"
_SEALED: Final = f"SELECT {SEALED_COLUMNS} FROM vault ORDER BY stream"
# Asked of the index that a stream is found by: it is small beside the rows, and each name costs one step down it.
_MISLED: Final = """
SELECT space, tenant, name, stream FROM alias
  WHERE NOT EXISTS (SELECT 1 FROM event INDEXED BY event_of_stream WHERE event.stream = alias.stream)
  ORDER BY space, tenant, name, stream"""
_COUNTS: Final = "SELECT tenant, channel, lane, status, messages, attempts FROM tally"
_MARKS: Final = "SELECT pos, seqs, links FROM mark ORDER BY pos"
_PUT_HEAD: Final = f"REPLACE INTO head VALUES ({', '.join('?' * 21)})"
_DROP_ORPHANS: Final = """
DELETE FROM head WHERE kind = 'msg' AND NOT EXISTS (SELECT 1 FROM event WHERE event.stream = head.stream)"""


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages there are, how many heads were wrong or missing, and how many had no events."""

    messages: int
    changed: int
    dropped: int


def verify(path: Path, progress: Progress | None = None) -> Report:
    """The full check of the log in a file, also beside the daemon that writes it. Raises StoreRefused or CorruptLog."""
    with closing(open_to_read(path)) as connection:
        # One snapshot for all of it, whatever is committed meanwhile.
        connection.execute("BEGIN")
        return check(_Book(connection), progress)


def rebuild(path: Path, progress: Progress | None = None) -> Rebuilt:
    """Makes the heads of messages and devices, and all counts, from the events again. Refused while a daemon runs."""
    lock = Lock(path)
    try:
        with closing(open_to_write(path, lock)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            rebuilt = _rebuild(connection, progress)
            connection.execute("COMMIT")
            return rebuilt
    finally:
        lock.release()


class _Book:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def size(self) -> int:
        return int(next(self._rows("SELECT count(*) FROM event"))[0])

    def structure(self) -> str | None:
        finding = str(next(self._rows("PRAGMA integrity_check(1)"))[0])
        return None if finding == "ok" else finding

    def arrivals(self) -> Iterator[EventRow]:
        return self._rows(_ARRIVALS)

    def marks(self) -> Iterator[tuple[int, bytes]]:
        return ((pos, seqs + links) for pos, seqs, links in self._rows(_MARKS))

    def noted(self, numbering: Numbering) -> bytes:
        return b"".join(packed(numbering))

    def streams(self) -> Iterator[EventRow]:
        return self._rows(_STREAMS)

    def heads(self) -> Iterator[Head]:
        return (rows.head(row) for row in self._rows(_HEADS))

    def vault(self) -> Iterator[Sealed]:
        return (rows.sealed(row) for row in self._rows(_SEALED))

    def conversation_at(self, tenant: str, channel: str, subject: bytes) -> int | None:
        return conversation_at(self._connection, (tenant, channel, subject))

    def misled(self) -> Iterator[Alias]:
        return (rows.alias(row) for row in self._rows(_MISLED))

    def counts(self) -> Counts:
        return {tuple(row[:4]): (row[4], row[5]) for row in self._rows(_COUNTS)}

    def _rows(self, statement: str) -> Iterator[Any]:
        try:
            yield from self._connection.execute(statement)
        except sqlite3.Error as error:
            raise CorruptLog(f"the file cannot be read to its end: {error}") from error


def _rebuild(connection: sqlite3.Connection, progress: Progress | None) -> Rebuilt:
    counts: Counts = {}
    messages = changed = 0
    (total,) = connection.execute("SELECT count(*) FROM event").fetchone()
    done = 0
    for stream, group in groupby(connection.execute(_STREAMS), key=lambda row: row[3]):
        of_stream: list[EventRow] = list(group)
        done += len(of_stream)
        if of_stream[0][5] not in FOLDED:
            continue
        messages += of_stream[0][5] == MessageAccepted.__name__
        stored = stored_head(connection, stream)
        head = _head_of(of_stream, stored)
        if head is None:
            continue
        if head != stored:
            connection.execute(_PUT_HEAD, head_row(head))
            changed += 1
        if head.kind == "msg":
            add(counts, key_of(head, head.status), 1, head.attempts)
        if progress is not None:
            progress(done, total)
    dropped = connection.execute(_DROP_ORPHANS).rowcount
    connection.execute("DELETE FROM tally")
    connection.executemany("INSERT INTO tally VALUES (?, ?, ?, ?, ?, ?)", [(*key, *n) for key, n in counts.items()])
    return Rebuilt(messages=messages, changed=changed, dropped=dropped)


def _head_of(of_stream: list[EventRow], stored: Head | None) -> Head | None:
    """What the events of a message or a device come to; the stored head where a newer release wrote one of them."""
    events = [recorded(row) for row in of_stream]
    if any(isinstance(entry.event, UnknownEvent) for entry in events):
        return stored
    shard = of_stream[0][1]
    if isinstance(events[0].event, MessageAccepted):
        return head_of(fold(events), shard)
    return devices.head_of(devices.fold(events), shard)
