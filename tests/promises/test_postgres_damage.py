"""What somebody changed in the tables behind a daemon's back is found, and where."""

import pytest
from anyio import to_thread

from core.errors import CorruptLog, StoreRefused
from core.records import Stored
from eventstore.postgres.checking import verify
from eventstore.postgres.connection import connect
from eventstore.postgres.opening import open_log
from tests.contracts.scribe import Scribe

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def changed(url: str, statement: str, *, calls: int = 3) -> None:
    """A log of a few messages of one peer, after a statement by hand."""
    log, scribe = await open_log(url, identity=1), Scribe()
    for _ in range(calls):
        acceptance = scribe.acceptance()
        assert await log.accept(acceptance) == Stored()
        await log.append(scribe.start(acceptance.sealed.stream))
    await log.close()
    hand = await connect(url)
    await hand.execute(statement)
    hand.terminate()


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE event SET at_us = at_us + 1 WHERE pos = 4", "link"),
        ("UPDATE event SET body = set_byte(body, 3, get_byte(body, 3) # 1) WHERE pos = 4", "link"),
        ("DELETE FROM event WHERE pos = 4", "seq"),
        ("UPDATE head SET status = 'sent'", "head"),
        ("UPDATE vault SET salt = private", "vault row"),
        ("UPDATE tally SET messages = 9", "count"),
        ("INSERT INTO alias VALUES ('device', 'org1', 'x', 77)", "alias"),
    ],
)
async def test_what_was_changed_by_hand_is_named(postgres_url: str, statement: str, named: str) -> None:
    """The full check finds it, whatever table it is in."""
    await changed(postgres_url, statement)
    report = await to_thread.run_sync(verify, postgres_url)
    assert any(named in fault.what for fault in report.faults), report.faults


async def test_a_log_whose_last_events_were_changed_is_not_opened(postgres_url: str) -> None:
    """A start reads from the last mark on, and does not build on a link that is wrong; nothing is taken by it."""
    await changed(postgres_url, "UPDATE event SET tenant = 'org2' WHERE pos = 5")
    for identity in (2, 3):
        with pytest.raises(CorruptLog, match="its link does not follow"):
            await open_log(postgres_url, identity=identity)


async def test_a_commit_is_on_the_disk_whatever_the_server_does_for_others(postgres_url: str) -> None:
    """A database that answers before it has written anything is told to write first, for us."""
    hand = await connect(postgres_url)
    name = await hand.fetchval("SELECT current_database()")
    await hand.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    for for_writing, setting in ((False, "off"), (True, "on")):
        ours = await connect(postgres_url, for_writing=for_writing)
        assert await ours.fetchval("SHOW synchronous_commit") == setting
        ours.terminate()
    hand.terminate()


async def test_there_is_nothing_to_check_where_there_is_no_log(postgres_url: str) -> None:
    """An empty database is no log."""
    with pytest.raises(StoreRefused, match="there is no log"):
        await to_thread.run_sync(verify, postgres_url)
