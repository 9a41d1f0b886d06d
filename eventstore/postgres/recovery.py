"""Where a log goes on: read from its last mark and the few events behind it, however long it is.

This file answers for those events following on the mark, link by link. It must never walk the log: that is what
verification is for.
"""
# ruff: noqa: S608  # Statements are put together from constants of ours; every value is bound.

from typing import Final

from eventstore.following import follow
from eventstore.marking import unpacked
from eventstore.numbering import Numbering
from eventstore.postgres.connection import Connection
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


async def numbering_of(connection: Connection) -> Numbering:
    """The numbers and links that the next event of each shard follows on. Raises CorruptLog for a wrong link."""
    async with connection.transaction(isolation="repeatable_read"):
        mark = await connection.fetchrow(_LAST_MARK)
        numbering = unpacked(None if mark is None else (mark[0], mark[1], mark[2]))
        for row in await connection.fetch(_BEHIND, numbering.pos):
            follow(numbering, event_row(row))
        numbering.at_us = await connection.fetchval(_LAST_INSTANT)
        numbering.largest = await connection.fetchval(_LARGEST)
    return numbering


async def oldest_expiry_us(connection: Connection) -> int | None:
    """When the oldest dedup row expires; None where there is none."""
    expiry_us = await connection.fetchval("SELECT expires_us FROM idem ORDER BY pos LIMIT 1")
    return None if expiry_us is None else int(expiry_us)
