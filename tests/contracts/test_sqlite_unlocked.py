"""Answers for SQLite doing without locks wherever it can be asked to, and for nothing else depending on that."""

import ctypes
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

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
