"""A SQLite log along the beginnings of its streams, each with everything that is kept beside its events.

This file answers for one question in place of five for each stream. It must never write.
"""
# ruff: noqa: S608  # Statements are put together from constants of ours; every value is bound.

import sqlite3
from collections.abc import Iterator
from typing import Final

from core.records import Sealed, Snapshot
from eventstore.audit.streams import Kept
from eventstore.codec import EventRow
from eventstore.rows import EVENT_COLUMNS, HEAD_COLUMNS


def _of(table: str, columns: str) -> str:
    return ", ".join(f"{table}.{column}" for column in columns.split(", "))


# Of a message's address its conversation comes along: a head whose channel is wrong leads to none, which is a fault.
_BEGUN: Final = f"""
SELECT {_of("head", HEAD_COLUMNS)}, event.stream, event.tenant, address.conversation,
    vault.tenant, vault.subject, vault.salt, vault.private, snapshot.version, snapshot.body
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

_HEAD_COLUMNS: Final = HEAD_COLUMNS.count(",") + 1
# No log has more events.
_END: Final = (1 << 63) - 1


class SqliteBegun:
    """The streams that begin in a stretch of a log, over a connection that stays in one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._address: tuple[str, str, bytes | None] | None = None
        self._conversation: int | None = None

    def begun(self, after: int, up_to: int | None) -> Iterator[tuple[int, Kept]]:
        """The streams whose first events are these, in the order of arrival, with what is kept beside their events."""
        for row in self._connection.execute(_BEGUN, (after, _END if up_to is None else up_to)):
            head = None if row[0] is None else row[:_HEAD_COLUMNS]
            stream, tenant, conversation, owner, subject, salt, private, version, body = row[_HEAD_COLUMNS:]
            sealed = None
            if subject is not None:
                sealed = Sealed(stream=stream, tenant=owner, subject=subject, salt=salt, private=private)
            snapshot = None if version is None else Snapshot(stream=stream, version=version, body=body)
            self._address = None if head is None else (tenant, head[6], subject)
            self._conversation = conversation
            yield stream, (head, sealed, snapshot)

    def rest(self, stream: int, version: int) -> Iterator[EventRow]:
        """The events of a stream behind a version, in order."""
        return self._connection.execute(_REST, (stream, version))

    def conversation_at(self, tenant: str, channel: str, subject: bytes) -> int | None:
        """The conversation at the address of the stream that `begun` gave last, None for any other."""
        return self._conversation if self._address == (tenant, channel, subject) else None


def kept(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many heads and vault rows there are."""
    heads, vault = connection.execute(_KEPT).fetchone()
    return heads, vault
