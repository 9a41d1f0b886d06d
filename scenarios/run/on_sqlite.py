"""Scenarios on the real SQLite log: the daemon's log is a file, and the world's view of it follows commit by commit.

This file answers for what the daemon reads coming from the file, and for the view holding what the file holds, after a
crash too. What it leaves out are faults of a disk, which a real one cannot be asked for.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

from core.ports import Health, Log
from core.records import Acceptance, Append, Repeated, Snapshot, Stored
from eventstore.batches import Future
from eventstore.disk import Disk
from eventstore.durable import Durable
from eventstore.memory import MemoryLog
from eventstore.sqlite.log import SqliteLog
from scenarios.file.scenario import Scenario
from scenarios.loop.hybrid import HybridLoop
from scenarios.world.ground import Parts

Call = Append | Acceptance | Snapshot

# Who starts threads and opens files for the log.
_MAY_TOUCH: Final = ("aiosqlite.core", "eventstore.sqlite.locking", "pathlib")


def unfit(scenario: Scenario) -> str | None:
    """Why a scenario cannot be run on a file, None where it can."""
    if scenario.daemons > 1:
        return "several daemons share no file"
    if scenario.disk_latency is not None or any(fault.disk or fault.store for fault in scenario.faults):
        return "a real disk cannot be told to fail, or to be slow"
    return None


def parts_on(directory: Path) -> Parts:
    """What a daemon is built from whose log is a file. Each run gets one: `1.db`, `2.db` and so on."""
    shelves: list[_Shelf] = []

    def log_of(durable: Durable, disk: Disk) -> Log:
        # One durable truth, one run.
        if not shelves or shelves[-1].durable is not durable:
            shelves.append(_Shelf(durable, directory / f"{len(shelves) + 1}.db"))
        return cast("Log", FollowedLog(shelves[-1], MemoryLog(durable), disk))

    return Parts(log_of=log_of, opening=_opened, loop=HybridLoop, may_touch=_MAY_TOUCH)


class _Shelf:
    """The file over all lives of a run: what a life that was cut off had asked for and never heard of is kept here."""

    def __init__(self, durable: Durable, file: Path) -> None:
        self.durable = durable
        self.file = file
        self.unheard: dict[int, Call] = {}
        self.abandoned: SqliteLog | None = None


class FollowedLog:
    """The Log port over a file. Whatever lands there lands in the memory log before anybody hears of it."""

    def __init__(self, shelf: _Shelf, view: MemoryLog, disk: Disk) -> None:
        self._shelf = shelf
        self._view = view
        self._disk = disk
        self._file: SqliteLog

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # Every question of the port, asked of the file.
        return getattr(self._file, name)

    def append(self, append: Append) -> Awaitable[None]:
        """See the port."""
        return cast("Awaitable[None]", self._put(append, partial(SqliteLog.append, append=append)))

    def accept(self, acceptance: Acceptance) -> Awaitable[Stored | Repeated]:
        """See the port."""
        asked = partial(SqliteLog.accept, acceptance=acceptance)
        return cast("Awaitable[Stored | Repeated]", self._put(acceptance, asked))

    def save_snapshot(self, snapshot: Snapshot) -> Awaitable[None]:
        """See the port."""
        return cast("Awaitable[None]", self._put(snapshot, partial(SqliteLog.save_snapshot, snapshot=snapshot)))

    def changed(self) -> Awaitable[None]:
        """See the port. By the view, which is never behind what anybody was told."""
        return self._view.changed()

    def newest(self) -> tuple[int, int]:
        """See the port."""
        return self._view.newest()

    def health(self) -> tuple[Health, str]:
        """See the port."""
        return self._file.health()

    async def open(self) -> None:
        """Opens the file. After a crash the view is brought to what is in it."""
        shelf = self._shelf
        if shelf.abandoned is not None:
            await _let_go(shelf.abandoned)
        self._file = shelf.abandoned = await SqliteLog.open(shelf.file)
        for call in shelf.unheard.values():
            if await self._has(call):
                _ = _into(self._view, call)
        shelf.unheard.clear()
        assert self._file.newest() == self._view.newest(), "the view holds what the file holds"

    async def close(self) -> None:
        """Closes the file."""
        await self._file.close()
        self._shelf.abandoned = None

    def _put(self, call: Call, ask: Callable[[SqliteLog], Awaitable[object]]) -> Awaitable[object]:
        stop = self._disk.at("before_write", _rows(call))
        if stop is not None:
            return stop
        answer = cast("Future", ask(self._file))
        self._shelf.unheard[id(call)] = call
        answer.add_done_callback(partial(self._landed, call))
        # Whoever is cancelled must not take along what is under way.
        return asyncio.shield(answer)

    def _landed(self, call: Call, answer: Future) -> None:
        """The first to hear of an answer. After a crash nobody is."""
        del self._shelf.unheard[id(call)]
        if answer.exception() is None:
            said = _into(self._view, call)
            assert said == answer.result(), f"the file says {answer.result()}, and memory {said}"
        self._disk.at("before_answer", _rows(call))

    async def _has(self, call: Call) -> bool:
        if isinstance(call, Snapshot):
            return await self._file.snapshot_of(call.stream) == call
        first = (call.append if isinstance(call, Acceptance) else call).drafts[0]
        return any(one.version == first.version for one in await self._file.events_of(first.stream))


@asynccontextmanager
async def _opened(log: Log) -> AsyncIterator[None]:
    followed = cast("FollowedLog", log)
    await followed.open()
    try:
        yield
    finally:
        await followed.close()


def _into(view: MemoryLog, call: Call) -> Stored | Repeated | None:
    """What the memory log answers: at once, since nothing is wrong with its disk."""
    answer: Awaitable[object]
    if isinstance(call, Append):
        answer = view.append(call)
    else:
        answer = view.accept(call) if isinstance(call, Acceptance) else view.save_snapshot(call)
    assert isinstance(answer, asyncio.Future), "a memory log answers with a future"
    assert answer.done(), "a memory log on a sound disk is through at once"
    return cast("Stored | Repeated | None", answer.result())


def _rows(call: Call) -> int:
    match call:
        case Append():
            return len(call.drafts)
        case Acceptance():
            return len(call.append.drafts)
        case Snapshot():
            return 0


async def _let_go(log: SqliteLog) -> None:
    """Ends the threads of a log whose life was cut off, once they have done what they were at; its lock goes too."""
    for connection in (log._connection, log._hot._connection, log._wide._connection):  # noqa: SLF001  # Nobody else can.
        ended = connection.stop()
        if ended is not None:
            await ended
    log._lock.release()  # noqa: SLF001  # Likewise.
