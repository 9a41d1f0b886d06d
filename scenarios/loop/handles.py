"""Callbacks that wait in the virtual loop, without what asyncio's own do for a debug mode that a simulation has not.

asyncio asks its loop for that mode with each callback that is made and each that is cancelled, and runs it through a
method of its own: together a tenth of a simulation. This file must never change when a callback runs, or whether.
"""
# ruff: noqa: PLR0917, SLF001 - made and cancelled as asyncio's own are, which know their loop's private side
# mypy: disable-error-code="attr-defined, assignment"

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context

Arguments = tuple[object, ...]


class Step(asyncio.Handle):
    """A callback that is ready."""

    __slots__ = ()

    def __init__(
        self,
        callback: Callable[..., object],
        args: Arguments,
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
    ) -> None:
        _fill(self, callback, args, loop, context)

    def cancel(self) -> None:
        """Keeps it from running, and lets go of what it would have run."""
        self._cancelled = True
        self._callback = self._args = None


class Timer(asyncio.TimerHandle):
    """A callback at an instant.

    `waiting` tells whether it is still in the heap: cancelling one that fired leaves nothing to clean up.
    """

    __slots__ = ("waiting",)
    waiting: bool

    def __init__(
        self,
        when_s: float,
        callback: Callable[..., object],
        args: Arguments,
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
    ) -> None:
        _fill(self, callback, args, loop, context)
        self._when = when_s
        self._scheduled = False

    def cancel(self) -> None:
        """Keeps it from running, and lets go of what it would have run."""
        if not self._cancelled:
            if self.waiting:
                self._loop._timers_cancelled += 1
            self._cancelled = True
            self._callback = self._args = None


def _fill(
    handle: asyncio.Handle,
    callback: Callable[..., object],
    args: Arguments,
    loop: asyncio.AbstractEventLoop,
    context: Context | None,
) -> None:
    handle._context = copy_context() if context is None else context
    handle._loop = loop
    handle._callback = callback
    handle._args = args
    handle._cancelled = False
    handle._repr = None
    handle._source_traceback = None
