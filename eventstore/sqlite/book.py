"""A SQLite log as its check reads it.

This file answers for the questions of a check, each walking an index or a table in its own order, so that a log of any
length passes through little memory. It must never write.
"""
# ruff: noqa: S608  # Statements are put together from constants of ours; every value is bound.

import sqlite3
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

from core.records import Alias, Head, Sealed, Snapshot
from eventstore import rows
from eventstore.book import Place, Span, Unreadable
from eventstore.codec import EventRow
from eventstore.marking import packed, together
from eventstore.numbering import Numbering
from eventstore.rows import EVENT_COLUMNS, HEAD_COLUMNS, SEALED_COLUMNS
from eventstore.sqlite.queries import conversation_at
from eventstore.tallying import Counts

# About 15 MB.
_ADDRESSES_KEPT: Final = 1 << 16
_END: Final = (1 << 63) - 1
_SIZE: Final = "SELECT count(*) FROM event"
_ARRIVALS: Final = f"SELECT {EVENT_COLUMNS} FROM event WHERE pos > ? AND pos <= ? ORDER BY pos"
_PLACE: Final = "SELECT pos, shard, seq, stream, version, link FROM event WHERE pos > ? ORDER BY pos LIMIT 1"
_STREAMS: Final = f"""
SELECT {EVENT_COLUMNS} FROM event INDEXED BY event_of_stream WHERE stream BETWEEN ? AND ? ORDER BY stream, version"""
_HEADS: Final = f"SELECT {HEAD_COLUMNS} FROM head WHERE stream BETWEEN ? AND ? ORDER BY stream"
_SEALED: Final = f"SELECT {SEALED_COLUMNS} FROM vault WHERE stream BETWEEN ? AND ? ORDER BY stream"
_SNAPSHOTS: Final = "SELECT stream, version, body FROM snapshot WHERE stream BETWEEN ? AND ? ORDER BY stream"
# Asked of the index that a stream is found by: it is small beside the rows, and each name costs one step down it.
_MISLED: Final = """
SELECT space, tenant, name, stream FROM alias
  WHERE NOT EXISTS (SELECT 1 FROM event INDEXED BY event_of_stream WHERE event.stream = alias.stream)
  ORDER BY space, tenant, name, stream"""
_COUNTS: Final = "SELECT tenant, channel, lane, status, messages, attempts FROM tally"
_MARKS: Final = "SELECT pos, seqs, links FROM mark WHERE pos > ? AND pos <= ? ORDER BY pos"


class SqliteBook:
    """A book over a connection, which stays in one transaction for as long as the check takes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        # Messages to one address lie near each other, and in one snapshot its conversation cannot change.
        self._addresses: dict[tuple[str, str, bytes], int | None] = {}

    def size(self) -> int:
        """How many events there are."""
        return int(next(self._rows(_SIZE))[0])

    def structure(self) -> str | None:
        """What SQLite itself finds wrong: in pages, in the order of rows, in any index."""
        finding = str(next(self._rows("PRAGMA integrity_check(1)"))[0])
        return None if finding == "ok" else finding

    def arrivals(self, after: int, up_to: int | None) -> Iterator[EventRow]:
        """The events behind a position in the order of arrival."""
        return self._rows(_ARRIVALS, after, _END if up_to is None else up_to)

    def place_after(self, pos: int) -> Place | None:
        """The numbers and the link of the event behind a position."""
        try:
            found: Place | None = next(self._rows(_PLACE, pos), None)
        except Unreadable:
            return None
        return found

    def marks(self, after: int, up_to: int | None) -> Iterator[tuple[int, bytes]]:
        """Where all shards were noted to stand."""
        found = self._rows(_MARKS, after, _END if up_to is None else up_to)
        return ((pos, together(seqs, links)) for pos, seqs, links in found)

    def noted(self, numbering: Numbering) -> bytes:
        """What a mark here would say."""
        return b"".join(packed(numbering))

    def streams(self, span: Span) -> Iterator[EventRow]:
        """The events of these streams."""
        return self._rows(_STREAMS, *span)

    def heads(self, span: Span) -> Iterator[Head]:
        """The heads of these streams."""
        return map(rows.head, self._rows(_HEADS, *span))

    def vault(self, span: Span) -> Iterator[Sealed]:
        """The vault rows of these streams."""
        return map(rows.sealed, self._rows(_SEALED, *span))

    def snapshots(self, span: Span) -> Iterator[Snapshot]:
        """The snapshots of these streams."""
        found = self._rows(_SNAPSHOTS, *span)
        return (Snapshot(stream=stream, version=version, body=body) for stream, version, body in found)

    def conversation_at(self, tenant: str, channel: str, subject: bytes) -> int | None:
        """The conversation at an address."""
        address = tenant, channel, subject
        if address not in self._addresses:
            if len(self._addresses) == _ADDRESSES_KEPT:
                self._addresses.clear()
            try:
                self._addresses[address] = conversation_at(self._connection, address)
            except sqlite3.Error as error:
                raise _unreadable(error) from error
        return self._addresses[address]

    def misled(self) -> Iterator[Alias]:
        """The aliases of streams that have no event."""
        return map(rows.alias, self._rows(_MISLED))

    def counts(self) -> Counts:
        """The counts as they are kept."""
        return {tuple(row[:4]): (row[4], row[5]) for row in self._rows(_COUNTS)}

    def _rows(self, statement: str, *values: int) -> Iterator[Any]:
        try:
            # Through `chain`, which has nothing to close: a walk may be broken off after its connection is gone.
            yield from chain(self._connection.execute(statement, values))
        except sqlite3.Error as error:
            raise _unreadable(error) from error


def _unreadable(error: sqlite3.Error) -> Unreadable:
    return Unreadable(f"the file cannot be read to its end: {error}")
