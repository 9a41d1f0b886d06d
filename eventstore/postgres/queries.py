"""The questions about one stream, one conversation, the vault and the agenda.

This file answers for each of them finding its rows through an index that stays small or is asked by its key. It must
never write.
"""
# ruff: noqa: S608  # Statements are put together from constants of ours; every value is bound.

from collections.abc import Sequence
from typing import Final

from core.parked import head_of, recorded_of, unparked
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
from eventstore.codec import readable, recorded
from eventstore.postgres.connection import Connection, Row
from eventstore.postgres.reader import Reader
from eventstore.postgres.rows import event_row, head_of_row, sealed_of_row
from eventstore.rows import EVENT_COLUMNS, HEAD_COLUMNS, SEALED_COLUMNS

_EVENTS: Final = f"SELECT {EVENT_COLUMNS} FROM event WHERE stream = $1 AND version > $2 ORDER BY version"
# The plan is made once for all values, and then a list leads to every month: its bounds lead to those between them.
_OF_MANY: Final = "stream = ANY($1::bigint[]) AND stream BETWEEN $2 AND $3"
_EVENTS_OF_MANY: Final = f"SELECT {EVENT_COLUMNS} FROM event WHERE {_OF_MANY} ORDER BY stream, version"
_HEAD: Final = f"SELECT {HEAD_COLUMNS} FROM head WHERE stream = $1"
_HEADS: Final = f"SELECT {HEAD_COLUMNS} FROM head WHERE stream = ANY($1::bigint[])"
# A message that another daemon took in has neither before the one that acts has found it: its inbox row stands for
# both. What was not found is asked for again together with that, since it may be taken in between two questions.
_PARKED: Final = "FROM inbox WHERE kind = 'message' AND stream = ANY($1::bigint[])"
_EVENTS_OR_PARKED: Final = f"""
SELECT {EVENT_COLUMNS} FROM event WHERE {_OF_MANY} UNION ALL
SELECT 0, 0::smallint, 0, stream, 1, '', 0, 0, tenant, 0, body, ''::bytea {_PARKED} ORDER BY stream, version"""
_HEADS_OR_PARKED: Final = f"""
SELECT {", ".join(f"head.{column}" for column in HEAD_COLUMNS.split(", "))}, parked.body
  FROM (SELECT stream, body {_PARKED}) AS parked FULL JOIN ({_HEADS}) AS head ON head.stream = parked.stream"""
_LINE: Final = f"""
SELECT {HEAD_COLUMNS} FROM head
  WHERE conversation = $1 AND line = $2 AND place IS NOT NULL AND (place, stream) > ($3::bigint, $4::bigint)
  ORDER BY place, stream LIMIT $5"""
_SEALED: Final = f"SELECT {SEALED_COLUMNS} FROM vault WHERE stream = $1"
_ALIASED: Final = "SELECT stream FROM alias WHERE space = $1 AND tenant = $2 AND name = $3 ORDER BY stream"
_CONVERSATION: Final = "SELECT conversation FROM address WHERE tenant = $1 AND channel = $2 AND subject = $3"
_PEER: Final = "SELECT tenant, channel FROM address WHERE conversation = $1 LIMIT 1"
_KEY: Final = "SELECT stream, request_hash FROM idem WHERE tenant = $1 AND key_hash = $2 AND expires_us > $3"
_SNAPSHOT: Final = "SELECT stream, version, body FROM snapshot WHERE stream = $1"
# One step down the index for each group, however much waits in it.
_GROUPS: Final = """
WITH RECURSIVE found AS (
  (SELECT lane, tenant, priority, due_us FROM head WHERE due_us IS NOT NULL
    ORDER BY lane, tenant, priority, due_us LIMIT 1)
  UNION ALL
  SELECT further.* FROM found, LATERAL (
    SELECT lane, tenant, priority, due_us FROM head
      WHERE due_us IS NOT NULL AND (lane, tenant, priority) > (found.lane, found.tenant, found.priority)
      ORDER BY lane, tenant, priority, due_us LIMIT 1) AS further
) SELECT lane, tenant, priority, due_us FROM found ORDER BY lane, tenant, priority"""
_AGENDA: Final = """
SELECT due_us, stream, conversation, host FROM head
  WHERE lane = $1 AND tenant = $2 AND priority = $3 AND due_us IS NOT NULL
    AND (due_us, stream) > ($4::bigint, $5::bigint)
  ORDER BY due_us, stream LIMIT $6"""

# Before every pair of an instant and an id.
_FROM_THE_START: Final = (-(1 << 63), -1)


