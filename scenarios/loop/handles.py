"""Callbacks that wait in the virtual loop, without what asyncio's own do for a debug mode that a simulation has not.

asyncio asks its loop for that mode with each callback that is made and each that is cancelled, and runs it through a
method of its own: together a tenth of a simulation. They are made by functions, since a class that is called goes a
long way round to its own `__init__`. This file must never change when a callback runs, or whether.
"""
# ruff: noqa: PLR0917, SLF001 - made and cancelled as asyncio's own are, which know their loop's private side
# mypy: disable-error-code="attr-defined, assignment"

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from heapq import heappush
from math import inf
from typing import Final

Arguments = tuple[object, ...]

_new: Final = object.__new__


class Step(asyncio.Handle):
    """A callback that is ready."""

    __slots__ = ()
    # What is the same for all of them, and never written.
    _loop = _repr = _source_traceback = None

    def cancel(self) -> None:
        """Keeps it from running, and lets go of what it would have run."""
        self._cancelled = True
        self._callback, self._args = _nothing, ()


class Timer(asyncio.TimerHandle):
    """A callback at an instant.

    `waiting` tells whether it is still in the heap: cancelling one that fired leaves nothing to clean up.
    """

    __slots__ = ("waiting",)
    waiting: bool
    _repr = _source_traceback = None
    _scheduled = False

    def cancel(self) -> None:
        """Keeps it from running, and lets go of what it would have run."""
        if not self._cancelled:
            if self.waiting:
                self._loop._timers_cancelled += 1
            self._cancelled = True
            self._callback, self._args = _nothing, ()


def step_of(callback: Callable[..., object], args: Arguments, context: Context | None) -> Step:
    """A callback that runs in a context, or in a copy of the present one."""
    step = _new(Step)
    step._context = copy_context() if context is None else context
    step._callback = callback
    step._args = args
    step._cancelled = False
    return step


def set_timer(
    loop: asyncio.AbstractEventLoop,
    when_s: float,
    callback: Callable[..., object],
    args: Arguments,
    context: Context | None,
) -> Timer:
    """One that waits for its instant in the heap of a loop; without end, where that is infinite."""
    if loop._closed:
        raise RuntimeError("this loop has ended")
    timer = _new(Timer)
    timer._context = copy_context() if context is None else context
    timer._loop = loop
    timer._callback = callback
    timer._args = args
    timer._cancelled = False
    timer._when = when_s
    timer.waiting = when_s < inf
    if timer.waiting:
        heappush(loop._timers, (when_s, next(loop._timers_set), timer))
    elif when_s != inf:
        raise ValueError("a deadline must be a number, not NaN")
    return timer


def _nothing() -> None:
    """What is left to run of a callback that was cancelled."""
