"""A log in PostgreSQL as its check reads it.

This file answers for the questions of a check, each walking an index or a table in its own order, so that a log of any
length passes through little memory. It must never write.
"""
# ruff: noqa: S608  # Statements are put together from constants of ours; every value is bound.

from asyncio import Runner
from collections.abc import Iterator
from typing import Final

from core.records import Alias, Head, Sealed, Snapshot
from eventstore.book import Place, Span, Unreadable
from eventstore.codec import EventRow
from eventstore.marking import packed
from eventstore.numbering import Numbering
from eventstore.postgres.connection import TROUBLE, Connection, Row, cursor_over, words_of
from eventstore.postgres.rows import event_row, head_of_row, sealed_of_row
from eventstore.rows import EVENT_COLUMNS, HEAD_COLUMNS, SEALED_COLUMNS, alias
from eventstore.tallying import Counts

# Rows that are fetched at once: a few hundred kilobytes.
_FETCHED: Final = 1_000
# About 15 MB.
_ADDRESSES_KEPT: Final = 1 << 16
_END: Final = (1 << 63) - 1
_SIZE: Final = "SELECT count(*) FROM event"
_ARRIVALS: Final = f"SELECT {EVENT_COLUMNS} FROM event WHERE pos > $1 AND pos <= $2 ORDER BY pos"
_PLACE: Final = "SELECT pos, shard, seq, stream, version, link FROM event WHERE pos > $1 ORDER BY pos LIMIT 1"
_STREAMS: Final = f"SELECT {EVENT_COLUMNS} FROM event WHERE stream BETWEEN $1 AND $2 ORDER BY stream, version"
_HEADS: Final = f"SELECT {HEAD_COLUMNS} FROM head WHERE stream BETWEEN $1 AND $2 ORDER BY stream"
# Those of messages that wait to be taken in have no event yet.
_SEALED: Final = f"""
SELECT {SEALED_COLUMNS} FROM vault WHERE stream BETWEEN $1 AND $2
  AND NOT EXISTS (SELECT 1 FROM inbox WHERE inbox.kind = 'message' AND inbox.stream = vault.stream) ORDER BY stream"""
_SNAPSHOTS: Final = "SELECT stream, version, body FROM snapshot WHERE stream BETWEEN $1 AND $2 ORDER BY stream"
_ADDRESS: Final = "SELECT conversation FROM address WHERE tenant = $1 AND channel = $2 AND subject = $3"
_MISLED: Final = """
SELECT space, tenant, name, stream FROM alias
  WHERE NOT EXISTS (SELECT 1 FROM event WHERE event.stream = alias.stream) ORDER BY space, tenant, name, stream"""
_COUNTS: Final = "SELECT tenant, channel, lane, status, messages, attempts FROM tally"
_MARKS: Final = "SELECT pos, seqs, links FROM mark WHERE pos > $1 AND pos <= $2 ORDER BY pos"


class PostgresBook:
    """A book over a connection, which stays in one transaction for as long as the check takes."""

    def __init__(self, runner: Runner, connection: Connection) -> None:
        self._runner = runner
        self._connection = connection
        # Messages to one address lie near each other, and in one snapshot its conversation cannot change.
        self._addresses: dict[tuple[str, str, bytes], int | None] = {}

    def size(self) -> int:
        """How many events there are."""
        return int(next(self._rows(_SIZE))[0])

    def structure(self) -> None:
        """The server checks its own pages (`pg_amcheck`, data checksums), and nobody asks it to here."""

    def arrivals(self, after: int, up_to: int | None) -> Iterator[EventRow]:
        """The events behind a position in the order of arrival."""
        return map(event_row, self._rows(_ARRIVALS, after, _END if up_to is None else up_to))

    def place_after(self, pos: int) -> Place | None:
        """The numbers and the link of the event behind a position."""
        try:
            row = next(self._rows(_PLACE, pos), None)
        except Unreadable:
            return None
        return None if row is None else (row[0], row[1], row[2], row[3], row[4], row[5])

    def marks(self, after: int, up_to: int | None) -> Iterator[tuple[int, bytes]]:
        """Where all shards were noted to stand."""
        return ((row[0], row[1] + row[2]) for row in self._rows(_MARKS, after, _END if up_to is None else up_to))

    def noted(self, numbering: Numbering) -> bytes:
        """What a mark here would say."""
        return b"".join(packed(numbering))

    def streams(self, span: Span) -> Iterator[EventRow]:
        """The events of these streams."""
        return map(event_row, self._rows(_STREAMS, *span))

    def heads(self, span: Span) -> Iterator[Head]:
        """The heads of these streams."""
        return map(head_of_row, self._rows(_HEADS, *span))

    def vault(self, span: Span) -> Iterator[Sealed]:
        """The vault rows of these streams."""
        return map(sealed_of_row, self._rows(_SEALED, *span))

    def snapshots(self, span: Span) -> Iterator[Snapshot]:
        """The snapshots of these streams."""
        return (Snapshot(stream=row[0], version=row[1], body=row[2]) for row in self._rows(_SNAPSHOTS, *span))

    def conversation_at(self, tenant: str, channel: str, subject: bytes) -> int | None:
        """The conversation at an address."""
        address = tenant, channel, subject
        if address not in self._addresses:
            if len(self._addresses) == _ADDRESSES_KEPT:
                self._addresses.clear()
            row = next(self._rows(_ADDRESS, *address), None)
            self._addresses[address] = None if row is None else int(row[0])
        return self._addresses[address]

    def misled(self) -> Iterator[Alias]:
        """The aliases of streams that have no event."""
        return (alias((row[0], row[1], row[2], row[3])) for row in self._rows(_MISLED))

    def counts(self) -> Counts:
        """The counts as they are kept."""
        return {(row[0], row[1], row[2], row[3]): (row[4], row[5]) for row in self._rows(_COUNTS)}

    def _rows(self, statement: str, *values: object) -> Iterator[Row]:
        try:
            cursor = self._runner.run(cursor_over(self._connection, statement, *values))
            while rows := self._runner.run(cursor.fetch(_FETCHED)):
                yield from rows
        except TROUBLE as error:
            raise Unreadable(f"the database cannot be read to its end: {words_of(error)}") from error
