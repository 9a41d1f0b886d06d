"""Virtual time beside real threads: while one of them is at work for the run, time stands still and the loop waits.

This file answers for one run giving one log although threads take as long as they like: they are asked one thing at a
time, in the order of asking, each time once all that was ready has run, and nothing runs before the answer is there. It
must never let virtual time pass while an answer is due, nor let a thread work beside the loop: a power cut finds every
thread idle.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVarTuple, Unpack

from aiosqlite import core as aiosqlite_core

from scenarios.loop.handles import step_of
from scenarios.loop.stuck import StuckError
from scenarios.loop.virtual import VirtualLoop

Arguments = TypeVarTuple("Arguments")
Question = tuple[asyncio.Future[Any] | None, Callable[[], Any]]

# A commit takes milliseconds. A thread that is silent for so long will never speak.
SILENT_S: Final = 60.0


class HybridLoop(VirtualLoop):
    """A virtual loop that threads answer: those of aiosqlite, and whoever else asks them through `ask`."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  # Those of a virtual loop, handed on.
        super().__init__(**options)
        self._asked: deque[Callable[[], None]] = deque()
        self._answers: SimpleQueue[asyncio.Handle] = SimpleQueue()

    def ask(self, hand_over: Callable[[], None]) -> None:
        """Hands a question to a thread in its turn; the thread answers it with one `call_soon_threadsafe`."""
        self._asked.append(hand_over)

    def call_soon_threadsafe(
        self,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """An answer from a thread, which is waited for."""
        if threading.get_ident() == self._home_thread:
            return self.call_soon(callback, *args, context=context)
        step = step_of(callback, args, Context() if context is None else context)
        self._answers.put(step)
        return step

    def run_forever(self) -> None:
        """Runs until stopped; connections to SQLite that are made meanwhile are asked in turn."""
        with _in_turn():
            super().run_forever()

    def _idle(self) -> None:
        """Nothing is ready: a thread is asked, or time goes on."""
        if not self._asked:
            super()._idle()
            return
        self._asked.popleft()()
        try:
            self._ready.append(self._answers.get(timeout=SILENT_S))
        except Empty:
            raise silent() from None
        self._wake_due()


def silent() -> StuckError:
    """What is raised where a thread never speaks."""
    return StuckError(f"a thread outside has said nothing for {SILENT_S:g} s")


class _Questions(SimpleQueue[Question]):
    """What a connection's thread is asked, in the place of its own queue."""

    def put_nowait(self, item: Question) -> None:
        """Asks in turn. Without anybody to answer to (a connection that is dropped) there is no turn to wait for."""
        loop = None if item[0] is None else item[0].get_loop()
        if isinstance(loop, HybridLoop):
            loop.ask(partial(super().put_nowait, item))
        else:
            super().put_nowait(item)


@contextmanager
def _in_turn() -> Iterator[None]:
    real = aiosqlite_core.SimpleQueue  # type: ignore[attr-defined]  # aiosqlite has no way to choose it.
    aiosqlite_core.SimpleQueue = _Questions  # type: ignore[attr-defined, assignment]  # Likewise.
    try:
        yield
    finally:
        aiosqlite_core.SimpleQueue = real  # type: ignore[attr-defined]  # Likewise.
