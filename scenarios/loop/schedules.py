"""Who runs next: the order in which the virtual loop takes the callbacks that are ready.

`Fifo` is asyncio's own order. `Walk` and `Pct` look for races: they reorder steps of tasks only, and let every other
callback stand as a fence, since anyio counts on "what I asked for earlier ran before my next step". They take one step
at a time; a schedule that shuffles what is ready as a batch keeps all tasks in lockstep and finds nothing.

This file must never run a callback nor know the time.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from typing import Protocol
from weakref import WeakKeyDictionary

from scenarios.draws import Draws

Ready = deque[asyncio.Handle]


class Schedule(Protocol):
    """The callbacks that are ready, and which of them is next. Made by the loop over its own queue."""

    @property
    def take(self) -> Callable[[], asyncio.Handle]:
        """Takes the next callback out; there is one."""
        ...

    @property
    def count(self) -> Callable[[], int]:
        """How many callbacks are ready."""
        ...


class Fifo:
    """First in, first out."""

    def __init__(self, ready: Ready) -> None:
        # The queue's own methods, so that the usual order costs nothing for being exchangeable.
        self.take: Callable[[], asyncio.Handle] = ready.popleft
        self.count: Callable[[], int] = ready.__len__


class Walk:
    """A random walk: any step that is ready may be next, each as likely as the others."""

    def __init__(self, ready: Ready, *, draws: Draws) -> None:
        self._ready = ready
        self._steps: list[asyncio.Handle] = []
        self._draws = draws
        self._taken = 0

    def take(self) -> asyncio.Handle:
        """A random step; the first callback in line where no step comes before it."""
        steps, ready = self._steps, self._ready
        while ready and stepping_task(ready[0]) is not None:
            steps.append(ready.popleft())
        if not steps:
            return ready.popleft()
        self._taken += 1
        if len(steps) > 1:
            chosen = self._draws.integer("walk", self._taken, below=len(steps))
            # The last step fills the gap: the order of the rest is chance anyway.
            steps[chosen], steps[-1] = steps[-1], steps[chosen]
        return steps.pop()

    def count(self) -> int:
        """Steps taken out of the queue wait here for their turn."""
        return len(self._steps) + len(self._ready)


class Pct:
    """Probabilistic concurrency testing: each task has a random priority, the highest that is ready runs.

    At `demotions` steps, drawn among the first `steps`, the task about to run falls behind all others for good. A bug
    that needs d ordered steps is found with a probability of at least 1 / (tasks * steps**(d - 1)), where there are
    d - 1 demotions (Burckhardt et al., ASPLOS 2010).
    """

    def __init__(self, ready: Ready, *, draws: Draws, steps: int = 1_000, demotions: int = 2) -> None:
        self._ready = ready
        # (rank, order of arrival, step): the lowest rank runs first. Demoted tasks rank from 1 upwards.
        self._steps: list[tuple[float, int, asyncio.Handle]] = []
        self._draws = draws
        self._demotions = {draws.integer("pct demotion", n, below=steps) for n in range(demotions)}
        self._ranks: WeakKeyDictionary[asyncio.Task[object], float] = WeakKeyDictionary()
        self._ranked = 0
        self._arrived = 0
        self._taken = 0

    def take(self) -> asyncio.Handle:
        """The step of highest priority; the first callback in line where no step comes before it."""
        steps, ready = self._steps, self._ready
        while ready and (task := stepping_task(ready[0])) is not None:
            self._arrived += 1
            heapq.heappush(steps, (self._rank(task), self._arrived, ready.popleft()))
        if not steps:
            return ready.popleft()
        if self._taken in self._demotions:
            self._demote()
        self._taken += 1
        return heapq.heappop(steps)[2]

    def count(self) -> int:
        """Steps taken out of the queue wait here for their turn."""
        return len(self._steps) + len(self._ready)

    def _rank(self, task: asyncio.Task[object]) -> float:
        if task not in self._ranks:
            self._ranked += 1
            self._ranks[task] = self._draws.draw("pct", self._ranked)
        return self._ranks[task]

    def _demote(self) -> None:
        _, arrived, step = heapq.heappop(self._steps)
        task = stepping_task(step)
        assert task is not None, "only steps of tasks are ranked"
        self._ranks[task] = 1.0 + self._taken
        heapq.heappush(self._steps, (self._ranks[task], arrived, step))


def stepping_task(handle: asyncio.Handle) -> asyncio.Task[object] | None:
    """The task whose next step this callback is, None for any other callback.

    A step is the task's own C object without a name, a wake-up is its method `task_wakeup`; `task.cancel` and the like,
    handed to the loop by somebody, are methods of a task too, but no steps of it.
    """
    callback = handle._callback  # type: ignore[attr-defined]  # noqa: SLF001 - asyncio has no public way to ask
    task = getattr(callback, "__self__", None)
    if isinstance(task, asyncio.Task) and getattr(callback, "__name__", "task_wakeup") == "task_wakeup":
        return task
    return None
