"""Answers for a log that is whole again after a rebuild, whatever was damaged beside its events."""

import sqlite3
from collections.abc import Awaitable
from contextlib import closing
from pathlib import Path

import pytest

from core.errors import StoreRefused
from core.records import Acceptance
from eventstore.sqlite.checking import verify
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.opening import open_to_read
from eventstore.sqlite.rebuilding import rebuild
from eventstore.sqlite.sharing import shared_check
from tests.contracts.scribe import Scribe
from tests.contracts.sqlite_cells import cells_of
from tests.contracts.test_log_integrity import damaged

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """The file of a log with messages at several stages of their lives, and with one mark."""
    path, scribe = tmp_path / "tidings.db", Scribe()
    log = await SqliteLog.open(path)
    calls = [scribe.acceptance(f"peer{n % 9}") for n in range(1_030)]
    waiting: list[Awaitable[object]] = [log.accept(call) for call in calls]
    for answer in waiting:
        await answer
    for call in calls[:3]:
        await log.append(scribe.start(call.sealed.stream))
    await log.close()
    return path


def somebody(log: SqliteLog) -> Acceptance:
    """One more message, after all that a log holds."""
    scribe = Scribe(slot=4)
    scribe.now_us = log.newest()[1]
    return scribe.acceptance("somebody")


async def test_tables_that_cannot_be_read_are_made_again(path: Path) -> None:
    """Pages of heads that are nothing any more stop the check, and not the rebuild."""
    content = bytearray(path.read_bytes())
    for cell in cells_of(path, "head")[100:200]:
        content[cell.start : cell.stop] = bytes(len(cell))
    path.write_bytes(content)
    assert verify(path).faults
    assert rebuild(path).messages == 1_030
    report = verify(path)
    assert (report.faults, report.attempts_open) == ((), 3)


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE mark SET links = seqs",
        "DELETE FROM mark",
        "DELETE FROM address",
        "UPDATE address SET conversation = 7",
        "DELETE FROM tally",
        "DELETE FROM head WHERE stream IN (SELECT stream FROM head LIMIT 500)",
    ],
)
async def test_what_follows_from_events_is_made_again(path: Path, harm: str) -> None:
    """Marks, addresses, counts and heads: a daemon goes on from the new file as from the old one."""
    damaged(path, harm)
    rebuild(path)
    assert verify(path).faults == ()
    log = await SqliteLog.open(path)
    await log.accept(somebody(log))
    await log.close()
    report = verify(path)
    assert (report.events, report.faults) == (1_034, ())
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM mark").fetchone() == (1,)
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_a_copy_that_was_left_behind_is_in_nobodys_way(path: Path) -> None:
    """Killed in the middle, a rebuild leaves its copy; the next one begins anew, and the log was never touched."""
    beside = path.with_name("tidings.db.rebuilt")
    beside.write_bytes(b"half a file")
    assert verify(path).faults == ()
    rebuild(path)
    assert not beside.exists()


async def test_nothing_is_made_where_there_is_no_log(tmp_path: Path) -> None:
    """A log that was here once and is missing is not replaced by an empty one, and no name is taken for a log's."""
    path, mistyped = tmp_path / "tidings.db", tmp_path / "tydings" / "tidings.db"
    await (await SqliteLog.open(path)).close()
    path.unlink()
    for place in (path, mistyped):
        with pytest.raises(StoreRefused, match="there is no log at"):
            rebuild(place)
    assert not path.exists()
    assert not mistyped.parent.exists()


@pytest.mark.slow
async def test_a_log_that_goes_on_is_not_shared(path: Path) -> None:
    """Parts that would see other events than the rest of the check answer nothing: one process does it all."""
    with closing(open_to_read(path)) as connection:
        connection.execute("BEGIN")
        assert shared_check(path, connection, 2, None) is not None
        log = await SqliteLog.open(path)
        await log.accept(somebody(log))
        assert shared_check(path, connection, 2, None) is None
        assert verify(path, processes=2).faults == ()
        await log.close()
