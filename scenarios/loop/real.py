"""A real event loop beside a virtual one, in a thread of its own, for what can live on no other: a database's driver.

This file answers for the real loop standing still whenever it is not asked, so that the two never run at once and one
run gives one log. It must never answer before everything that was asked with a question is answered too.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Final, Literal, TypeVar

from scenarios.loop.hybrid import SILENT_S, HybridLoop, silent

T = TypeVar("T")

# Writes are made in the order in which they are asked for, and questions change nothing: either may go together. What
# comes of anything else depends on what was before it.
Kind = Literal["write", "question", "alone"]
Work = Callable[[], Awaitable[Any]]

_NAME: Final = "the real loop"


class RealLoop:
    """The thread and its loop, from entering to leaving; what is left there is cancelled then."""

    def __init__(self) -> None:
        self._questions: SimpleQueue[Callable[[asyncio.Runner], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=_NAME)
        # What was asked last, as long as it waits for its turn.
        self._last: _Together | None = None

    def __enter__(self) -> "RealLoop":
        self._thread.start()
        # Its loop is there before a run begins, or it would seem to be that run's.
        self.at_once(_nothing)
        return self

    def __exit__(self, *_error: object) -> None:
        self._questions.put(None)
        self._thread.join()

    def ask(self, work: Callable[[], Awaitable[T]], kind: Kind) -> asyncio.Future[T]:
        """What `work` comes to on the real loop, in its turn among all that the virtual one asks of threads.

        What is asked next to one another and of one kind goes together, begun in the order of asking.
        """
        loop = asyncio.get_running_loop()
        assert isinstance(loop, HybridLoop), "only a loop that waits for threads can ask one"
        if self._last is None or kind == "alone" or (self._last.loop, self._last.kind) != (loop, kind):
            self._last = _Together(loop, kind)
            loop.ask(partial(self._hand_over, self._last))
        answer: asyncio.Future[T] = loop.create_future()
        self._last.asked.append((work, answer))
        return answer

    def at_once(self, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` comes to, out of turn: the caller stands still meanwhile, whatever it runs on."""
        outcomes: SimpleQueue[Any] = SimpleQueue()
        self._questions.put(lambda runner: outcomes.put(runner.run(_outcomes([work]))[0]))
        try:
            outcome = outcomes.get(timeout=SILENT_S)
        except Empty:
            raise silent() from None
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome  # type: ignore[no-any-return]  # It is what `work` gave.

    def _hand_over(self, together: "_Together") -> None:
        if self._last is together:
            self._last = None
        self._questions.put(together.answer)

    def _work(self) -> None:
        with asyncio.Runner() as runner:
            while (question := self._questions.get()) is not None:
                question(runner)


class _Together:
    """What is asked in one turn."""

    def __init__(self, loop: HybridLoop, kind: Kind) -> None:
        self.loop = loop
        self.kind = kind
        self.asked: list[tuple[Work, asyncio.Future[Any]]] = []

    def answer(self, runner: asyncio.Runner) -> None:
        """In the thread: does all of it, and then tells."""
        outcomes = runner.run(_outcomes([work for work, _ in self.asked]))
        self.loop.call_soon_threadsafe(self._heard, outcomes)

    def _heard(self, outcomes: list[Any]) -> None:
        for (_, answer), outcome in zip(self.asked, outcomes, strict=True):
            # Whoever asked may not wait any more.
            if answer.done():
                continue
            if isinstance(outcome, BaseException):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)


async def _outcomes(works: list[Work]) -> list[Any]:
    return await asyncio.gather(*map(_done, works), return_exceptions=True)


async def _done(work: Work) -> Any:  # noqa: ANN401  # Whatever it is.
    return await work()


async def _nothing() -> None:
    pass
