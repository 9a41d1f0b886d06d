"""What a daemon takes in while it stands by, a batch as one statement: messages, and notes for the one that acts.

This file answers for a message being taken once under its key, whoever else takes it in at that moment, and for all of
it being durable or none. It must never write an event: the log has one writer.
"""

from collections.abc import Sequence
from typing import Final, Literal, cast

import msgspec

from core.errors import AppendUnknown, StoreUnavailable, StreamConflict
from core.parked import parked
from core.records import Acceptance, Repeated, Stored
from eventstore.postgres.connection import Connection
from eventstore.postgres.racing import strangers
from eventstore.postgres.sending import Contradicted, Trip
from eventstore.rows import sealed_row

# The lock on our own row is what a takeover waits for. One key is in a batch once. An expired one is taken over as the
# log's writer does it, and one that is there, be it from a moment ago, keeps its message out. A peer that belongs to
# another conversation, or whom nothing leads to any more, breaks the column's NOT NULL, and the batch is sent again
# without that message.
_LEAVE: Final = """
WITH fence AS MATERIALIZED (
  SELECT 1 FROM node WHERE node = $1::bigint AND state = 'up' AND door = $2::bigint FOR SHARE
), asked AS MATERIALIZED (
  SELECT new.* FROM fence, unnest(
    $3::bigint[], $4::text[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bytea[], $9::bigint[], $10::text[],
    $11::bigint[], $12::boolean[], $13::bytea[], $14::bytea[], $15::bytea[], $16::bigint[], $17::bigint[]
  ) AS new (stream, tenant, subject, salt, private, reference, key_id, channel, conversation, is_known, body, key_hash,
    request_hash, expires_us, at_us)
), there AS MATERIALIZED (
  SELECT address.tenant, address.channel, address.subject FROM asked JOIN address ON address.tenant = asked.tenant
    AND address.channel = asked.channel AND address.subject = asked.subject
    WHERE asked.is_known FOR KEY SHARE OF address
), keys AS (
  INSERT INTO idem (tenant, key_hash, request_hash, stream, expires_us)
    SELECT tenant, key_hash, request_hash, stream, expires_us FROM asked WHERE key_hash IS NOT NULL
      ORDER BY tenant, key_hash
    ON CONFLICT (tenant, key_hash) DO UPDATE SET pos = DEFAULT, request_hash = excluded.request_hash,
      stream = excluded.stream, expires_us = excluded.expires_us
    WHERE idem.expires_us <= (SELECT max(at_us) FROM asked) RETURNING stream
), won AS MATERIALIZED (
  SELECT * FROM asked WHERE key_hash IS NULL OR stream IN (SELECT stream FROM keys)
), addresses AS (
  INSERT INTO address (tenant, channel, subject, conversation)
    SELECT DISTINCT tenant, channel, subject,
      CASE WHEN NOT is_known OR (tenant, channel, subject) IN (SELECT * FROM there) THEN conversation END
      FROM won ORDER BY tenant, channel, subject
    ON CONFLICT (tenant, channel, subject)
      DO UPDATE SET conversation = NULL WHERE address.conversation <> excluded.conversation
), sealed AS (
  INSERT INTO vault (stream, tenant, subject, salt, private, reference, key_id)
    SELECT stream, tenant, subject, salt, private, reference, key_id FROM won
), messages AS (
  INSERT INTO inbox (kind, stream, tenant, asker, number, taken, body)
    SELECT 'message', stream, tenant, 0, 0, FALSE, body FROM won
), notes AS (
  INSERT INTO inbox (kind, stream, tenant, asker, number, taken, body)
    SELECT note.kind, 0, note.tenant, $1, note.number, FALSE, note.body
      FROM fence, unnest($18::text[], $19::text[], $20::bigint[], $21::bytea[]) AS note (kind, tenant, number, body)
) SELECT EXISTS (SELECT 1 FROM fence), ARRAY(SELECT stream FROM won)"""
_MESSAGE_COLUMNS: Final = 15
_NOTE_COLUMNS: Final = 4

_SEALED: Final = "SELECT stream FROM vault WHERE stream = ANY($1::bigint[])"
_NOTED: Final = """
SELECT 1 FROM inbox WHERE asker = $1 AND number = ANY($2::bigint[]) AND number <> 0
UNION ALL SELECT 1 FROM answer WHERE asker = $1 AND number = ANY($2::bigint[])"""
_KEYS: Final = """
SELECT idem.tenant, idem.key_hash, idem.stream, idem.request_hash
  FROM unnest($1::text[], $2::bytea[]) AS asked (tenant, key_hash)
  JOIN idem ON idem.tenant = asked.tenant AND idem.key_hash = asked.key_hash"""

Key = tuple[str, bytes]


