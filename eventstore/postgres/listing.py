"""The questions that look along many streams: listing, counting, pages of the log.

This file answers for the way that each filter goes to its rows, said so that the planner has no other. It must never
write.
"""
# ruff: noqa: S608  # Statements are put together from constants of ours; every value is bound.

from typing import Final

from core.records import Head, ListedKind, MessageFilter, Recorded, Tally
from eventstore.codec import EventRow, recorded
from eventstore.marking import EVENTS_A_MARK, has_seen, is_at, seqs_of
from eventstore.paging import LOOKED_AT_MAX, page_of
from eventstore.postgres.connection import Connection
from eventstore.postgres.filtering import count_of, heads_of
from eventstore.postgres.reader import Reader
from eventstore.postgres.rows import event_row, head_of_row
from eventstore.rows import EVENT_COLUMNS, HEAD_COLUMNS
from eventstore.tallying import Counts, tallies_of

_OF_KIND: Final = f"""
SELECT {HEAD_COLUMNS} FROM head
  WHERE kind = $1 AND kind IN ('lane', 'sys', 'device', 'plan', 'stray') AND stream > $2
    AND ($3::text IS NULL OR status = $3) ORDER BY stream LIMIT $4"""
_SILENT: Final = f"""
SELECT {HEAD_COLUMNS} FROM head
  WHERE kind = 'device' AND status = 'active' AND (changed_us, stream) > ($1::bigint, $2::bigint)
  ORDER BY changed_us, stream LIMIT $3"""
_ENDING: Final = f"""
SELECT {HEAD_COLUMNS} FROM head
  WHERE ends_us IS NOT NULL AND (ends_us, stream) > ($1::bigint, $2::bigint) ORDER BY ends_us, stream LIMIT $3"""
_TALLIES: Final = "SELECT tenant, channel, lane, status, messages, attempts FROM tally"
# Instants never decrease along positions, so the first one is found by halving, whatever came after it.
_SINCE: Final = f"""
WITH RECURSIVE halved (low, high) AS (
  SELECT 1::bigint, (SELECT coalesce(max(pos), 0) FROM event) + 1
  UNION ALL
  SELECT CASE WHEN middle.at_us < $1 THEN middle.pos + 1 ELSE low END,
    CASE WHEN middle.at_us < $1 THEN high ELSE (low + high) / 2 END
    FROM halved, LATERAL (
      SELECT pos, at_us FROM event WHERE pos >= (low + high) / 2 ORDER BY pos LIMIT 1) AS middle
    WHERE low < high
) SELECT {EVENT_COLUMNS} FROM event
  WHERE pos >= (SELECT max(low) FROM halved) AND type = ANY($2::text[]) ORDER BY pos"""
_FROM: Final = f"SELECT {EVENT_COLUMNS} FROM event WHERE pos >= $1 ORDER BY pos LIMIT $2"
_MARKS_UP_TO: Final = "SELECT pos, seqs FROM mark WHERE pos <= $1 ORDER BY pos DESC"
_SEEN: Final = "SELECT shard, max(seq) FROM event WHERE pos > $1 AND pos <= $2 GROUP BY shard"

# Events that are fetched at once for a page, and marks that are looked at while its start is sought.
_FETCHED: Final = 500
_MARKS_FETCHED: Final = 4


