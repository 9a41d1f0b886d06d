"""Tasks, futures, cancel scopes and events that hash to a number, so that their sets have one order in every run.

asyncio and anyio keep tasks, scopes and waiting events in sets, which by default are ordered by memory address: one
program then gives several logs, and PYTHONHASHSEED does not help. With numbers as hashes, the order of a set depends
only on what was put into it. A number is given when something is first hashed, since most futures and events never are.

This file answers for those numbers. They count from 1 in each run: numbered across a process, the second run in it
would order its sets differently from the first. What it cannot cure are sets of other things (strings, coroutines
handed to `asyncio.as_completed`): production code keeps those in lists and dicts.

asyncio and anyio remember all tasks of all loops, weakly and in Python, which was a tenth of a simulation: while a
virtual loop runs, only that loop remembers its own.
"""
# ruff: noqa: SLF001 - anyio has no public way to choose the classes of its scopes and events

import asyncio
from asyncio import tasks as asyncio_tasks
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FunctionType
from typing import Any, Final, Protocol, TypeVar, cast
from weakref import WeakKeyDictionary

import anyio
from anyio import lowlevel
from anyio._backends import _asyncio as anyio_asyncio
from anyio._core import _synchronization as anyio_events
from anyio._core import _tasks as anyio_tasks

T = TypeVar("T")

# Where asyncio keeps all tasks; it was called otherwise before Python 3.12.
_REGISTER: Final[Any] = getattr(asyncio_tasks, "_scheduled_tasks", None) or asyncio_tasks._all_tasks  # type: ignore[attr-defined]


class Numbering(Protocol):
    """A loop that hands out the numbers of a run, and remembers its tasks."""

    # What anyio keeps for each of them.
    task_states: dict[asyncio.Task[Any], Any]
    # Gives 1, 2, 3 and so on.
    next_number: Callable[[], int]

    def pending_tasks(self) -> list[asyncio.Task[Any]]:
        """Tasks that have not ended."""
        ...


class NumberedTask(asyncio.Task[T]):
    """A task that hashes to its number."""

    __slots__ = ("_number",)
    _number: int

    def __hash__(self) -> int:
        try:
            return self._number
        except AttributeError:
            self._number = self.get_loop().next_number()  # type: ignore[attr-defined]
            return self._number

    def __repr__(self) -> str:
        # anyio tells in each cancellation who asked for it. asyncio's own account of a task, with its place in a file
        # and its callbacks, took a tenth of a simulation to write, and nobody reads it there.
        return f"<task {self.get_name()!r}>"


class NumberedFuture(asyncio.Future[T]):
    """A future that hashes to its number: `asyncio.wait` keeps futures in sets as well."""

    _number: int

    def __hash__(self) -> int:
        try:
            return self._number
        except AttributeError:
            self._number = self.get_loop().next_number()  # type: ignore[attr-defined]
            return self._number


class _NumberedScope(anyio_asyncio.CancelScope):
    __slots__ = ("_number",)
    _number: int

    def __hash__(self) -> int:
        try:
            return self._number
        except AttributeError:
            # Its task knows the loop without asking which process this is.
            loop = asyncio.get_running_loop() if self._host_task is None else self._host_task.get_loop()
            self._number = loop.next_number()  # type: ignore[attr-defined]
            return self._number


class _NumberedEvent(anyio_asyncio.Event):
    __slots__ = ("_number",)
    _number: int

    def __hash__(self) -> int:
        try:
            return self._number
        except AttributeError:
            self._number = asyncio.get_running_loop().next_number()  # type: ignore[attr-defined]
            return self._number


class InOrder(WeakKeyDictionary[AsyncGenerator[Any, Any], None]):
    """A weak set that is iterated in the order in which things came: for a loop's open async generators."""

    def add(self, generator: AsyncGenerator[Any, Any]) -> None:
        """Puts it last, unless it is there."""
        self.setdefault(generator, None)

    def discard(self, generator: AsyncGenerator[Any, Any]) -> None:
        """Takes it out, if it is there."""
        self.pop(generator, None)


@contextmanager
def numbered_primitives(loop: Numbering) -> Iterator[None]:
    """While it is entered, anyio makes numbered scopes and events; every other loop gets back the classes it knows."""
    for name in ("CancelScope", "Event"):
        # anyio keeps what it finds when a name of its own is first used: found in here, it would outlast this.
        getattr(anyio, name)
    replaced: list[tuple[Any, str, object]] = [
        (anyio_asyncio, "CancelScope", _NumberedScope),
        (anyio_asyncio, "Event", _NumberedEvent),
        # What anyio makes for each task, first asking which kind of loop there is.
        (anyio_tasks, "CancelScope", _NumberedScope),
        (anyio_events, "Event", _NumberedEvent),
        (anyio_asyncio, "_task_states", loop.task_states),
        (anyio_asyncio, "all_tasks", lambda: set(loop.pending_tasks())),
    ]
    if isinstance(asyncio.current_task, FunctionType):
        # In C from Python 3.12 on. anyio asks for it at each step into a scope and out of it.
        replaced.append((anyio_asyncio, "current_task", partial(asyncio_tasks._current_tasks.get, loop)))  # type: ignore[attr-defined]
    found = [(owner, name, getattr(owner, name)) for owner, name, _ in replaced]
    try:
        # Each task that is made is handed to it. Whatever takes one in C, does nothing and tells no audit hook will do.
        _REGISTER.add = bool
        for owner, name, mine in replaced:
            setattr(owner, name, mine)
        yield
    finally:
        for owner, name, before in found:
            setattr(owner, name, before)
        del _REGISTER.add
    # Whoever runs the loop asks asyncio for what is left to be cancelled.
    for task in loop.pending_tasks():
        _REGISTER.add(task)


def forget_states(loop: asyncio.AbstractEventLoop) -> None:
    """Drops what anyio remembers of a loop."""
    cast(Numbering, loop).task_states.clear()
    lowlevel._run_vars.pop(loop, None)
