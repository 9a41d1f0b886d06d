"""What a log in a file promises of erasing: nothing of what went is left in it, or comes back by a rebuild."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from anyio import to_thread

from core.records import Stored
from eventstore.marking import EVENTS_A_MARK
from eventstore.sqlite.checking import verify
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.rebuilding import rebuild
from tests.contracts.eraser import ANN, Eraser, way_to
from tests.contracts.scribe import Scribe

pytestmark = pytest.mark.anyio


async def test_nothing_of_an_erased_row_is_left_in_the_file(tmp_path: Path, scribe: Scribe) -> None:
    """Its bytes are overwritten, not only let go of, and not left in the write-ahead log of a daemon that goes on."""
    path = tmp_path / "tidings.db"
    log = await SqliteLog.open(path)
    acceptances = [scribe.acceptance() for _ in range(50)]
    for acceptance in acceptances:
        await log.accept(acceptance)
    eraser, streams = Eraser(scribe, acceptances[0].conversation), [one.sealed.stream for one in acceptances]
    for call in (eraser.start(), eraser.close(), eraser.erase(*streams)):
        await log.append(call)
    files = path, path.with_name("tidings.db-wal")
    assert [ANN.encode() in file.read_bytes() for file in files].count(True) == 1
    await log.append(eraser.end())
    assert not any(ANN.encode() in file.read_bytes() for file in files)
    assert await log.accept(scribe.acceptance("bob@example.com")) == Stored()
    await log.close()


async def test_a_row_is_not_left_where_somebody_read_while_it_went(tmp_path: Path, scribe: Scribe) -> None:
    """A reader keeps the write-ahead log as it is; once it is gone, the next commit empties that."""
    path, wal = tmp_path / "tidings.db", tmp_path / "tidings.db-wal"
    log = await SqliteLog.open(path)
    acceptance = scribe.acceptance()
    await log.accept(acceptance)
    eraser = Eraser(scribe, acceptance.conversation)
    await log.append(eraser.start())
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM event").fetchone()
        await log.append(eraser.erase(acceptance.sealed.stream))
        await log.append(eraser.end())
        assert ANN.encode() in wal.read_bytes()
    await log.accept(scribe.acceptance("bob@example.com"))
    assert ANN.encode() not in path.read_bytes() + wal.read_bytes()
    await log.close()


async def test_a_row_is_not_left_where_the_power_went_out_after_its_end(tmp_path: Path, scribe: Scribe) -> None:
    """What the write-ahead log of an earlier life still holds goes with the first commit of the next."""
    path, wal = tmp_path / "tidings.db", tmp_path / "tidings.db-wal"
    log = await SqliteLog.open(path)
    acceptance = scribe.acceptance()
    await log.accept(acceptance)
    eraser = Eraser(scribe, acceptance.conversation)
    await log.append(eraser.start())
    left = tmp_path / "left"
    left.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM event").fetchone()
        await log.append(eraser.erase(acceptance.sealed.stream))
        await log.append(eraser.end())
        for file in (path, wal):
            (left / file.name).write_bytes(file.read_bytes())
    await log.close()
    assert ANN.encode() in (left / wal.name).read_bytes()
    log = await SqliteLog.open(left / path.name)
    await log.accept(scribe.acceptance("bob@example.com"))
    assert ANN.encode() not in (left / path.name).read_bytes() + (left / wal.name).read_bytes()
    await log.close()


async def test_a_row_is_not_left_where_somebody_read_over_a_restart(
    tmp_path: Path, scribe: Scribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next life does not know what went in the one before it, and empties the write-ahead log all the same."""
    # How long a start waits for whoever reads.
    monkeypatch.setattr("eventstore.sqlite.connecting.BUSY_MS", 1)
    path, wal = tmp_path / "tidings.db", tmp_path / "tidings.db-wal"
    log = await SqliteLog.open(path)
    acceptance = scribe.acceptance()
    await log.accept(acceptance)
    eraser = Eraser(scribe, acceptance.conversation)
    await log.append(eraser.start())
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM event").fetchone()
        await log.append(eraser.erase(acceptance.sealed.stream))
        await log.append(eraser.end())
        await log.close()
        log = await SqliteLog.open(path)
        assert ANN.encode() in wal.read_bytes()
    await log.accept(scribe.acceptance("bob@example.com"))
    assert ANN.encode() not in path.read_bytes() + wal.read_bytes()
    await log.close()


@pytest.mark.slow
async def test_a_rebuild_brings_nothing_back(tmp_path: Path, scribe: Scribe) -> None:
    """What was erased stays so, and a closed address stays closed."""
    path = tmp_path / "tidings.db"
    log = await SqliteLog.open(path)
    acceptance = scribe.acceptance()
    await log.accept(acceptance)
    eraser = Eraser(scribe, acceptance.conversation)
    for call in (eraser.start(), eraser.close(), eraser.erase(acceptance.sealed.stream)):
        await log.append(call)
    await log.close()
    await to_thread.run_sync(rebuild, path)
    log = await SqliteLog.open(path)
    assert await way_to(log) == -eraser.conversation
    assert await log.sealed_of(acceptance.sealed.stream) is None
    await log.append(eraser.end())
    await log.close()
    assert ANN.encode() not in path.read_bytes()


@pytest.mark.slow
async def test_an_erasure_goes_on_behind_a_rebuild(tmp_path: Path, scribe: Scribe) -> None:
    """A row that is still there leads to its conversation again, and the erasure closes it again."""
    path = tmp_path / "tidings.db"
    log = await SqliteLog.open(path)
    swept, left = scribe.acceptance(), scribe.acceptance()
    for acceptance in (swept, left):
        await log.accept(acceptance)
    eraser = Eraser(scribe, swept.conversation)
    for call in (eraser.start(), eraser.erase(swept.sealed.stream), eraser.close()):
        await log.append(call)
    await log.close()
    await to_thread.run_sync(rebuild, path)
    log = await SqliteLog.open(path)
    assert [head.status for head in await log.heads_of_kind("sys")] == ["erasing"]
    assert await log.sealed_of(eraser.stream) is not None
    assert await log.sealed_of(left.sealed.stream) == left.sealed
    for call in (eraser.close(), eraser.erase(left.sealed.stream)):
        await log.append(call)
    assert await way_to(log) == -eraser.conversation
    await log.append(eraser.end())
    await log.close()
    await to_thread.run_sync(rebuild, path)
    log = await SqliteLog.open(path)
    assert await way_to(log) is None
    await log.close()
    assert ANN.encode() not in path.read_bytes()


@pytest.mark.slow
async def test_many_that_check_find_an_erased_log_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are gone, and an address that is closed, are missed by nobody who looks at a part."""
    path, scribe = tmp_path / "tidings.db", Scribe()
    log = await SqliteLog.open(path)
    acceptances = [scribe.acceptance(ANN if n % 2 else f"p{n}") for n in range(3 * EVENTS_A_MARK)]
    await asyncio.gather(*(log.accept(acceptance) for acceptance in acceptances))
    eraser = Eraser(scribe, scribe.conversation(ANN))
    streams = [acceptance.sealed.stream for acceptance in acceptances[1::4]]
    for call in (eraser.start(), eraser.erase(*streams), eraser.close()):
        await log.append(call)
    await log.close()
    monkeypatch.setattr("eventstore.sqlite.parts.EVENTS_A_PART", EVENTS_A_MARK)
    alone = verify(path, processes=1)
    assert (alone.faults, alone.messages) == ((), len(acceptances))
    assert verify(path, processes=2) == alone
