"""Many deadlines on one timer: for work that is done often, is hardly ever late, and is cut off where it is.

This file answers for what asyncio's own timeout does, at a fraction of its price: each of those makes a timer and two
coroutines, and there are two around every attempt. It must never cut off what is in time, nor hide a cancellation that
came from elsewhere.
"""

import asyncio
from bisect import bisect_left, insort
from types import TracebackType


class Deadlines:
    """The deadlines of one loop: whoever ends first stands first."""

    __slots__ = ("_count", "_loop", "_places", "_rings_s", "_timer")

    def __init__(self) -> None:
        # Kept, since asking for the running loop is a call to the system each time; there may be none yet.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._places: list[tuple[float, int, Deadline]] = []
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._rings_s = 0.0

    def within(self, span_s: float) -> "Deadline":
        """A block that is cut off once so many seconds have passed: TimeoutError leaves it then."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None, "who waits is a task"
        return Deadline(self, task, loop.time() + span_s)

    def put(self, deadline: "Deadline") -> int:
        """Has it cut off in time; answers with a number that tells it from others that end together."""
        self._count += 1
        insort(self._places, (deadline.ends_s, self._count, deadline))
        if self._timer is None or deadline.ends_s < self._rings_s:
            self._ring_at(deadline.ends_s)
        return self._count

    def drop(self, ends_s: float, number: int) -> None:
        """The one that has this number ended in time."""
        places = self._places
        # A pair stands right before what it is the beginning of.
        del places[bisect_left(places, (ends_s, number))]
        if not places and self._timer is not None:
            # Nothing rings where nobody waits. Else it rings as it would have, too early: most deadlines never come.
            self._timer.cancel()
            self._timer = None

    def _ring_at(self, instant_s: float) -> None:
        assert self._loop is not None, "who waits has said in which loop"
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._rings_s = self._loop.call_at(instant_s, self._look), instant_s

    def _look(self) -> None:
        assert self._loop is not None, "who waits has said in which loop"
        # A loop may ring a moment early, by the grain of its clock.
        now_s, self._timer = max(self._loop.time(), self._rings_s), None
        while self._places and self._places[0][0] <= now_s:
            self._places.pop(0)[2].cut_off()
        if self._places:
            self._ring_at(self._places[0][0])


class Deadline:
    """A context manager for one piece of work until `ends_s`; `is_over` says afterwards whether it was cut off."""

    __slots__ = ("_cancelling", "_deadlines", "_number", "_task", "ends_s", "is_over")

    def __init__(self, deadlines: Deadlines, task: "asyncio.Task[object]", ends_s: float) -> None:
        self._deadlines = deadlines
        self._task = task
        self.ends_s = ends_s
        self.is_over = False

    def __enter__(self) -> "Deadline":
        self._cancelling = self._task.cancelling()
        self._number = self._deadlines.put(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.is_over:
            self._deadlines.drop(self.ends_s, self._number)
        # Somebody else may have cancelled it as well, and that is theirs to hear.
        elif self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def move(self, ends_s: float) -> None:
        """It ends at another instant of the loop's clock, unless it is over."""
        if not self.is_over:
            before_s, before, self.ends_s = self.ends_s, self._number, ends_s
            self._number = self._deadlines.put(self)
            self._deadlines.drop(before_s, before)

    def cut_off(self) -> None:
        """Its time is over."""
        self.is_over = True
        self._task.cancel()
