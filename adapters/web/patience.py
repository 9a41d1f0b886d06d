"""One patience for many: whatever takes longer than all of them may is cut off, by one timer for all.

This file answers for the deadline of work that is done often and hardly ever late. asyncio's own timeout makes a timer
each, which was measured to cost a fifth of all that it takes to take charge of a hook. It must never cut off what is in
time, nor hide a cancellation that came from elsewhere.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class Patience:
    """Lets each piece of work take `within_s` seconds at most."""

    def __init__(self, within_s: float) -> None:
        self.within_s = within_s
        # Kept, since asking for the running loop is a call to the system each time.
        self._loop = asyncio.get_running_loop()
        # All have the same span, so the first is the one whose time is over first.
        self._ends_s: dict[asyncio.Task[object], float] = {}
        self._cut_off: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def of(self, work: Awaitable[T]) -> T:
        """What the work comes to. Raises TimeoutError where it was cut off; a task does one such work at a time."""
        loop = self._loop
        task = asyncio.current_task(loop)
        assert task is not None, "who waits is a task"
        assert task not in self._ends_s, "a task waits for one thing at a time"
        self._ends_s[task] = loop.time() + self.within_s
        if self._timer is None:
            self._timer = loop.call_later(self.within_s, self._look)
        try:
            return await work
        except asyncio.CancelledError:
            if task in self._cut_off and task.uncancel() == 0:
                raise TimeoutError from None
            raise
        finally:
            del self._ends_s[task]
            self._cut_off.discard(task)

    def _look(self) -> None:
        loop, now_s = self._loop, self._loop.time()
        self._timer = None
        for task, ends_s in self._ends_s.items():
            if ends_s > now_s:
                self._timer = loop.call_at(ends_s, self._look)
                break
            if task not in self._cut_off:
                self._cut_off.add(task)
                task.cancel()
