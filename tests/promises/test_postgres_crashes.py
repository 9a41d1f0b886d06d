"""What becomes of a log in PostgreSQL when its process is killed or stands still: nothing acknowledged is ever lost."""

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from itertools import islice

import pytest
from anyio import to_thread

from core.ids import Mint
from core.records import Stored
from eventstore.postgres.checking import verify
from eventstore.postgres.connection import Connection, connect
from eventstore.postgres.opening import open_log
from tests.contracts.scribe import Scribe

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ROUNDS = 3
SILENT = "UPDATE beat SET at = clock_timestamp() - interval '16 seconds'"


@pytest.fixture
async def hand(postgres_url: str) -> AsyncIterator[Connection]:
    """A person's own connection to the database."""
    connection = await connect(postgres_url)
    yield connection
    connection.terminate()


@contextmanager
def writing(url: str, turn: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that writes for ever, killed at the end."""
    command = [sys.executable, "-m", "tests.promises.programs.store_writer", url, str(turn)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
        try:
            yield writer
        finally:
            writer.kill()


def acknowledged(lines: list[bytes]) -> set[tuple[int, int]]:
    """The versions that lines of a writer tell of."""
    return {(int(stream), int(version)) for stream, version in map(bytes.split, lines)}


def killed_after(url: str, turn: int, lines: int) -> set[tuple[int, int]]:
    """What a writer acknowledged until it was killed, some lines after it began."""
    with writing(url, turn) as writer:
        assert writer.stdout is not None
        said = list(islice(writer.stdout, lines))
        writer.kill()
        rest, errors = writer.communicate()
        assert writer.returncode == -signal.SIGKILL, errors.decode()
    return acknowledged(said + rest.splitlines())


async def test_a_killed_writer_loses_nothing_that_it_acknowledged(postgres_url: str, hand: Connection) -> None:
    """SIGKILL in the middle of commits, again and again: what was said to be durable is there, and the log is sound."""
    told: set[tuple[int, int]] = set()
    for turn in range(ROUNDS):
        told |= await to_thread.run_sync(killed_after, postgres_url, turn, 300 + 400 * turn)
        await hand.execute(SILENT)
        # Whoever comes next waits for the dead one's last batch, and reads all links from the last mark on.
        await (await open_log(postgres_url, identity=1_000 + turn)).close()
        report = await to_thread.run_sync(verify, postgres_url)
        assert report.faults == ()
        there = {(row[0], row[1]) for row in await hand.fetch("SELECT stream, version FROM event")}
        assert told <= there
    assert len(told) > ROUNDS * 300


async def test_a_process_that_stood_still_writes_nothing_once_it_was_replaced(
    postgres_url: str, hand: Connection
) -> None:
    """Stopped among its commits and woken after another took over: not one event more is its own, and it ends."""
    with writing(postgres_url, 0) as zombie:
        assert zombie.stdout is not None
        told = acknowledged(await to_thread.run_sync(list, islice(zombie.stdout, 300)))
        zombie.send_signal(signal.SIGSTOP)
        await hand.execute(SILENT)
        heir = await open_log(postgres_url, identity=2)
        its_own = "SELECT count(*) FROM event WHERE epoch = 1"
        before = await hand.fetchval(its_own)
        scribe = Scribe()
        scribe.mint, scribe.now_us = Mint(floor=heir.newest()[0]), heir.newest()[1]
        assert await heir.accept(scribe.acceptance("heir")) == Stored()
        zombie.send_signal(signal.SIGCONT)
        _, errors = await to_thread.run_sync(zombie.communicate)
        assert zombie.returncode == 1
        assert b"no longer this daemon's to write" in errors
    assert await heir.accept(scribe.acceptance("heir")) == Stored()
    await heir.close()
    assert await hand.fetchval(its_own) == before
    report = await to_thread.run_sync(verify, postgres_url)
    assert (report.faults, report.events) == ((), before + 2)
    there = {(row[0], row[1]) for row in await hand.fetch("SELECT stream, version FROM event")}
    assert told <= there
