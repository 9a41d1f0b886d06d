"""Scenarios on the real PostgreSQL log: a database of their own beside the one that is named.

This file answers for the log on a loop of real time being asked by a daemon on virtual time, without either noticing.
It must never let the database's clock, or the real loop's, decide what a scenario comes to.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar, cast

from msgspec.structs import replace

from core.ports import Health, Inbox, Log
from core.records import Acceptance, Append, Repeated, Snapshot, Stored
from eventstore.writing import WritingLog
from scenarios.database.shared import OnServer
from scenarios.loop.beside import NodesBeside
from scenarios.loop.real import RealLoop
from scenarios.run import followed
from scenarios.run.own_database import OwnDatabase, own_database
from scenarios.world.ground import Parts

Told = TypeVar("Told")


@contextmanager
def parts_beside(url: str) -> Iterator[Parts]:
    """What a daemon is built from whose log is in a database beside that of this URL, for as long as that is there.

    Raises StoreRefused where none can be made.
    """
    with own_database(url) as database:
        yield parts_on(database)


def parts_on(database: OwnDatabase) -> Parts:
    """What a daemon is built from whose log is in this database. Each run finds it empty."""
    alone = followed.parts_with(partial(_Emptied, database))
    return replace(alone, cluster_of=partial(OnServer, database), nodes=NodesBeside)


class _Emptied:
    """The database of a run."""

    def __init__(self, database: OwnDatabase) -> None:
        self._database = database
        self._real = database.real
        self._real.at_once(database.empty)

    async def opened(self) -> Log:
        """The log in it."""
        log = self._real.at_once(self._database.open)
        # Whether writes work; a sign of life that nobody heard in time is the real clock's.
        return cast("Log", DistantLog(self._real, cast("Log", log), health=partial(WritingLog.health, log)))

    async def let_go(self, log: Log) -> None:
        """Ends its connections and its presence, whatever they were at."""
        del log  # There is one.
        self._real.at_once(self._database.cut_off)


class DistantLog:
    """The Log port over a log on the real loop."""

    # Nobody else is there to leave anything, and to look would take real time.
    inbox: Inbox | None = None

    def __init__(self, real: RealLoop, log: Log, *, health: Callable[[], tuple[Health, str]] | None = None) -> None:
        self._real = real
        self._log = log
        self._health = health or log.health

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        question = getattr(self._log, name)
        return lambda *values, **options: self._real.ask(partial(question, *values, **options), "question")

    @property
    def is_exclusive(self) -> bool:
        """True: a life that was cut off is over. The database would wait for it for a while, by its own clock."""
        return True

    def may_send(self) -> bool:
        """True: there is nobody else. The log would doubt that after a pause of this process, by the real loop's."""
        return True

    def append(self, append: Append) -> Awaitable[None]:
        """See the port."""
        return self._real.ask(lambda: self._log.append(append), "write")

    def accept(self, acceptance: Acceptance) -> Awaitable[Stored | Repeated]:
        """See the port."""
        return self._real.ask(lambda: self._log.accept(acceptance), "write")

    def save_snapshot(self, snapshot: Snapshot) -> Awaitable[None]:
        """See the port."""
        return self._real.ask(lambda: self._log.save_snapshot(snapshot), "write")

    def newest(self) -> tuple[int, int]:
        """See the port."""
        return self._told(self._log.newest)

    def health(self) -> tuple[Health, str]:
        """See the port."""
        return self._told(self._health)

    def _told(self, question: Callable[[], Told]) -> Told:
        async def asked() -> Told:
            return question()

        return self._real.at_once(asked)
