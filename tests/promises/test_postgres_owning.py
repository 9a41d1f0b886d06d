"""One daemon at a time writes a database: a second is refused, a dead one replaced, and the replaced one learns it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from anyio import to_thread

from core.errors import StoreRefused, StoreUnavailable
from core.records import Append, Snapshot, Stored
from eventstore.postgres.checking import verify
from eventstore.postgres.connection import Connection, connect
from eventstore.postgres.log import PostgresLog
from eventstore.postgres.opening import open_log, read_log
from tests.contracts.scribe import Scribe

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SILENT = "UPDATE beat SET at = clock_timestamp() - interval '16 seconds'"


@pytest.fixture
async def hand(postgres_url: str) -> AsyncIterator[Connection]:
    """A person's own connection to the database."""
    connection = await connect(postgres_url)
    yield connection
    connection.terminate()


async def accepted(log: PostgresLog, scribe: Scribe) -> int:
    """A message that was taken, and its id."""
    acceptance = scribe.acceptance()
    assert await log.accept(acceptance) == Stored()
    return acceptance.sealed.stream


async def events_in(url: str) -> int:
    """How many events there are, in a log that verifies."""
    report = await to_thread.run_sync(verify, url)
    assert report.faults == ()
    return report.events


async def test_a_second_daemon_is_refused_while_the_first_is_alive(postgres_url: str) -> None:
    """It is told how long ago the other was heard of, and leaves nothing behind that would hold anybody up."""
    async with AsyncExitStack() as stack:
        first = await open_log(postgres_url, identity=1)
        stack.push_async_callback(first.close)
        for identity in (2, 3):
            with pytest.raises(StoreRefused, match=r"another daemon uses this database; it was last heard of \d s ago"):
                await open_log(postgres_url, identity=identity)
        await accepted(first, Scribe())
        assert first.health() == ("ok", "")
    # Closed in order, the first lets the next one in at once.
    await (await open_log(postgres_url, identity=4)).close()


async def test_of_two_that_begin_together_one_gets_in(postgres_url: str) -> None:
    """Two starts in the same instant on an empty database: one makes the log, the other is refused."""
    opened = await asyncio.gather(*(open_log(postgres_url, identity=n) for n in (1, 2)), return_exceptions=True)
    logs = [log for log in opened if isinstance(log, PostgresLog)]
    refusals = [error for error in opened if isinstance(error, StoreRefused)]
    assert (len(logs), len(refusals)) == (1, 1), opened
    await accepted(logs[0], Scribe())
    await logs[0].close()


async def test_a_silent_daemon_is_replaced_and_writes_nothing_any_more(postgres_url: str, hand: Connection) -> None:
    """Once it was silent for long enough another takes over; of what the first one sends nothing is written."""
    scribe = Scribe()
    zombie = await open_log(postgres_url, identity=1)
    stream = await accepted(zombie, scribe)
    await hand.execute(SILENT)
    heir = await open_log(postgres_url, identity=2)
    assert heir.newest() == zombie.newest()
    late = scribe.start(stream)
    with pytest.raises(StoreUnavailable, match="no longer this daemon's"):
        await zombie.append(late)
    with pytest.raises(StoreRefused, match="no longer this daemon's"):
        await zombie.lost()
    assert zombie.health()[0] == "failing"
    with pytest.raises(StoreUnavailable):
        await zombie.save_snapshot(Snapshot(stream=5, version=1, body=b""))
    # The heir goes on from what is there.
    await heir.append(late)
    await zombie.close()
    await accepted(heir, scribe)
    await heir.close()
    assert await events_in(postgres_url) == 3
    epochs = await hand.fetch("SELECT DISTINCT epoch FROM event ORDER BY epoch")
    assert [row[0] for row in epochs] == [1, 2]


async def test_a_takeover_waits_for_the_batch_that_is_under_way(postgres_url: str, hand: Connection) -> None:
    """The next owner begins to read only once the dead one's last batch is written or undone."""
    dead = await open_log(postgres_url, identity=1)
    await accepted(dead, Scribe())
    await hand.execute(SILENT)
    async with hand.transaction():
        # As a batch does: its owner's row is held for as long as it takes.
        await hand.execute("SELECT FROM node WHERE node = 1 FOR SHARE")
        taking = asyncio.create_task(open_log(postgres_url, identity=2))
        while not await hand.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            pass
        assert not taking.done()
    await (await taking).close()
    await dead.close()


async def test_an_idle_daemon_hears_that_it_was_replaced(postgres_url: str, hand: Connection) -> None:
    """It need not write anything for that: its next sign of life tells."""
    idle = await open_log(postgres_url, identity=1)
    await hand.execute(SILENT)
    heir = await open_log(postgres_url, identity=2)
    with pytest.raises(StoreRefused, match="another daemon took it over while this one was silent"):
        await idle.lost()
    await idle.close()
    await heir.close()


async def test_a_daemon_is_heard_of_again_and_again(postgres_url: str, hand: Connection) -> None:
    """Its beats keep others out, whether it writes or not."""
    log = await open_log(postgres_url, identity=1)
    await hand.execute(SILENT)
    heard = "SELECT clock_timestamp() - at < interval '10 seconds' FROM beat"
    while not await hand.fetchval(heard):
        pass
    with pytest.raises(StoreRefused, match="another daemon"):
        await open_log(postgres_url, identity=2)
    await log.close()


async def test_events_of_somebody_else_end_a_daemon(postgres_url: str, hand: Connection) -> None:
    """A place in the log that is taken already is another writer's doing: nothing is built upon it."""
    log = await open_log(postgres_url, identity=1)
    scribe = Scribe()
    await accepted(log, scribe)
    await hand.execute(
        "INSERT INTO event SELECT pos + 1, shard, seq + 1, stream + 1, 1, type, schema_version, at_us, tenant, cause,"
        " body, link, epoch FROM event"
    )
    with pytest.raises(StoreUnavailable, match="somebody else has written"):
        await log.accept(scribe.acceptance())
    with pytest.raises(StoreRefused, match="somebody else has written"):
        await log.lost()
    await log.close()


async def test_a_log_is_read_beside_its_daemon(postgres_url: str) -> None:
    """Reading takes nothing over and sees what was committed; there has to be a log."""
    with pytest.raises(StoreRefused, match="there is no log"):
        await read_log(postgres_url)
    log = await open_log(postgres_url, identity=1)
    scribe = Scribe()
    stream = await accepted(log, scribe)
    reading = await read_log(postgres_url)
    assert reading.newest() == log.newest()
    append: Append = scribe.start(stream)
    await log.append(append)
    assert await reading.head_of(stream) == append.heads[0].head
    await reading.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await reading.head_of(stream)
    await log.close()
