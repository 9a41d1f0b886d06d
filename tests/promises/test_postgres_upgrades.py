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
from eventstore.postgres.trying import daemons_on
from tests.contracts.scribe import Scribe
from tests.postgres_server import Server

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

# The schema files of the releases that wrote versions 1 and 2, as they were.
VERSIONS: Final = {number: Path(__file__).parent / f"postgres_version_{number}.sql" for number in (1, 2)}
# What version 3 brought, taken away again, and then what version 2 did.
BACK_TO_2: Final = """
CREATE TABLE whole (LIKE event, PRIMARY KEY (pos));
INSERT INTO whole SELECT * FROM event;
DROP TABLE event;
ALTER TABLE whole RENAME TO event;
ALTER INDEX whole_pkey RENAME TO event_pkey;
CREATE UNIQUE INDEX event_of_stream ON event (stream, version);
ALTER TABLE event SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
UPDATE meta SET value = 2 WHERE name = 'schema_version';"""
BACK_TO_1: Final = (
    BACK_TO_2
    + """
DROP TABLE inbox, answer;
ALTER TABLE node DROP COLUMN slot, DROP COLUMN door, DROP COLUMN ended;
UPDATE meta SET value = 1 WHERE name = 'schema_version'"""
)
MONTH_US: Final = 31 * 24 * 3_600 * 1_000_000
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


@pytest.mark.parametrize("version", VERSIONS)
async def test_old_tables_become_those_of_a_new_database(
    postgres_url: str, postgres_server: Server, hand: Connection, version: int
) -> None:
    """Column by column and index by index, whichever way a database came to be."""
    await hand.execute(f"CREATE SCHEMA {SCHEMA}")
    await hand.execute(VERSIONS[version].read_text(encoding="utf-8"))
    words = f"has schema version {version}, of an older release: start a daemon of this one"
    with pytest.raises(StoreRefused, match=words):
        await read_log(postgres_url)
    assert await daemons_on(postgres_url) == []
    await (await open_node(postgres_url, identity=1)).close()
    with postgres_server.fresh() as other:
        await (await open_node(other, identity=1)).close()
        assert await shape_of(postgres_url) == await shape_of(other)


@pytest.mark.parametrize("back", [BACK_TO_1, BACK_TO_2], ids=["1", "2"])
async def test_a_log_goes_on_after_it_was_brought_up_to_date(postgres_url: str, hand: Connection, back: str) -> None:
    """Messages, keys and numbers are where they were, and the next one follows on."""
    log, scribe = await open_log(postgres_url, identity=1), Scribe()
    first = scribe.acceptance(key="k1")
    await log.accept(first)
    await log.close()
    await hand.execute(back)
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
    await hand.execute(VERSIONS[1].read_text(encoding="utf-8"))
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


async def test_what_was_there_stays_where_it_is(postgres_url: str, hand: Connection) -> None:
    """The old table becomes the partition up to the month of its last stream, as it is; the next has one of its own."""
    log, scribe = await open_log(postgres_url, identity=1), Scribe()
    for _ in range(3):
        await log.accept(scribe.acceptance())
    await log.close()
    await hand.execute(BACK_TO_2)
    rows = "SELECT ctid::text, xmin::text, pos FROM {} ORDER BY pos"
    before = [tuple(row) for row in await hand.fetch(rows.format("event"))]
    log = await open_log(postgres_url, identity=2)
    assert [tuple(row) for row in await hand.fetch(rows.format("event_before"))] == before
    await log.accept(scribe.acceptance())
    scribe.tick(MONTH_US)
    await log.accept(scribe.acceptance())
    await log.close()
    homes = await hand.fetch("SELECT tableoid::regclass::text FROM event ORDER BY pos")
    assert [row[0] for row in homes] == ["event_before"] * 4 + ["event_2026_02"]
