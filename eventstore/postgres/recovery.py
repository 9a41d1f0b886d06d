"""Where a log goes on: read from its last mark and the few events behind it, however long it is.

This file answers for those events following on the mark, link by link, and for numbers not beginning anew where a month
was taken away. It must never walk the log: that is what verification is for.
"""
# ruff: noqa: S608  # Statements are put together from constants of ours; every value is bound.

from typing import Final

from core.errors import CorruptLog
from core.ids import ID_MAX
from eventstore.following import follow
from eventstore.marking import unpacked
from eventstore.numbering import Numbering
from eventstore.postgres.connection import Connection
from eventstore.postgres.months import Month, month_of
from eventstore.postgres.rows import event_row
from eventstore.rows import EVENT_COLUMNS

_LAST_MARK: Final = "SELECT pos, seqs, links FROM mark ORDER BY pos DESC LIMIT 1"
_BEHIND: Final = f"SELECT {EVENT_COLUMNS} FROM event WHERE pos > $1 ORDER BY pos"
_LAST_INSTANT: Final = "SELECT coalesce((SELECT at_us FROM event ORDER BY pos DESC LIMIT 1), 0)"
# Conversations have ids of the same kind as streams, but may have no stream; a message that waits to be taken in has a
# vault row and no event.
_LARGEST: Final = """
SELECT greatest(coalesce((SELECT max(stream) FROM event), 0), coalesce((SELECT max(conversation) FROM address), 0),
  coalesce((SELECT max(stream) FROM vault), 0))"""
# Heads lie elsewhere than events, and tell how many there are of each stream: of each month the one that was born last.
# It is one statement, so that a month which is made meanwhile, and takes events along, is either there or not.
_MISSED: Final = """
SELECT youngest.stream, youngest.version, found.version
  FROM unnest($1::bigint[], $2::bigint[]) AS month (first, beyond)
    CROSS JOIN LATERAL (
      SELECT stream, version FROM head WHERE stream >= month.first AND stream < month.beyond
        ORDER BY stream DESC LIMIT 1) AS youngest
    CROSS JOIN LATERAL (
      SELECT coalesce(max(event.version), 0) AS version FROM event WHERE event.stream = youngest.stream) AS found
  WHERE found.version < youngest.version LIMIT 1"""


async def numbering_of(connection: Connection) -> Numbering:
    """The numbers and links that the next event of each shard follows on.

    Raises CorruptLog for a wrong link, and where a month is missed.
    """
    await _miss_none(connection)
    async with connection.transaction(isolation="repeatable_read"):
        mark = await connection.fetchrow(_LAST_MARK)
        numbering = unpacked(None if mark is None else (mark[0], mark[1], mark[2]))
        for row in await connection.fetch(_BEHIND, numbering.pos):
            follow(numbering, event_row(row))
        numbering.at_us = await connection.fetchval(_LAST_INSTANT)
        numbering.largest = await connection.fetchval(_LARGEST)
    return numbering


async def _miss_none(connection: Connection) -> None:
    """Raises CorruptLog where a partition is not there: the last events may have lain in it, be it an old one."""
    months = _months_up_to(await connection.fetchval("SELECT coalesce(max(stream), 0) FROM head"))
    spans = [month.first for month in months], [month.beyond for month in months]
    if (missed := await connection.fetchrow(_MISSED, *spans)) is None:
        return
    stream, version, found = missed
    raise CorruptLog(
        f"stream {stream}: it has {version} events, and {found} are there; was {month_of(stream).name} detached or"
        " dropped? Attach it again, or run `tidings verify` and restore a copy"
    )


def _months_up_to(stream: int) -> list[Month]:
    """Every month in which a stream of this log can have been born."""
    months = [month_of(0)]
    while months[-1].beyond <= stream < ID_MAX:
        months.append(month_of(months[-1].beyond))
    return months


async def oldest_expiry_us(connection: Connection) -> int | None:
    """When the oldest dedup row expires; None where there is none."""
    expiry_us = await connection.fetchval("SELECT expires_us FROM idem ORDER BY pos LIMIT 1")
    return None if expiry_us is None else int(expiry_us)
