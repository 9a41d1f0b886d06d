"""Several machines on one virtual loop: each may be killed or held, without a word to the code that runs on it.

Tasks inherit the node in which they were made, and so does everything that they ask the loop for: a callback belongs to
the node of its context. This file answers for nothing of a node that is gone ever running again, and for nothing of
one that is held running before it is let go. It must never touch what belongs to no node.
"""
# ruff: noqa: SLF001 - a loop reads the private state of its own handles, as asyncio's loops do

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final, TypeVar

from scenarios.loop.handles import step_of
from scenarios.loop.virtual import VirtualLoop

T = TypeVar("T")

# What belongs to no machine of ours: clients, providers, the database, and time itself.
NOWHERE: Final = 0
NODE: Final[ContextVar[int]] = ContextVar("NODE", default=NOWHERE)


def outside(call: Callable[[], T]) -> T:
    """What a call comes to that belongs to no node, nor does anything that it starts."""
    context = copy_context()
    context.run(NODE.set, NOWHERE)
    return context.run(call)


class NodeLoop(VirtualLoop):
    """A virtual loop on which nodes live. Where there is only one, a plain one costs less.

    A run that killed a node has to end by a power cut: what is left of it can neither go on nor be cleaned up.
    """

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  # Those of a virtual loop.
        super().__init__(**options)
        self._any, self._take = self._take, self._take_living
        self._held: dict[int, list[asyncio.Handle]] = {}
        self._gone: set[int] = set()
        self._ends: dict[int, asyncio.Future[None]] = {}
        # A task that nobody waits for any more would be dropped in the middle of the run, and clean up as it goes.
        self._remains: list[list[asyncio.Task[Any]]] = []
        self._nothing = step_of(_nothing, (), Context())

    def start_in(self, node: int, work: Callable[[], Coroutine[Any, Any, T]], *, name: str) -> asyncio.Task[T]:
        """A task of a node, and of nothing else that is known where it is asked for."""
        context = copy_context()
        context.run(NODE.set, node)
        return context.run(lambda: self.create_task(work(), name=name, context=context))

    def create_task(
        self,
        coro: Coroutine[Any, Any, T] | Generator[Any, None, T],
        *,
        name: object = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """A numbered task; one of a node that is gone never begins."""
        task = super().create_task(coro, name=name, context=context)
        if NODE.get() in self._gone:
            self._remains.append([task])
        return task

    def kill(self, node: int) -> None:
        """Nothing of a node runs from here on, not even what would clean up after it."""
        self._remains.append(self.pending_tasks())
        self._gone.add(node)
        self._held.pop(node, None)
        if not (end := self.gone(node)).done():
            end.set_result(None)

    def gone(self, node: int) -> "asyncio.Future[None]":
        """Done once a node was killed."""
        if node not in self._ends:
            self._ends[node] = self.create_future()
        return self._ends[node]

    async def over(self, node: int, task: asyncio.Task[T], timeout_s: float | None = None) -> bool:
        """Whether a task of a node came to its end before the node did, and in time."""
        ends: set[asyncio.Future[Any]] = {task, self.gone(node)}
        await asyncio.wait(ends, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        return task.done() and not task.cancelled()

    def hold(self, node: int) -> None:
        """A node stands still from here on: whatever comes for it waits."""
        if node not in self._gone:
            self._held.setdefault(node, [])

    def let_go(self, node: int) -> None:
        """A node goes on: all that came meanwhile runs, in the order in which it came, and as late as it is."""
        self._ready.extend(self._held.pop(node, ()))

    def is_held(self, node: int) -> bool:
        """Whether a node stands still."""
        return node in self._held

    def _take_living(self) -> asyncio.Handle:
        handle = self._any()
        if not self._gone and not self._held:
            return handle
        # A callback that runs keeps the context that it was made with, also once it was cancelled.
        node = handle._context.get(NODE, NOWHERE)  # type: ignore[attr-defined]
        if node in self._gone:
            return self._nothing
        held = self._held.get(node)
        if held is None:
            return handle
        held.append(handle)
        return self._nothing


def _nothing() -> None:
    """What runs in place of what must not."""
