"""The tables of the database: made where there are none, and judged where there are some.

This file answers for telling ours from somebody else's, and from those of another release. It must never change what it
refuses.
"""

from pathlib import Path
from typing import Final

from core.errors import StoreRefused
from eventstore.postgres.connection import MADE_TWICE, SCHEMA, Connection, place_of

SCHEMA_VERSION: Final = 1
OLDEST_SERVER: Final = 14

_SCHEMA_FILE: Final = Path(__file__).parent.parent / "schema" / "postgres.sql"
_SERVER: Final = """
SELECT current_setting('server_version_num')::int, pg_is_in_recovery(), current_setting('server_encoding'),
  to_regclass($1) IS NOT NULL, to_regnamespace($2) IS NOT NULL,
  (SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace($2))"""
_VERSION: Final = "SELECT coalesce(max(value), 0) FROM meta WHERE name = 'schema_version'"


async def prepare(connection: Connection, url: str) -> None:
    """Makes the tables where there are none. Raises StoreRefused for what is not ours, and what the driver raises."""
    if not await judge(connection, url):
        try:
            await _create(connection)
        except MADE_TWICE:
            # Another daemon begins at this moment; its tables are as good, and one of us is refused for the other.
            pass
        await judge(connection, url)


async def judge(connection: Connection, url: str, *, is_to_read: bool = False) -> bool:
    """Whether our tables are there, of this release. Raises StoreRefused for anything else that is there.

    A standby, which takes no writes, is good enough to read from.
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
        return False
    version = await connection.fetchval(_VERSION)
    if version > SCHEMA_VERSION:
        raise StoreRefused(
            f"{place} has schema version {version}, and this release knows up to {SCHEMA_VERSION}: run the release that"
            " wrote it; nothing was changed"
        )
    if version < SCHEMA_VERSION:
        raise StoreRefused(f"{place} has schema version {version}, which no release wrote; nothing was changed")
    return True


async def _create(connection: Connection) -> None:
    async with connection.transaction():
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        await connection.execute(_SCHEMA_FILE.read_text(encoding="utf-8"))
