"""A database of an older release comes to the tables of this one, with all that is in it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from anyio import to_thread

from core.errors import StoreRefused
from core.records import Repeated, Stored
from eventstore.postgres.checking import verify
from eventstore.postgres.connection import SCHEMA, Connection, connect
from eventstore.postgres.opening import open_log, open_node, read_log
from eventstore.postgres.trying import has_log
from tests.contracts.scribe import Scribe
from tests.postgres_server import Server

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

# The schema file of the release that wrote version 1, as it was.
VERSION_1: Final = Path(__file__).parent / "postgres_version_1.sql"
# What version 2 brought, taken away again.
BACK_TO_1: Final = """
DROP TABLE inbox, answer;
ALTER TABLE node DROP COLUMN slot, DROP COLUMN door, DROP COLUMN ended;
UPDATE meta SET value = 1 WHERE name = 'schema_version'"""
COLUMNS: Final = f"""
SELECT table_name, column_name, ordinal_position, data_type, is_nullable, column_default, is_identity
  FROM information_schema.columns WHERE table_schema = '{SCHEMA}' ORDER BY 1, 3"""  # noqa: S608  # A name of ours.
INDICES: Final = f"SELECT indexdef FROM pg_indexes WHERE schemaname = '{SCHEMA}' ORDER BY 1"  # noqa: S608  # As above.
SETTINGS: Final = f"""
SELECT relname, reloptions FROM pg_class WHERE relnamespace = '{SCHEMA}'::regnamespace ORDER BY 1"""  # noqa: S608  # As above.


@pytest.fixture
async def hand(postgres_url: str) -> AsyncIterator[Connection]:
    """A person's own connection to the database."""
    connection = await connect(postgres_url)
    yield connection
    connection.terminate()


async def shape_of(url: str) -> list[list[tuple[object, ...]]]:
    """Every column, index and setting of the tables of a database."""
    connection = await connect(url)
    shape = [[tuple(row) for row in await connection.fetch(asked)] for asked in (COLUMNS, INDICES, SETTINGS)]
    connection.terminate()
    return shape


async def test_old_tables_become_those_of_a_new_database(
    postgres_url: str, postgres_server: Server, hand: Connection
) -> None:
    """Column by column and index by index, whichever way a database came to be."""
    await hand.execute(f"CREATE SCHEMA {SCHEMA}")
    await hand.execute(VERSION_1.read_text(encoding="utf-8"))
    with pytest.raises(StoreRefused, match="has schema version 1, of an older release: start a daemon of this one"):
        await read_log(postgres_url)
    assert await has_log(postgres_url)
    await (await open_node(postgres_url, identity=1)).close()
    with postgres_server.fresh() as other:
        await (await open_node(other, identity=1)).close()
        assert await shape_of(postgres_url) == await shape_of(other)


async def test_a_log_goes_on_after_it_was_brought_up_to_date(postgres_url: str, hand: Connection) -> None:
    """Messages, keys and numbers are where they were, and the next one follows on."""
    log, scribe = await open_log(postgres_url, identity=1), Scribe()
    first = scribe.acceptance(key="k1")
    await log.accept(first)
    await log.close()
    await hand.execute(BACK_TO_1)
    log = await open_log(postgres_url, identity=2)
    assert await log.accept(scribe.acceptance(key="k1")) == Repeated(stream=first.sealed.stream, same=True)
    assert await log.accept(scribe.acceptance()) == Stored()
    await log.close()
    report = await to_thread.run_sync(verify, postgres_url)
    assert (report.faults, report.messages) == ((), 2)
    epochs = [row[0] for row in await hand.fetch("SELECT epoch FROM event ORDER BY pos")]
    assert epochs == sorted(epochs)


async def test_a_daemon_of_the_older_release_is_left_alone_while_it_works(postgres_url: str, hand: Connection) -> None:
    """It knows nothing of others, so nothing changes under it; once it has gone or died the tables are brought up."""
    await hand.execute(f"CREATE SCHEMA {SCHEMA}")
    await hand.execute(VERSION_1.read_text(encoding="utf-8"))
    await hand.execute("INSERT INTO node VALUES (7, 'up', 3, clock_timestamp())")
    await hand.execute("INSERT INTO beat VALUES (7, clock_timestamp())")
    before = await shape_of(postgres_url)
    with pytest.raises(StoreRefused, match="a daemon of an older release uses this database; it was last heard of 0 s"):
        await open_node(postgres_url, identity=8)
    assert await shape_of(postgres_url) == before
    await hand.execute("UPDATE beat SET at = at - interval '16 seconds'")
    node = await open_node(postgres_url, identity=9)
    log = await node.acted()
    assert not log.is_exclusive
    await node.close()
    assert await hand.fetchval("SELECT state FROM node WHERE node = 7") == "dead"
