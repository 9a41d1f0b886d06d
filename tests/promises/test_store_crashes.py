"""What becomes of a log when its process is killed, or its disk has no room: nothing acknowledged is ever lost."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from eventstore.sqlite.checking import verify
from tests.promises.programs.store_starved import Told

pytestmark = pytest.mark.slow

ROUNDS = 4
PROGRAMS = "tests.promises.programs"


def killed_after(path: Path, turn: int, lines: int) -> set[tuple[int, int]]:
    """What a writer acknowledged until it was killed, some lines after it began."""
    command = [sys.executable, "-m", f"{PROGRAMS}.store_writer", str(path), str(turn)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(lines)]
        writer.send_signal(signal.SIGKILL)
        rest, errors = writer.communicate()
        assert writer.returncode == -signal.SIGKILL, errors.decode()
    acknowledged = (b"".join(said) + rest).decode().splitlines()
    return {(int(stream), int(version)) for stream, version in map(str.split, acknowledged)}


def versions(path: Path) -> set[tuple[int, int]]:
    """Every version of every stream that is in the log."""
    with closing(sqlite3.connect(path)) as connection:
        return set(connection.execute("SELECT stream, version FROM event").fetchall())


def named(path: Path) -> set[int]:
    """Every stream that a name leads to."""
    with closing(sqlite3.connect(path)) as connection:
        return {stream for (stream,) in connection.execute("SELECT stream FROM alias").fetchall()}


@pytest.mark.slow
def test_a_killed_writer_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    """SIGKILL in the middle of commits, again and again: what was said to be durable is there, and the log is sound."""
    path = tmp_path / "tidings.db"
    acknowledged: set[tuple[int, int]] = set()
    for turn in range(ROUNDS):
        # Checkpoints come every few thousand pages: some rounds end before the first, some after.
        acknowledged |= killed_after(path, turn, lines=40 + 900 * turn)
        report = verify(path)
        assert report.faults == ()
        assert acknowledged <= versions(path)
        assert {stream for stream, version in acknowledged if version > 1} <= named(path)
    assert len(acknowledged) > ROUNDS * 1_000


def starved(path: Path, how: str, *, within: tuple[str, ...] = ()) -> Told:
    """The story of a log that runs out of room."""
    command = [*within, sys.executable, "-m", f"{PROGRAMS}.store_starved", str(path), how]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return msgspec.json.decode(done.stdout, type=Told)


def assert_story(told: Told, reason: str) -> None:
    """What every such story has in common."""
    assert told.refused
    assert all(reason in words for words in told.refused)
    assert told.unknown == 0
    assert told.health.startswith("failing the log cannot be written now")
    assert reason in told.refused_at_once
    assert told.reads_while_full
    assert told.stored_after == 30
    assert told.events == 1 + told.stored_before + told.stored_after
    assert told.faults == []


def test_a_log_whose_file_cannot_grow_refuses_and_recovers(tmp_path: Path) -> None:
    """With no room nothing is half written, calls are refused at once, reads go on, and writes come back."""
    assert_story(starved(tmp_path / "tidings.db", "limit"), "disk I/O error")


def room_of_its_own(tmp_path: Path) -> tuple[str, ...]:
    """The words before a command that give it a small file system of its own, where this machine allows that."""
    unshare = shutil.which("unshare")
    words = (unshare or "unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
    mount = f'mount -t tmpfs -o size=4m none "{tmp_path}" && exec "$@"'
    if unshare is None or subprocess.run([*words, mount, "sh", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine gives no file system of its own to a plain user")
    return (*words, mount, "sh")


def test_a_full_disk_refuses_and_recovers(tmp_path: Path) -> None:
    """A file system without a free page, and room again when a file beside the log is removed: likewise."""
    assert_story(starved(tmp_path / "tidings.db", "ballast", within=room_of_its_own(tmp_path)), "full")


READ_ONLY = """
import asyncio, os, sys
from pathlib import Path
from core.errors import StoreRefused
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.checking import verify
from tests.contracts.scribe import Scribe

async def write(path):
    log = await SqliteLog.open(path)
    await log.accept(Scribe().acceptance())
    await log.close()

path = Path(sys.argv[1])
asyncio.run(write(path))
assert os.system(f'mount -o remount,ro "{path.parent}"') == 0
try:
    asyncio.run(write(path))
except StoreRefused as refused:
    print(refused)
print(verify(path).events, verify(path).faults)
"""


def test_a_medium_that_cannot_be_written_is_refused_and_can_be_read(tmp_path: Path) -> None:
    """A daemon does not start on a read-only file system, and says so; an auditor verifies the log there."""
    command = [*room_of_its_own(tmp_path), sys.executable, "-c", READ_ONLY, str(tmp_path / "tidings.db")]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60, env={**os.environ, "PYTHONPATH": "."})
    assert done.returncode == 0, done.stderr.decode()
    refused, verified = done.stdout.decode().splitlines()
    assert "Read-only file system" in refused
    assert str(tmp_path / "tidings.db") in refused
    assert verified == "1 ()"
