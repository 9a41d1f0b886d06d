"""Answers for opening each kind of store in the same way, so that one text of promises runs against all of them.

It must never know what is promised.
"""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Final, Protocol

from core.ports import Log
from eventstore.durable import Durable
from eventstore.memory import MemoryLog
from eventstore.postgres.opening import open_log
from eventstore.sqlite.log import SqliteLog


class Store(Protocol):
    """Where a log lives between two openings."""

    async def open(self) -> Log:
        """The log that is there now."""
        ...


class MemoryStore:
    """A log that outlives its process in a Durable."""

    def __init__(self, _: Path) -> None:
        self.durable = Durable()

    async def open(self) -> Log:
        return MemoryLog(self.durable)


class SqliteStore:
    """A log in one file."""

    def __init__(self, room: Path) -> None:
        self.path = room / "tidings.db"

    async def open(self) -> Log:
        return await SqliteLog.open(self.path)


class PostgresStore:
    """A log in one database, opened by one process after another."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._identities = count(1)

    async def open(self) -> Log:
        return await open_log(self.url, identity=next(self._identities))


STORES: Final[dict[str, Callable[[Path], Store]]] = {"memory": MemoryStore, "sqlite": SqliteStore}
