"""Scenarios on a real store: the daemon's log lies there, and the world's view of it follows commit by commit.

This file answers for what the daemon reads coming from the store, and for the view holding what the store holds, after
a crash too. It must never show the daemon anything of the view.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, Protocol, cast

from core.ports import Health, Log
from core.records import Acceptance, Append, Repeated, Snapshot, Stored
from eventstore.batches import Future
from eventstore.disk import Disk
from eventstore.durable import Durable
from eventstore.memory import MemoryLog
from eventstore.waking import Waking
from eventstore.writer import Writer
from scenarios.loop.hybrid import HybridLoop
from scenarios.run.storing import Call, Storing, passed
from scenarios.world.ground import Parts

# What a log tells without being asked over the way to its disk.
_TOLD: Final = frozenset({"inbox", "is_exclusive", "may_send"})


class Store(Protocol):
    """What a run's log is kept in, over all lives of its daemon. It is empty at first."""

    def opened(self) -> Awaitable[Log]:
        """The log of a life that begins."""
        ...

    def let_go(self, log: Log) -> Awaitable[None]:
        """Ends what is left of a life that was cut off, so that the next one may begin."""
        ...


def parts_with(store_of: Callable[[], Store], may_touch: tuple[str, ...] = ()) -> Parts:
    """What a daemon is built from whose log is in a store, one for each run. `may_touch` is as Parts say."""
    shelves: list[_Shelf] = []

    def log_of(durable: Durable, disk: Disk) -> Log:
        # One durable truth, one run.
        if not shelves or shelves[-1].durable is not durable:
            shelves[:] = [_Shelf(durable, store_of())]
        return cast("Log", FollowedLog(shelves[-1], MemoryLog(durable), disk))

    return Parts(log_of=log_of, opening=_opened, loop=HybridLoop, may_touch=may_touch)


class _Shelf:
    """The store over all lives of a run: what a life that was cut off had asked for and never heard of is kept here."""

    def __init__(self, durable: Durable, store: Store) -> None:
        self.durable = durable
        self.store = store
        self.unheard: dict[int, Call] = {}
        self.abandoned: Log | None = None


class FollowedLog:
    """The Log port over a store. Whatever lands there lands in the memory log before anybody hears of it."""

    def __init__(self, shelf: _Shelf, view: MemoryLog, disk: Disk) -> None:
        self._shelf = shelf
        self._view = view
        self._disk = disk
        self._log: Log
        commits = Storing(disk, self._put, lambda: view.durable.numbering)
        self._writer = Writer(commits, Waking())

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # Every question of the port, asked of the store.
        question = getattr(self._log, name)
        return question if name in _TOLD else partial(self._read, question)

    async def _read(self, question: Callable[..., Awaitable[Any]], *values: Any, **options: Any) -> Any:  # noqa: ANN401  # Whatever is asked.
        await passed(self._disk.at("before_read", 0))
        return await question(*values, **options)

    def append(self, append: Append) -> Awaitable[None]:
        """See the port."""
        return self._writer.put(append)  # type: ignore[return-value]  # An append is answered with None.

    def accept(self, acceptance: Acceptance) -> Awaitable[Stored | Repeated]:
        """See the port."""
        return self._writer.put(acceptance)  # type: ignore[return-value]  # An acceptance is never answered with None.

    def save_snapshot(self, snapshot: Snapshot) -> Awaitable[None]:
        """See the port."""
        return self._writer.put(snapshot)  # type: ignore[return-value]  # A snapshot is answered with None.

    def settled(self) -> Awaitable[None]:
        """See the port."""
        return self._writer.settled()

    def changed(self) -> Awaitable[None]:
        """See the port. By the view, which is never behind what anybody was told."""
        return self._view.changed()

    def newest(self) -> tuple[int, int]:
        """See the port."""
        return self._view.newest()

    def health(self) -> tuple[Health, str]:
        """See the port."""
        state, reason = self._writer.health()
        return (state, reason) if state != "ok" else self._log.health()

    async def open(self) -> None:
        """Opens the store. After a crash the view is brought to what is in it."""
        shelf = self._shelf
        if shelf.abandoned is not None:
            await shelf.store.let_go(shelf.abandoned)
        self._log = shelf.abandoned = await shelf.store.opened()
        for call in shelf.unheard.values():
            if await self._has(call):
                _ = _into(self._view, call)
        shelf.unheard.clear()
        assert self._log.newest() == self._view.newest(), "the view holds what the store holds"

    async def close(self) -> None:
        """Commits what is queued, and closes the store."""
        await self._writer.close()
        await self._log.close()
        self._shelf.abandoned = None

    def _put(self, call: Call) -> Future:
        answer = cast("Future", _asked(self._log, call))
        self._shelf.unheard[id(call)] = call
        answer.add_done_callback(partial(self._landed, call))
        # Whoever is cancelled must not take along what is under way.
        return cast("Future", asyncio.shield(answer))

    def _landed(self, call: Call, answer: Future) -> None:
        """The first to hear of an answer. After a crash nobody is."""
        del self._shelf.unheard[id(call)]
        if answer.exception() is None:
            said = _into(self._view, call)
            assert said == answer.result(), f"the store says {answer.result()}, and memory {said}"

    async def _has(self, call: Call) -> bool:
        if isinstance(call, Snapshot):
            return await self._log.snapshot_of(call.stream) == call
        first = (call.append if isinstance(call, Acceptance) else call).drafts[0]
        return any(one.version == first.version for one in await self._log.events_of(first.stream))


@asynccontextmanager
async def _opened(log: Log) -> AsyncIterator[None]:
    followed = cast("FollowedLog", log)
    await followed.open()
    try:
        yield
    finally:
        await followed.close()


def _asked(log: Log, call: Call) -> Awaitable[object]:
    match call:
        case Append():
            return log.append(call)
        case Acceptance():
            return log.accept(call)
        case Snapshot():
            return log.save_snapshot(call)


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
