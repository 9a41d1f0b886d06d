"""What a log's file needs of its directory: names that are durable, and nothing left behind.

This file answers for a file and all that SQLite keeps beside it going together. It must never open a database.
"""

import os
from pathlib import Path
from typing import Final

_BESIDE: Final = ("", "-wal", "-shm", "-journal")


def make_durable(place: Path) -> None:
    """What a file or a directory holds now outlives a loss of power."""
    descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def seals_path(path: Path) -> Path:
    """Where the checkpoints of a log lie, unless somebody says otherwise."""
    return path.with_name(f"{path.name}.seals")


def beside(path: Path, ending: str) -> Path:
    """A file that SQLite keeps beside a database."""
    return path.with_name(f"{path.name}{ending}")


def remove(path: Path) -> None:
    """Removes a database and what SQLite keeps beside it, where they are there."""
    for ending in _BESIDE:
        beside(path, ending).unlink(missing_ok=True)
