"""Answers for SQLite doing without locks wherever it can be asked to, and for nothing else depending on that."""

import ctypes
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

from core.errors import CorruptLog
from eventstore.sqlite.connecting import writing
from eventstore.sqlite.connection import Connection
from eventstore.sqlite.reader import Reader

LOG = """
import threading
from pathlib import Path
from eventstore.sqlite import IS_UNLOCKED
from eventstore.sqlite.connecting import writing

def write(name):
    with writing(Path(name)) as connection:
        connection.execute("CREATE TABLE note (number INTEGER)")
        for number in range(500):
            connection.execute("INSERT INTO note VALUES (?)", (number,))
        sums[name] = connection.execute("SELECT sum(number) FROM note").fetchone()[0]

sums = {}
threads = [threading.Thread(target=write, args=(name,)) for name in ("a.db", "b.db")]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(IS_UNLOCKED, *sums.values())
"""


def can_be_asked() -> bool:
    """Whether SQLite is a library beside Python's module, or shows its names in it."""
    module = find_spec("_sqlite3")
    return module is not None and module.has_location and hasattr(ctypes.CDLL(module.origin), "sqlite3_config")


def told(program: str, tmp_path: Path) -> str:
    """What a program of its own prints, run in a directory."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


@pytest.mark.slow
def test_sqlite_does_without_locks(tmp_path: Path) -> None:
    """A process of ours has them off, and threads with connections of their own work side by side."""
    assert told(LOG, tmp_path) == f"{can_be_asked()} 124750 124750"


@pytest.mark.slow
def test_sqlite_that_began_is_left_alone(tmp_path: Path) -> None:
    """Where somebody used SQLite before us its locks stay, and a log is written all the same."""
    assert told(f"import sqlite3\n{LOG}", tmp_path) == "False 124750 124750"


@pytest.mark.anyio
async def test_an_error_brings_no_cursor_along(tmp_path: Path) -> None:
    """What an error was in the middle of reading ends on the connection's thread, however the question was asked."""
    connection = await Connection.start(partial(writing, tmp_path / "a.db"))
    reader = Reader(connection)
    with pytest.raises(CorruptLog) as asked:
        await reader.ask(refused)
    with pytest.raises(CorruptLog) as run:
        await connection.run(refused)
    await reader.close()
    assert [*cursors_in(asked.value), *cursors_in(run.value)] == []


def refused(connection: sqlite3.Connection) -> list[int]:
    """A question whose first row of two is one too many."""
    return [judged(number) for (number,) in connection.execute("SELECT 1 UNION ALL SELECT 2")]


def judged(number: int) -> int:
    """Never anything."""
    raise CorruptLog(f"{number} is none of ours")


def cursors_in(error: BaseException) -> Iterator[sqlite3.Cursor]:
    """Those that the frames of an error hold."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        yield from (value for value in frame.f_locals.values() if isinstance(value, sqlite3.Cursor))
