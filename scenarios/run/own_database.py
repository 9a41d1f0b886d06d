"""A database of a scenario's own: made beside the one that a URL names, emptied before each run, dropped at the end.

This file answers for a database being touched only where this process has made it. It must never write to the one that
it was given, which may hold somebody's log.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Final, Protocol, TypeVar

from core.errors import StoreRefused
from eventstore.postgres.connection import FAILED, SCHEMA, TROUBLE, Connection, connect, place_of, refused
from eventstore.postgres.log import PostgresLog
from eventstore.postgres.opening import open_log
from eventstore.postgres.schema import prepare
from eventstore.postgres.urls import with_database
from scenarios.loop.real import RealLoop

Told = TypeVar("Told")

_NAME: Final = "tidings_simulated_"
# Nobody simulates so many at a time; whoever comes to the end finds those of processes that were killed.
_NAMES_MAX: Final = 100
# There already, or made at this very moment.
_TAKEN: Final = frozenset({"42P04", "23505"})
_TABLES: Final = """
SELECT relname FROM pg_class
  WHERE relnamespace = to_regnamespace($1) AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY relname"""
# Those that a run has made; `event_before` and `event_default` are there from the beginning.
_MONTHS: Final = r"""
SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid
  WHERE inhparent = 'event'::regclass AND relname ~ '^event_\d' ORDER BY relname"""
_UNOWNED: Final = "UPDATE shard SET owner = NULL, epoch = 0"
# Far longer than any silence after which a daemon is replaced.
_SILENCED: Final = "UPDATE beat SET at = at - interval '1 hour'"
_TROUBLE: Final[tuple[type[Exception], ...]] = (*TROUBLE, ValueError)


@contextmanager
def own_database(url: str) -> Iterator["OwnDatabase"]:
    """A database beside that of this URL, for a while. Raises StoreRefused where none can be made."""
    with RealLoop() as real:
        name = _refusing(real, url, partial(_made, url))
        try:
            ours = with_database(url, name)
            database = _refusing(real, ours, partial(begun_in, real, ours, name))
            try:
                yield database
            finally:
                real.at_once(database.close)
        finally:
            _refusing(real, url, partial(_dropped, url, name))


class Guest(Protocol):
    """Whoever uses the database by ways of its own; both are to be asked on the real loop."""

    async def begin(self) -> None:
        """It is all theirs."""
        ...

    async def close(self) -> None:
        """It is theirs no longer: every connection is let go."""
        ...


class OwnDatabase:
    """A database that this process has made; everything but `real` and `url` is to be asked on the real loop."""

    def __init__(self, real: RealLoop, url: str, connection: Connection, tables: list[str]) -> None:
        self.real = real
        self.url = url
        self._connection = connection
        self._tables = tables
        self._identities = count(1)
        self._log: PostgresLog | None = None
        self._guest: Guest | None = None

    async def empty(self) -> None:
        """Leaves a log without events that nobody has open."""
        await self.cut_off()
        for table in self._tables:
            await self._connection.execute(f"DELETE FROM {table}")  # noqa: S608  # A name of ours.
        await self._connection.execute(_UNOWNED)

    async def used_by(self, guest: Guest) -> None:
        """Leaves a log without events to somebody else, whose it is until it is emptied again.

        It is as it was at first: a run in which nobody has to make a month has other turns.
        """
        await self.empty()
        for row in await self._connection.fetch(_MONTHS):
            await self._connection.execute(f"DROP TABLE {row[0]}")
        self._guest = guest
        await guest.begin()

    async def open(self) -> PostgresLog:
        """The log, taken by a process that is new to it."""
        self._log = await open_log(self.url, identity=next(self._identities))
        return self._log

    async def cut_off(self) -> None:
        """Whoever has the log open is gone without a word, and was silent for long enough to be replaced.

        By its own clock the database would let nobody in for a while of real time.
        """
        await self._end()
        await self._connection.execute(_SILENCED)

    async def close(self) -> None:
        """Lets go of it."""
        await self._end()
        self._connection.terminate()

    async def _end(self) -> None:
        if self._guest is not None:
            guest, self._guest = self._guest, None
            await guest.close()
        if self._log is not None:
            await _end(self._log)
            self._log = None


def _refusing(real: RealLoop, url: str, work: Callable[[], Awaitable[Told]]) -> Told:
    """What `work` gives; the driver's errors become StoreRefused, with the database's name and no password."""
    try:
        return real.at_once(work)
    except _TROUBLE as error:
        raise refused(url, error) from error


async def _made(url: str) -> str:
    connection = await connect(url, is_patient=True)
    try:
        return await _named(connection)
    finally:
        connection.terminate()


async def _named(connection: Connection) -> str:
    for number in count(1):
        name = f"{_NAME}{number}"
        try:
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        except FAILED as error:
            if number == _NAMES_MAX or getattr(error, "sqlstate", None) not in _TAKEN:
                raise
        else:
            return name
    raise AssertionError("the last name is made or refused")


async def begun_in(real: RealLoop, url: str, name: str) -> OwnDatabase:
    """The database of this name, with our tables. Raises StoreRefused where the URL leads to another one."""
    connection = await connect(url, is_patient=True)
    found = await connection.fetchval("SELECT current_database()")
    if found != name:
        # A pooler may lead any name to a database of its own choice, which may hold somebody's log.
        connection.terminate()
        raise StoreRefused(f"{place_of(url)} leads to the database {found}: give a URL that leads to the server itself")
    await prepare(connection, url)
    # What a log has from its beginning stays: which version its tables are of, and a row for each shard.
    names = [row[0] for row in await connection.fetch(_TABLES, SCHEMA)]
    tables = [name for name in names if not await connection.fetchval(f"SELECT EXISTS (SELECT FROM {name})")]  # noqa: S608  # Likewise.
    return OwnDatabase(real, url, connection, tables)


async def _dropped(url: str, name: str) -> None:
    connection = await connect(url, is_patient=True)
    try:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        connection.terminate()


async def _end(log: PostgresLog) -> None:
    """As a power cut ends it: no word to the server, and nothing that goes on."""
    presence = log._presence  # noqa: SLF001  # Nobody else can.
    presence._task.cancel()  # noqa: SLF001  # Likewise.
    await asyncio.wait([presence._task])  # noqa: SLF001  # Likewise.
    presence._connection.terminate()  # noqa: SLF001  # Likewise.
    log._line.drop()  # noqa: SLF001  # Likewise.
    log._pool.terminate()  # noqa: SLF001  # Likewise.
