"""Virtual time beside real threads: while one of them is at work for the run, time stands still and the loop waits.

This file answers for one run giving one log although threads take as long as they like: what SQLite is asked it is
asked one at a time, in the order of asking, and nothing is heard of an answer before everything else that was ready has
run. It must never let virtual time pass while an answer is due.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVarTuple, Unpack

from aiosqlite import core as aiosqlite_core

from scenarios.loop.handles import Step
from scenarios.loop.stuck import StuckError
from scenarios.loop.virtual import VirtualLoop

Arguments = TypeVarTuple("Arguments")
Question = tuple[asyncio.Future[Any] | None, Callable[[], Any]]

# A commit takes milliseconds. A thread that is silent for so long will never speak.
_SILENT_S: Final = 60.0


class HybridLoop(VirtualLoop):
    """A virtual loop that the threads of aiosqlite answer."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  # Those of a virtual loop, handed on.
        super().__init__(**options)
        self._is_asking = False
        self._asked: deque[tuple[_Questions, Question]] = deque()
        self._answers: SimpleQueue[asyncio.Handle] = SimpleQueue()

    def ask(self, questions: "_Questions", question: Question) -> None:
        """Hands a question to a thread once all that were asked before it are answered."""
        self._asked.append((questions, question))
        self._hand_over()

    def call_soon_threadsafe(
        self,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """An answer from a thread waits until nothing else is ready."""
        if threading.get_ident() == self._home_thread:
            return self.call_soon(callback, *args, context=context)
        step = Step(callback, args, self, Context() if context is None else context)
        self._answers.put(step)
        return step

    def run_forever(self) -> None:
        """Runs until stopped; connections to SQLite that are made meanwhile are asked in turn."""
        with _in_turn():
            super().run_forever()

    def _run_once(self) -> None:
        if self._is_asking and not self._count_ready() and not self._stopping:
            try:
                self._ready.append(self._answers.get(timeout=_SILENT_S))
            except Empty:
                raise StuckError(f"a thread outside has said nothing for {_SILENT_S:g} s") from None
            self._is_asking = False
            self._hand_over()
        super()._run_once()

    def _hand_over(self) -> None:
        if self._asked and not self._is_asking:
            self._is_asking = True
            questions, question = self._asked.popleft()
            questions.hand_over(question)


class _Questions(SimpleQueue[Question]):
    """What a connection's thread is asked, in the place of its own queue."""

    def put_nowait(self, item: Question) -> None:
        """Asks in turn. Without anybody to answer to (a connection that is dropped) there is no turn to wait for."""
        loop = None if item[0] is None else item[0].get_loop()
        if isinstance(loop, HybridLoop):
            loop.ask(self, item)
        else:
            super().put_nowait(item)

    def hand_over(self, item: Question) -> None:
        """Its turn has come."""
        super().put_nowait(item)


@contextmanager
def _in_turn() -> Iterator[None]:
    real = aiosqlite_core.SimpleQueue  # type: ignore[attr-defined]  # aiosqlite has no way to choose it.
    aiosqlite_core.SimpleQueue = _Questions  # type: ignore[attr-defined, assignment]  # Likewise.
    try:
        yield
    finally:
        aiosqlite_core.SimpleQueue = real  # type: ignore[attr-defined]  # Likewise.
