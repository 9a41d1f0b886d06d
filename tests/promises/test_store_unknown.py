"""A disk that fails in the very moment of a commit: the log says only what it knows, finds out, and goes on."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import AppendUnknown, StoreUnavailable, StreamConflict
from core.records import Stored
from eventstore.sqlite.checking import verify
from eventstore.sqlite.committing import Committing
from eventstore.sqlite.connection import Connection
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.recovery import numbering_of
from eventstore.sqlite.writer import Writer
from eventstore.waking import Waking
from tests.contracts.eraser import ANN, Eraser
from tests.contracts.scribe import Scribe

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

WRITE, SYNC, SHARED = sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_SHMMAP


class UnsteadyDisk(sqlite3.Connection):
    """A real connection whose disk fails at a commit, with or without having kept it, as no real disk does to order."""

    fault: int | None = None
    keeps = False

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:  # noqa: ANN401  # As sqlite3 takes them.
        if statement == "COMMIT" and self.fault is not None:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode, self.fault = self.fault, None
            super().execute("COMMIT" if self.keeps else "ROLLBACK")
            raise error
        return super().execute(statement, *values)


class Bench:
    """A writer over an unsteady disk."""

    def __init__(self, disk: UnsteadyDisk, writer: Writer, waking: Waking) -> None:
        self.disk = disk
        self.writer = writer
        self.waking = waking
        self.scribe = Scribe()

    async def recovered(self) -> None:
        """Waits until a call is taken again."""
        while True:
            try:
                assert await self.writer.put(self.scribe.acceptance("later")) == Stored()
            except StoreUnavailable:
                await asyncio.sleep(0)
            else:
                return


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the log is."""
    return tmp_path / "tidings.db"


@pytest.fixture
async def bench(path: Path) -> AsyncIterator[Bench]:
    """A writer whose disk can be told to fail."""
    await (await SqliteLog.open(path)).close()
    disks: list[UnsteadyDisk] = []

    def connect() -> sqlite3.Connection:
        disk = sqlite3.connect(path, isolation_level=None, factory=UnsteadyDisk)
        disks.append(disk)
        return disk

    connection = await Connection.start(connect)
    committing = await connection.run(lambda found: Committing(numbering_of(found), None))
    waking = Waking()
    writer = Writer(connection, committing, waking)
    yield Bench(disks[0], writer, waking)
    await writer.close()
    await connection.close()


@pytest.mark.parametrize("fault", [SYNC, SHARED])
@pytest.mark.parametrize("keeps", [False, True])
async def test_a_commit_of_unknown_fate_is_called_unknown(bench: Bench, path: Path, fault: int, keeps: bool) -> None:  # noqa: FBT001  # A column of the table above.
    """Its callers are told that only a replay can tell; what queued behind was surely not written; numbers go on."""
    bench.disk.fault, bench.disk.keeps = fault, keeps
    first = bench.writer.put(bench.scribe.acceptance("ann"))
    await asyncio.sleep(0)
    behind = bench.writer.put(bench.scribe.acceptance("ben"))
    followed = bench.waking.ask()
    with pytest.raises(AppendUnknown, match="while it committed"):
        await first
    with pytest.raises(StoreUnavailable):
        await behind
    assert bench.writer.health()[0] == "failing"
    await bench.recovered()
    await followed
    assert bench.writer.health() == ("ok", "")
    report = verify(path)
    assert report.faults == ()
    assert report.events == 1 + keeps
    assert bench.writer.numbering.pos == 1 + keeps


@pytest.mark.parametrize("keeps", [False, True])
async def test_what_an_address_came_to_is_asked_of_the_file(bench: Bench, path: Path, keeps: bool) -> None:  # noqa: FBT001  # A column of the table above.
    """Whether one was closed by a commit of unknown fate, or not, is not told from memory when a message comes."""
    first = bench.scribe.acceptance(ANN)
    assert await bench.writer.put(first) == Stored()
    eraser = Eraser(bench.scribe, first.conversation)
    await bench.writer.put(eraser.start())
    bench.disk.fault, bench.disk.keeps = SYNC, keeps
    with pytest.raises(AppendUnknown):
        await bench.writer.put(eraser.close())
    await bench.recovered()
    if keeps:
        with pytest.raises(StreamConflict):
            await bench.writer.put(bench.scribe.acceptance(ANN))
    else:
        assert await bench.writer.put(bench.scribe.acceptance(ANN)) == Stored()
    assert verify(path).faults == ()


async def test_a_commit_that_surely_failed_is_called_unavailable(bench: Bench, path: Path) -> None:
    """A write that never came to its last frame leaves nothing, and the callers may simply repeat."""
    bench.disk.fault = WRITE
    acceptance = bench.scribe.acceptance("ann", key="k")
    with pytest.raises(StoreUnavailable, match="disk I/O error"):
        await bench.writer.put(acceptance)
    await bench.recovered()
    assert await bench.writer.put(bench.scribe.acceptance("ann", key="k")) == Stored()
    assert verify(path).events == 2
    assert verify(path).faults == ()


async def test_a_write_error_that_kept_its_rows_is_called_unknown(bench: Bench, path: Path) -> None:
    """An error that should prove that nothing was written is not believed where the rows are there after all."""
    bench.disk.fault, bench.disk.keeps = WRITE, True
    with pytest.raises(AppendUnknown):
        await bench.writer.put(bench.scribe.acceptance("ann"))
    await bench.recovered()
    assert verify(path).events == 2
    assert verify(path).faults == ()


async def test_a_disk_that_fails_again_and_again_is_waited_for(bench: Bench, path: Path) -> None:
    """A fault that comes back after each recovery costs its own batch only, and nothing that was acknowledged."""
    stored = 0
    for n in range(3):
        bench.disk.fault = WRITE
        with pytest.raises(StoreUnavailable):
            await bench.writer.put(bench.scribe.acceptance(f"peer{n}"))
        await bench.recovered()
        stored += 1
    assert verify(path).events == stored


async def test_closing_while_the_disk_fails_does_not_hang(bench: Bench, path: Path) -> None:
    """A daemon that is stopped during a fault stops, and the file is sound."""
    bench.disk.fault = SYNC
    with pytest.raises(AppendUnknown):
        await bench.writer.put(bench.scribe.acceptance("ann"))
    async with asyncio.timeout(2):
        await bench.writer.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await bench.writer.put(bench.scribe.acceptance("ben"))
    assert verify(path).faults == ()
