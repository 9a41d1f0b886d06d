"""Scenarios on the real SQLite log: the daemon's log is a file.

This file answers for each run having a file of its own, and for the next life finding it as the one before left it. It
must never end a thread before that has done what it was at.
"""

from itertools import count
from pathlib import Path
from typing import Final, cast

from core.ports import Log
from eventstore.sqlite.log import SqliteLog
from scenarios.file.scenario import Scenario
from scenarios.run import followed
from scenarios.world.ground import Parts

# Who starts threads and opens files for the log.
_MAY_TOUCH: Final = ("aiosqlite.core", "eventstore.sqlite.locking", "pathlib")


def unfit(scenario: Scenario) -> str | None:
    """Why a scenario cannot be run on a file, None where it can."""
    if scenario.daemons > 1:
        return "several daemons share no file"
    return None


def parts_on(directory: Path) -> Parts:
    """What a daemon is built from whose log is a file. Each run gets one: `1.db`, `2.db` and so on."""
    numbers = count(1)
    return followed.parts_with(lambda: _File(directory / f"{next(numbers)}.db"), _MAY_TOUCH)


class _File:
    """The file of a run."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def opened(self) -> Log:
        """The log in it."""
        return await SqliteLog.open(self._path)

    async def let_go(self, log: Log) -> None:
        """Ends its threads, once they have done what they were at; its lock goes too."""
        left = cast("SqliteLog", log)
        for connection in (left._connection, left._hot._connection, left._wide._connection):  # noqa: SLF001  # Nobody else can.
            ended = connection.stop()
            if ended is not None:
                await ended
        left._lock.release()  # noqa: SLF001  # Likewise.
