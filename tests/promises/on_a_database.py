"""What a run has left in a database of its own, read by the side of whoever ran in it."""

from functools import partial
from typing import Final

from eventstore.codec import EventRow
from eventstore.postgres.connection import connect
from eventstore.postgres.rows import event_row
from eventstore.rows import EVENT_COLUMNS
from scenarios.run.own_database import OwnDatabase

_EVENTS: Final = f"SELECT {EVENT_COLUMNS} FROM event ORDER BY pos"  # noqa: S608  # Columns of ours.


def written_in(database: OwnDatabase) -> list[EventRow]:
    """Every event there, in the order of arrival."""
    return database.real.at_once(partial(_written, database.url))


async def _written(url: str) -> list[EventRow]:
    connection = await connect(url)
    rows = await connection.fetch(_EVENTS)
    await connection.close()
    return list(map(event_row, rows))