class ListQuestions:
    """The questions of people and followers."""

    _wide: Reader
    _sought: Reader

    async def heads(self, wanted: MessageFilter, *, limit: int, oldest_first: bool = False) -> list[Head]:
        """Messages that match, newest first unless asked otherwise; `before` and `after` are exclusive."""
        if wanted.status == ():
            return []
        statement, values = heads_of(wanted, limit, oldest_first=oldest_first)
        return [head_of_row(row) for row in await self._sought.rows(statement, *values)]

    async def heads_of_kind(
        self, kind: ListedKind, *, status: str | None = None, after: int = 0, limit: int | None = None
    ) -> list[Head]:
        """Streams of a kind that is neither messages nor conversations, in the order of their ids, beyond `after`."""
        return [head_of_row(row) for row in await self._wide.rows(_OF_KIND, kind, after, status, limit)]

    async def silent_devices(self, *, after: tuple[int, int] | None, limit: int) -> list[Head]:
        """Devices whose head is active, ordered by (changed, stream), beyond `after`: unheard of for longest first."""
        return [head_of_row(row) for row in await self._wide.rows(_SILENT, *(after or (-1, -1)), limit)]

    async def ending_messages(self, *, after: tuple[int, int] | None, limit: int) -> list[Head]:
        """Waiting messages whose time ends, ordered by (end, stream), beyond `after`: the next to end first."""
        return [head_of_row(row) for row in await self._wide.rows(_ENDING, *(after or (-1, -1)), limit)]

    async def count(self, wanted: MessageFilter, *, at_most: int) -> int:
        """How many messages match, counted no further than `at_most`."""
        if wanted.status == ():
            return 0
        statement, values = count_of(wanted, at_most)
        return sum([row[0] for row in await self._sought.rows(statement, *values)])

    async def tallies(self, tenant: str | None) -> list[Tally]:
        """Counts by channel, lane and status, kept with each commit and never counted anew."""
        rows = await self._wide.rows(_TALLIES)
        counts: Counts = {(row[0], row[1], row[2], row[3]): (row[4], row[5]) for row in rows}
        return tallies_of(counts, tenant)

    async def recorded_since(self, at_us: int, types: tuple[str, ...]) -> list[Recorded]:
        """Events of these types recorded at or after an instant, oldest first."""
        return [recorded(event_row(row)) for row in await self._wide.rows(_SINCE, at_us, list(types))]

    async def log_page(
        self, after: dict[int, int], *, tenant: str | None, limit: int
    ) -> tuple[list[Recorded], dict[int, int]]:
        """Events beyond a position a shard (missing: from its start), and the position reached."""

        async def asked(connection: Connection) -> list[EventRow]:
            return await _unseen(connection, after, tenant=tenant, limit=limit)

        return page_of(await self._wide.at_once(asked), after, tenant=tenant, limit=limit)


async def _unseen(connection: Connection, after: dict[int, int], *, tenant: str | None, limit: int) -> list[EventRow]:
    """The events from the first one beyond `after` on, as far as a page has to look at them."""
    found: list[EventRow] = []
    pos, fits = await _start_of(connection, after), 0
    while fits < limit and len(found) < LOOKED_AT_MAX:
        rows = [event_row(row) for row in await connection.fetch(_FROM, pos, min(_FETCHED, max(2 * limit, 20)))]
        if not rows:
            break
        pos = rows[-1][0] + 1
        for row in rows:
            is_new = row[2] > after.get(row[1], 0)
            if found or is_new:
                found.append(row)
            fits += is_new and tenant in (None, row[8])
    return found[:LOOKED_AT_MAX]


async def _start_of(connection: Connection, after: dict[int, int]) -> int:
    """A place in the order of arrival with nothing before it that lies beyond `after` in any shard.

    Every event adds one to one number, so a position that a page gave ends at the sum of its numbers. One that comes
    from elsewhere (another store, another interleaving) may not, and then begins at the last mark that it is past.
    """
    reached = sum(after.values())
    async for row in connection.cursor(_MARKS_UP_TO, reached, prefetch=_MARKS_FETCHED):
        seqs = seqs_of(row[1])
        if has_seen(seqs, after):
            return reached + 1 if await _leads_to(connection, seqs, after, span=(row[0], reached)) else row[0] + 1
    return reached + 1 if await _leads_to(connection, {}, after, span=(0, reached)) else 1


async def _leads_to(
    connection: Connection, seqs: dict[int, int], after: dict[int, int], *, span: tuple[int, int]
) -> bool:
    if span[1] - span[0] > 2 * EVENTS_A_MARK:
        return False
    return is_at(seqs | {row[0]: row[1] for row in await connection.fetch(_SEEN, *span)}, after)
