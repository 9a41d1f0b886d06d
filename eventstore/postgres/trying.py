"""Whether a database answers, and which daemons are on it, asked before anything depends on it.

This file answers for an answer within seconds. It must never make or change anything.
"""

from typing import Final

import msgspec

from eventstore.postgres.connection import TROUBLE, connect, refused
from eventstore.postgres.schema import SCHEMA_VERSION, version_in

_TROUBLE: Final[tuple[type[Exception], ...]] = (*TROUBLE, ValueError)
_DAEMONS: Final = """
SELECT node.node = shard.owner, slot, (extract(epoch FROM started) * 1000000)::int8,
  greatest(extract(epoch FROM clock_timestamp() - beat.at), 0)::float8
  FROM node JOIN beat USING (node), shard WHERE state = 'up' AND shard.shard = 0 ORDER BY slot"""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A daemon that counts as alive, by the slot that is in ids of its making, and how long it was not heard of."""

    acts: bool
    slot: int
    started_us: int
    silent_s: float


async def daemons_on(url: str) -> list[Seen] | None:
    """The daemons that use the log in this database; None where there is no log.

    Nobody is told of one of an older release, which knows nothing of several. Raises StoreRefused where the database
    does not answer, or has something else.
    """
    try:
        connection = await connect(url)
        try:
            version = await version_in(connection, url)
            rows = await connection.fetch(_DAEMONS) if version == SCHEMA_VERSION else []
        finally:
            connection.terminate()
    except _TROUBLE as error:
        raise refused(url, error) from error
    if not version:
        return None
    return [Seen(acts=bool(row[0]), slot=row[1], started_us=row[2], silent_s=row[3]) for row in rows]
