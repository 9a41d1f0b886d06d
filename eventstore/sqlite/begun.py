"""A SQLite log along the beginnings of its streams, each with everything that is kept beside its events.

This file answers for one question in place of five for each message. It must never write.
"""
# ruff: noqa: S608  # Statements are put together from constants of ours; every value is bound.

import sqlite3
from collections.abc import Iterator
from typing import Final

from eventstore.audit.beginnings import Beside
from eventstore.audit.streams import Kept
from eventstore.codec import EventRow
from eventstore.rows import EVENT_COLUMNS, HEAD_COLUMNS, head_row
from eventstore.sqlite.book import SqliteBook


def _of(table: str, columns: str) -> str:
    return ", ".join(f"{table}.{column}" for column in columns.split(", "))


# A head whose channel is wrong leads to no address, which does not fit.
_BEGUN: Final = f"""
SELECT {_of("head", HEAD_COLUMNS)},
    snapshot.stream IS NULL AND
      (vault.stream IS NULL OR (vault.tenant = event.tenant AND address.conversation = head.conversation)),
    vault.salt, vault.private
  FROM event
    LEFT JOIN head ON head.stream = event.stream
    LEFT JOIN vault ON vault.stream = event.stream
    LEFT JOIN address
      ON address.tenant = event.tenant AND address.channel = head.channel AND address.subject = vault.subject
    LEFT JOIN snapshot ON snapshot.stream = event.stream
  WHERE event.pos > ? AND event.pos <= ? AND event.version = 1 ORDER BY event.pos"""
_REST: Final = f"""
SELECT {EVENT_COLUMNS} FROM event INDEXED BY event_of_stream WHERE stream = ? AND version > ? ORDER BY version"""
_KEPT: Final = "SELECT (SELECT count(*) FROM head), (SELECT count(*) FROM vault)"

# No log has more events.
_END: Final = (1 << 63) - 1


class SqliteBegun:
    """The streams that begin in a stretch of a log, over a connection that stays in one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._book = SqliteBook(connection)

    def begun(self, after: int, up_to: int | None) -> Iterator[Beside]:
        """What is kept beside the streams whose first events are these, in the order of arrival."""
        return self._connection.execute(_BEGUN, (after, _END if up_to is None else up_to))

    def kept(self, stream: int) -> Kept:
        """All that is kept beside a stream."""
        book, span = self._book, (stream, stream)
        head = next(book.heads(span), None)
        return None if head is None else head_row(head), next(book.vault(span), None), next(book.snapshots(span), None)

    def rest(self, stream: int, version: int) -> Iterator[EventRow]:
        """The events of a stream behind a version, in order."""
        return self._connection.execute(_REST, (stream, version))

    def conversation_at(self, tenant: str, channel: str, subject: bytes) -> int | None:
        """The conversation at an address."""
        return self._book.conversation_at(tenant, channel, subject)


def kept(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many heads and vault rows there are."""
    heads, vault = connection.execute(_KEPT).fetchone()
    return heads, vault
