"""Tasks, futures, cancel scopes and events that hash to a number, so that their sets have one order in every run.

asyncio and anyio keep tasks, scopes and waiting events in sets, which by default are ordered by memory address: one
program then gives several logs, and PYTHONHASHSEED does not help. With numbers as hashes, the order of a set depends
only on what was put into it. A number is given when something is first hashed, since most futures and events never are.

This file answers for those numbers. They count from 1 in each run: numbered across a process, the second run in it
would order its sets differently from the first. What it cannot cure are sets of other things (strings, coroutines
handed to `asyncio.as_completed`): production code keeps those in lists and dicts.
"""
# ruff: noqa: SLF001 - anyio has no public way to choose the classes of its scopes and events

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar, cast
from weakref import WeakKeyDictionary

from anyio import lowlevel
from anyio._backends import _asyncio as anyio_asyncio

T = TypeVar("T")


class Numbering(Protocol):
    """A loop that hands out the numbers of a run."""

    def next_number(self) -> int:
        """1, 2, 3 and so on."""
        ...


class NumberedTask(asyncio.Task[T]):
    """A task that hashes to its number: asyncio itself puts each task into a set as it is made."""

    _number: int

    def __hash__(self) -> int:
        try:
            return self._number
        except AttributeError:
            self._number = _next_number(self.get_loop())
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
            self._number = _next_number(self.get_loop())
            return self._number


class _NumberedScope(anyio_asyncio.CancelScope):
    __slots__ = ("_number",)

    def __hash__(self) -> int:
        try:
            return self._number
        except AttributeError:
            self._number: int = _next_number(asyncio.get_running_loop())
            return self._number


class _NumberedEvent(anyio_asyncio.Event):
    __slots__ = ("_number",)

    def __hash__(self) -> int:
        try:
            return self._number
        except AttributeError:
            self._number: int = _next_number(asyncio.get_running_loop())
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
def numbered_primitives() -> Iterator[None]:
    """While it is entered, anyio makes numbered scopes and events; every other loop gets back the classes it knows."""
    scope, event = anyio_asyncio.CancelScope, anyio_asyncio.Event
    anyio_asyncio.CancelScope, anyio_asyncio.Event = _NumberedScope, _NumberedEvent  # type: ignore[misc]
    try:
        yield
    finally:
        anyio_asyncio.CancelScope, anyio_asyncio.Event = scope, event  # type: ignore[misc]


def forget_states(loop: asyncio.AbstractEventLoop) -> None:
    """Drops what anyio remembers of a loop's tasks.

    It would keep a task that never ends for ever: the state of the task leads to its cancel scope, that to the set of
    the scope's tasks, and so back to the key that holds the state.
    """
    for task in list(anyio_asyncio._task_states):
        if task.get_loop() is loop:
            del anyio_asyncio._task_states[task]
    lowlevel._run_vars.pop(loop, None)


def _next_number(loop: asyncio.AbstractEventLoop) -> int:
    return cast(Numbering, loop).next_number()
