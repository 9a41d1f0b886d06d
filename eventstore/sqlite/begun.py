"""A SQLite log along the beginnings of its streams, each with everything that is kept beside its events.

This file answers for one question in place of five for each message. It must never write.
"""
# ruff: noqa: S608  # Statements are put together from constants of ours; every value is bound.

import sqlite3
from collections.abc import Iterator
from typing import Final

from eventstore.audit.beginnings import FOLDED_COLUMNS, Beside
from eventstore.audit.streams import Kept
from eventstore.audit.stretches import Pages
from eventstore.codec import EventRow
from eventstore.rows import EVENT_COLUMNS, head_row
from eventstore.sqlite.book import SqliteBook

# SQLite compares what it can: reading a column costs several times as much. An address is looked for from the head's
# conversation on, whose id is a number and grows as messages do, while subjects come in no order. A head whose channel
# is wrong leads to no address, which does not fit.
_BEGUN: Final = f"""
SELECT head.kind = 'msg' AND head.shard = event.shard AND head.tenant = event.tenant AND snapshot.stream IS NULL AND
      (vault.stream IS NULL OR (vault.tenant = event.tenant AND address.conversation IS NOT NULL)),
    vault.salt, vault.private, {", ".join(f"head.{column}" for column in FOLDED_COLUMNS.split(", "))}
  FROM event
    LEFT JOIN head ON head.stream = event.stream
    LEFT JOIN vault ON vault.stream = event.stream
    LEFT JOIN address INDEXED BY address_conversation ON address.conversation = head.conversation
      AND address.tenant = event.tenant AND address.channel = head.channel AND address.subject = vault.subject
    LEFT JOIN snapshot ON snapshot.stream = event.stream
  WHERE event.pos > ? AND event.pos <= ? AND event.version = 1 ORDER BY event.pos"""
# Of each text a link takes the bytes alone. That they are texts in the file is for the engine's own check.
_LINKED: Final = """
SELECT shard, seq, stream, version, CAST(type AS BLOB), schema_version, at_us, CAST(tenant AS BLOB), cause, body, link
  FROM event WHERE pos > ? AND pos <= ? ORDER BY pos"""
_REST: Final = f"""
SELECT {EVENT_COLUMNS} FROM event INDEXED BY event_of_stream WHERE stream = ? AND version > ? ORDER BY version"""
_KEPT: Final = "SELECT (SELECT count(*) FROM head), (SELECT count(*) FROM vault)"


class SqliteBegun:
    """The streams that begin in a stretch of a log, over a connection that stays in one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._book = SqliteBook(connection)

    def linked(self, after: int, up_to: int) -> Pages:
        """The events of the stretch, in the order of arrival."""
        return self._connection.execute(_LINKED, (after, up_to)).fetchmany

    def begun(self, after: int, up_to: int) -> Iterator[Beside]:
        """What is kept beside the streams whose first events are these, in the order of arrival."""
        return self._connection.execute(_BEGUN, (after, up_to))

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
