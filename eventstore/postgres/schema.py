"""The tables of the database: made where there are none, brought up to date, and judged where there are some.

This file answers for telling ours from somebody else's, and from those of another release. It must never change what it
refuses, nor leave anything between two versions.
"""

from pathlib import Path
from typing import Final

from core.errors import StoreRefused
from core.ownership import SILENCE_S
from eventstore.postgres.connection import MADE_TWICE, SCHEMA, Connection, connect, place_of

SCHEMA_VERSION: Final = 3
FIRST_VERSION: Final = 1
OLDEST_SERVER: Final = 14

_ROOM: Final = Path(__file__).parent.parent / "schema"
_SERVER: Final = """
SELECT current_setting('server_version_num')::int, pg_is_in_recovery(), current_setting('server_encoding'),
  to_regclass($1) IS NOT NULL, to_regnamespace($2) IS NOT NULL,
  (SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace($2))"""
_VERSION: Final = "SELECT coalesce(max(value), 0) FROM meta WHERE name = 'schema_version'"
# Holds up whoever else means to arrive, to take over or to bring the tables up to date, and nobody who writes.
ALONE: Final = "SELECT value FROM meta WHERE name = 'schema_version' FOR UPDATE"
_HEARD: Final = """
SELECT extract(epoch FROM clock_timestamp() - max(beat.at))::float8
  FROM node JOIN beat USING (node) WHERE state = 'up'"""


async def prepare(connection: Connection, url: str) -> None:
    """Leaves our tables, of this release. Raises StoreRefused for what is not ours, and what the driver raises."""
    version = await version_in(connection, url)
    if not version:
        try:
            await _create(connection)
        except MADE_TWICE:
            # Another daemon begins at this moment, and its tables are as good.
            pass
        version = await version_in(connection, url)
    if version < SCHEMA_VERSION:
        await _upgrade(url)


async def judge(connection: Connection, url: str, *, is_to_read: bool = False) -> bool:
    """Whether our tables are there, of this release. Raises StoreRefused for anything else that is there.

    A standby, which takes no writes, is good enough to read from.
    """
    version = await version_in(connection, url, is_to_read=is_to_read)
    if version not in {0, SCHEMA_VERSION}:
        raise StoreRefused(
            f"{place_of(url)} has schema version {version}, of an older release: start a daemon of this one on it,"
            f" which brings it to version {SCHEMA_VERSION}"
        )
    return bool(version)


async def version_in(connection: Connection, url: str, *, is_to_read: bool = False) -> int:
    """The version of our tables, which this release can work with; 0 where there are none.

    Raises StoreRefused for anything else that is there.
    """
    place = place_of(url)
    found = await connection.fetchrow(_SERVER, f"{SCHEMA}.meta", SCHEMA)
    assert found is not None, "a question without FROM has one answer"
    server, is_standby, encoding, has_meta, has_schema, tables = found
    if server // 10_000 < OLDEST_SERVER:
        raise StoreRefused(f"{place} is served by PostgreSQL {server // 10_000}: {OLDEST_SERVER} or newer is needed")
    if is_standby and not is_to_read:
        raise StoreRefused(f"{place} is on a read-only standby: give the store's URL of the primary")
    if encoding != "UTF8":
        raise StoreRefused(f"{place} has the encoding {encoding}: make one with ENCODING 'UTF8'")
    if not has_meta:
        if has_schema and tables:
            raise StoreRefused(
                f"{place} has a schema named {SCHEMA} with tables of another program; use another database"
            )
        return 0
    version = int(await connection.fetchval(_VERSION))
    if version > SCHEMA_VERSION:
        raise StoreRefused(
            f"{place} has schema version {version}, and this release knows up to {SCHEMA_VERSION}: run the release that"
            " wrote it; nothing was changed"
        )
    if version < FIRST_VERSION:
        raise StoreRefused(f"{place} has schema version {version}, which no release wrote; nothing was changed")
    return version


async def _create(connection: Connection) -> None:
    async with connection.transaction():
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        await connection.execute((_ROOM / "postgres.sql").read_text(encoding="utf-8"))


async def _upgrade(url: str) -> None:
    """Brings older tables to this release's, unless a daemon of that older one is at work: it knows nothing of others.

    Raises StoreRefused where one is.
    """
    # It may look at each event there is, and takes as long as that takes.
    connection = await connect(url, is_patient=True)
    try:
        await _bring_up(connection, url)
    finally:
        connection.terminate()


async def _bring_up(connection: Connection, url: str) -> None:
    async with connection.transaction():
        # Of several that begin together one does it, and the others find it done.
        for version in range(int(await connection.fetchval(ALONE)), SCHEMA_VERSION):
            silent_s = await connection.fetchval(_HEARD)
            if silent_s is not None and silent_s < SILENCE_S:
                raise StoreRefused(
                    f"a daemon of an older release uses this database; it was last heard of {max(silent_s, 0):.0f} s"
                    f" ago ({place_of(url)}): stop it first; nothing was changed"
                )
            await connection.execute((_ROOM / f"postgres_from_{version}.sql").read_text(encoding="utf-8"))