class StreamQuestions:
    """The questions of actors: short ones."""

    _hot: Reader

    def newest(self) -> tuple[int, int]:
        """(largest id, latest instant in the log): where ids and log time go on; (0, 0) for an empty log."""
        raise NotImplementedError

    # -- one stream, one conversation

    async def events_of(self, stream: int, *, after_version: int = 0) -> list[Recorded]:
        """A stream's events in order; empty for an unknown stream. Raises StreamParked for an event not known here."""
        rows = await self._hot.rows(_EVENTS, stream, after_version)
        if not rows and after_version < 1:
            rows = await self._hot.rows(_EVENTS_OR_PARKED, *_among([stream]))
        return readable(_recorded(rows))

    async def events_of_many(self, streams: Sequence[int]) -> dict[int, list[Recorded]]:
        """Several streams in one read; a stream without events is left out."""
        found = _by_stream(await self._hot.rows(_EVENTS_OF_MANY, *_among(streams)))
        if missing := [stream for stream in streams if stream not in found]:
            found |= _by_stream(await self._hot.rows(_EVENTS_OR_PARKED, *_among(missing)))
        return found

    async def snapshot_of(self, stream: int) -> Snapshot | None:
        """The newest snapshot of a stream."""
        return _snapshot(await self._hot.row(_SNAPSHOT, stream))

    async def head_of(self, stream: int) -> Head | None:
        """The head row of a stream."""
        row = await self._hot.row(_HEAD, stream)
        return head_of_row(row) if row is not None else (await self._late_heads([stream])).get(stream)

    async def heads_by(self, streams: Sequence[int]) -> dict[int, Head]:
        """The head rows of several streams in one read; unknown ones are missing."""
        found = {head.stream: head for head in map(head_of_row, await self._hot.rows(_HEADS, list(streams)))}
        missing = [stream for stream in streams if stream not in found]
        return found | await self._late_heads(missing) if missing else found

    async def _late_heads(self, streams: list[int]) -> dict[int, Head]:
        """Those of streams that had no head a moment ago: as they will be, where they wait in the inbox."""
        return {head.stream: head for head in map(_head, await self._hot.rows(_HEADS_OR_PARKED, streams))}

    async def line_of(self, conversation: int, line: int, *, after: tuple[int, int] | None, limit: int) -> list[Head]:
        """Open messages of one line of a conversation that have a place, ordered by (place, stream), beyond `after`."""
        rows = await self._hot.rows(_LINE, conversation, line, *(after or _FROM_THE_START), limit)
        return [head_of_row(row) for row in rows]

    async def woken(self, conversation: int, *, limit: int) -> Woken:
        """What a conversation's actor wakes with, in one read: of each line at most `limit` messages."""

        async def asked(connection: Connection) -> Woken:
            snapshot = _snapshot(await connection.fetchrow(_SNAPSHOT, conversation))
            heads: dict[int, list[Head]] = {}
            for line in (FIFO_LINE, LOOSE_LINE):
                rows = await connection.fetch(_LINE, conversation, line, *_FROM_THE_START, limit)
                heads[line] = [head_of_row(row) for row in rows]
            streams = [head.stream for page in heads.values() for head in page]
            events = _by_stream(await connection.fetch(_EVENTS_OF_MANY, *_among(streams))) if streams else {}
            after_version = 0 if snapshot is None else snapshot.version
            own = readable(_recorded(await connection.fetch(_EVENTS, conversation, after_version)))
            return Woken(
                snapshot=snapshot,
                events=own,
                lines={
                    line: LinePage(heads=page, events={head.stream: events[head.stream] for head in page})
                    for line, page in heads.items()
                },
            )

        return await self._hot.at_once(asked)

    async def sealed_of(self, stream: int) -> Sealed | None:
        """The vault row of a stream; None once it was erased."""
        row = await self._hot.row(_SEALED, stream)
        return None if row is None else sealed_of_row(row)

    async def aliased(self, space: str, tenant: str, name: bytes) -> list[int]:
        """The streams that a name leads to, in the order of their ids; empty for a name that leads nowhere."""
        return [row[0] for row in await self._hot.rows(_ALIASED, space, tenant, name)]

    async def conversation_at(self, tenant: str, channel: str, subject: bytes) -> int | None:
        """The conversation with this peer (the keyed hash of its address), None for a peer never written to."""
        row = await self._hot.row(_CONVERSATION, tenant, channel, subject)
        return None if row is None else int(row[0])

    async def peer_of(self, conversation: int) -> tuple[str, str] | None:
        """(tenant, channel) of a conversation, None where there is none."""
        row = await self._hot.row(_PEER, conversation)
        return None if row is None else (row[0], row[1])

    async def repeated(self, tenant: str, key_hash: bytes) -> tuple[int, bytes] | None:
        """(stream, request hash) of an idempotency key that came before; None where it is new or forgotten."""
        _, at_us = self.newest()
        row = await self._hot.row(_KEY, tenant, key_hash, at_us)
        return None if row is None else (row[0], row[1])

    # -- the agenda

    async def agenda_groups(self) -> list[AgendaGroup]:
        """Every (lane, tenant, priority) with something waiting."""
        rows = await self._hot.rows(_GROUPS)
        return [AgendaGroup(lane=row[0], tenant=row[1], priority=row[2], due_us=row[3]) for row in rows]

    async def agenda_page(
        self, lane: str, tenant: str, priority: int, *, after: tuple[int, int] | None, limit: int
    ) -> list[AgendaRow]:
        """Waiting messages of a group, ordered by (due, stream), beyond `after`."""
        rows = await self._hot.rows(_AGENDA, lane, tenant, priority, *(after or _FROM_THE_START), limit)
        return [AgendaRow(due_us=row[0], stream=row[1], conversation=row[2], host=row[3]) for row in rows]


def _among(streams: Sequence[int]) -> tuple[list[int], int, int]:
    """The values of `_OF_MANY`."""
    return list(streams), min(streams, default=0), max(streams, default=0)


def _recorded(rows: list[Row]) -> list[Recorded]:
    return [recorded(event_row(row)) if row[0] else recorded_of(unparked(row[10])) for row in rows]


def _head(row: Row) -> Head:
    if row[0] is not None:
        return head_of_row(row)
    message = unparked(row[-1])
    return head_of(message, message.at_us)


def _by_stream(rows: list[Row]) -> dict[int, list[Recorded]]:
    found: dict[int, list[Recorded]] = {}
    for event in _recorded(rows):
        found.setdefault(event.stream, []).append(event)
    for events in found.values():
        readable(events)
    return found


def _snapshot(row: Row | None) -> Snapshot | None:
    return None if row is None else Snapshot(stream=row[0], version=row[1], body=row[2])