class Note(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is left for the acting daemon beside messages. `number` is this process's own, and no other note has it."""

    kind: Literal["news", "request"]
    tenant: str
    number: int
    body: bytes


Call = Acceptance | Note
Answer = Stored | Repeated | StreamConflict | ValueError


def key_of(call: Call) -> Key | None:
    """The idempotency key of a call, which may stand in a batch once."""
    if isinstance(call, Note) or call.dedup is None:
        return None
    return call.append.tenant, call.dedup.key_hash


class Leaving(Trip):
    """One batch on its way."""

    async def leave(self, calls: Sequence[Call]) -> list[Answer]:
        """The answer to each call, all of them durable.

        Raises StoreUnavailable where nothing of the batch was written, and AppendUnknown where that is not known.
        """
        try:
            return await self._left_together(calls)
        except Contradicted as error:
            messages = {at: call for at, call in enumerate(calls) if isinstance(call, Acceptance)}
            refused = await strangers(self, messages)
            if not refused:
                return await self._left_apart(calls, error)
        except ValueError as error:
            # One of them holds what no column can.
            return await self._left_apart(calls, error)
        fine = [call for at, call in enumerate(calls) if at not in refused]
        answers = iter(await self.leave(fine) if fine else [])
        return [refused[at] if at in refused else next(answers) for at in range(len(calls))]

    async def _left_apart(self, calls: Sequence[Call], error: StreamConflict | ValueError) -> list[Answer]:
        """The halves of a batch by themselves, so that whoever is at fault fails alone."""
        if len(calls) == 1:
            return [error]
        middle = len(calls) // 2
        return [*await self.leave(calls[:middle]), *await self._further(calls[middle:])]

    async def _further(self, calls: Sequence[Call]) -> list[Answer]:
        """The answers to calls behind some that are durable already, so that "nothing" is not said of all of them."""
        try:
            return await self.leave(calls) if calls else []
        except StoreUnavailable as error:
            raise AppendUnknown(f"the log failed within a batch: {error}") from error

    async def _left_together(self, calls: Sequence[Call]) -> list[Answer]:
        messages = [call for call in calls if isinstance(call, Acceptance)]
        notes = [call for call in calls if isinstance(call, Note)]
        values = (
            *_columns(map(_message_row, messages), _MESSAGE_COLUMNS),
            *_columns(map(_note_row, notes), _NOTE_COLUMNS),
        )

        async def left(connection: Connection) -> set[int] | None:
            if self._is_open:
                landed = await self._landed(connection, messages, notes)
                if landed is not None:
                    return landed
            row = await self._told(connection, _LEAVE, self._ownership.identity, self._line.turn, *values)
            return set(row[1]) if row[0] else None

        taken = await self._through(left)
        if taken is None:
            self._refuse_another()
        losers = [message for message in messages if message.sealed.stream not in taken]
        before = await self._before(losers)
        # A key that was forgotten just now keeps nobody out any more.
        again = [loser for loser in losers if loser.sealed.stream not in before]
        answers = before | dict(zip(map(_stream, again), await self._further(again), strict=True))
        return [Stored() if isinstance(call, Note) else answers.get(_stream(call), Stored()) for call in calls]

    async def _landed(self, connection: Connection, messages: list[Acceptance], notes: list[Note]) -> set[int] | None:
        """The messages that are there of what was sent through an earlier connection; None where nothing of it is.

        It cannot come later: its turn is over. News that were heeded meanwhile are left again, which changes nothing.
        """
        streams = [message.sealed.stream for message in messages]
        found = {row[0] for row in await connection.fetch(_SEALED, streams)}
        numbers = [note.number for note in notes]
        is_there = bool(found) or bool(await connection.fetch(_NOTED, self._ownership.identity, numbers))
        self._is_open = False
        return found if is_there else None

    async def _before(self, losers: list[Acceptance]) -> dict[int, Answer]:
        """The messages that came before under the same keys."""
        keys = [(loser.append.tenant, loser.dedup.key_hash) for loser in losers if loser.dedup is not None]
        if not keys:
            return {}
        columns = [list(column) for column in zip(*keys, strict=True)]
        rows = cast("list[tuple[str, bytes, int, bytes]]", await self.ask(_KEYS, *columns))
        known = {(row[0], row[1]): (row[2], row[3]) for row in rows}
        answers: dict[int, Answer] = {}
        for loser in losers:
            assert loser.dedup is not None, "only a key keeps a message out"
            row = known.get((loser.append.tenant, loser.dedup.key_hash))
            if row is not None:
                answers[_stream(loser)] = Repeated(stream=row[0], same=loser.dedup.is_of(row[1]))
        return answers


def _stream(acceptance: Acceptance) -> int:
    return acceptance.sealed.stream


def _message_row(acceptance: Acceptance) -> tuple[object, ...]:
    dedup = acceptance.dedup
    key = (None, None, None) if dedup is None else (dedup.key_hash, dedup.request_hash, dedup.expires_us)
    beside = acceptance.channel, acceptance.conversation, acceptance.is_known, parked(acceptance)
    return (*sealed_row(acceptance.sealed), *beside, *key, acceptance.append.at_us)


def _note_row(note: Note) -> tuple[object, ...]:
    return note.kind, note.tenant, note.number, note.body


def _columns(rows: "map[tuple[object, ...]]", count: int) -> list[list[object]]:
    columns = [list(column) for column in zip(*rows, strict=True)]
    return columns or [[] for _ in range(count)]
