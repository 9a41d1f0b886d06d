"""An event loop on virtual time: when nothing is ready, the clock jumps to the next deadline.

This file answers for when callbacks run: at their deadline exactly, equal deadlines first in, first out, and in one
order in every process. It must never wait for real, and never ask the machine for anything.
"""
# ruff: noqa: SLF001 - a loop reads the private state of its own handles, as asyncio's loops do

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from heapq import heapify, heappop
from itertools import count
from typing import Any, NoReturn, TypeVar, TypeVarTuple, Unpack
from weakref import ref

from scenarios.loop.boundary import BoundaryLoop
from scenarios.loop.handles import Timer, set_timer, step_of
from scenarios.loop.numbered import InOrder, NumberedFuture, NumberedTask, numbered_primitives
from scenarios.loop.schedules import Fifo, Ready, Schedule
from scenarios.loop.stuck import Budget, DeadlockError, LivelockError, RunawayError, StuckError, report

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")
_SECOND_US = 1_000_000
# Below this, cancelled timers are left to be dropped when their time comes.
_CANCELLED_TIMERS_MIN = 100
# Below this, tasks that have ended are left in the list of all that were made.
_TASKS_MIN = 1_000


class PowerCut(BaseException):
    """The run was stopped where it stood, as its scenario asked. A restart goes on from the same `now_s`."""

    def __init__(self, *, now_s: float, steps: int) -> None:
        super().__init__(f"power cut at {now_s:.6f} s of virtual time, after {steps} steps")
        self.now_s = now_s
        self.steps = steps


class UnhandledError(Exception):
    """Something went wrong in the loop where nobody was waiting for it, and there is no exception to show for it."""


class VirtualLoop(BoundaryLoop):
    """asyncio without waiting. Usable as anyio's `loop_factory` as it is.

    `after_batch` is called after each round of callbacks, between two steps of any task: it may look at anything, call
    `cut_power()` or raise. `broken` is true while it runs, and stays true where something else than its end stops it.
    """

    _ready: Ready
    _closed: bool
    _asyncgens: InOrder
    _stopping: bool

    def __init__(
        self,
        *,
        schedule: Callable[[Ready], Schedule] = Fifo,
        start_s: float = 0.0,
        budget: Budget = Budget(),  # noqa: B008 - it is frozen
        after_batch: Callable[["VirtualLoop"], None] | None = None,
    ) -> None:
        super().__init__()
        self._now_s = float(start_s)
        # The same in whole microseconds, which a world asks for a hundred times between two jumps.
        self.now_us = round(self._now_s * _SECOND_US)
        self._end_s = start_s + budget.virtual_s_max
        self._budget = budget
        self._timers: list[tuple[float, int, Timer]] = []
        self._timers_cancelled = 0
        self._timers_set = count()
        # The next creation number of this run: 1, 2, 3 and so on.
        self.next_number: Callable[[], int] = count(1).__next__
        self._tasks_made = count(1)
        self._tasks: list[ref[asyncio.Task[Any]]] = []
        self._tasks_max = _TASKS_MIN
        self.task_states: dict[asyncio.Task[Any], Any] = {}
        # Callbacks run so far, without those of the present round, and how many may have run before time goes on.
        self.steps = 0
        self._steps_until = budget.steps_at_one_instant_max
        self._after_batch = after_batch
        chosen = schedule(self._ready)
        self._take, self._count_ready = chosen.take, chosen.count
        self._asyncgens = InOrder()
        self.broken = False
        self.set_exception_handler(_end_the_run)

    # -- what the simulation asks

    @property
    def timers(self) -> int:
        """Timers that are set. Cancelled ones count until they are dropped, so it is somewhat above what is awaited."""
        return len(self._timers)

    def cut_power(self) -> None:
        """Stops the loop as soon as the present callback returns. Under `run_virtual` nothing of the run goes on."""
        self.halt(PowerCut(now_s=self._now_s, steps=self.steps))

    def stand_still(self, for_s: float) -> None:
        """Time passes and nothing runs, as in a process that is held: what is due meanwhile fires late, in order."""
        self._now_s += for_s
        self.now_us = round(self._now_s * _SECOND_US)

    def pending_tasks(self) -> list[asyncio.Task[Any]]:
        """Tasks that have not ended, in the order of their creation; not those that somebody made without the loop."""
        # asyncio goes through all tasks of all loops, in Python, and most of them have ended.
        return [task for made in self._tasks if (task := made()) is not None and not task.done()]

    # -- what asyncio asks

    def time(self) -> float:
        """Virtual seconds. They go on from `start_s`."""
        return self._now_s

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Runs the callback at this virtual instant. An infinite one never comes, and keeps nobody from a deadlock."""
        return set_timer(self, when, callback, args, context)

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Runs the callback after so much virtual time."""
        return set_timer(self, self._now_s + delay, callback, args, context)

    def call_soon(
        self,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Runs the callback once all that is ready by now has run."""
        if self._closed:
            raise RuntimeError("this loop has ended")
        step = step_of(callback, args, context)
        self._ready.append(step)
        return step

    def create_task(
        self,
        coro: Coroutine[Any, Any, T] | Generator[Any, None, T],
        *,
        name: object = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """A numbered task."""
        if self._closed:
            raise RuntimeError("this loop has ended")
        # asyncio's default names count across runs, and names end up in reports.
        chosen = f"task-{next(self._tasks_made)}" if name is None else str(name)
        task = NumberedTask(coro, loop=self, name=chosen, context=context)
        if len(self._tasks) >= self._tasks_max:
            self._tasks = [ref(pending) for pending in self.pending_tasks()]
            self._tasks_max = 2 * len(self._tasks) + _TASKS_MIN
        self._tasks.append(ref(task))
        return task

    def create_future(self) -> asyncio.Future[Any]:
        """A numbered future."""
        return NumberedFuture(loop=self)

    def run_forever(self) -> None:
        """Runs until stopped; meanwhile anyio's scopes and events are numbered too."""
        self.broken = True
        with numbered_primitives(self):
            super().run_forever()
        self.broken = False

    def close(self) -> None:
        """Lets go of everything."""
        super().close()
        self._timers.clear()

    def _run_once(self) -> None:
        """Round after round until somebody stops the loop. asyncio, which knows of one, would come back for each."""
        timers, count = self._timers, self._count_ready
        while True:
            if not count() and not self._stopping:
                self._idle()
            elif timers and timers[0][0] <= self._now_s:
                self._wake_due()
            self._run_batch(count())
            if self._after_batch is not None:
                self._after_batch(self)
                if self._halted_by is not None:
                    self._stop_here()
            if self._stopping:
                return

    def _run_batch(self, steps: int) -> None:
        take = self._take
        for _ in range(steps):
            handle = take()
            try:
                # A step of a task, which most of them are, has no arguments to be gathered.
                if handle._args:
                    handle._context.run(handle._callback, *handle._args)  # type: ignore[attr-defined]
                else:
                    handle._context.run(handle._callback)  # type: ignore[attr-defined]
            except BaseException as error:  # As asyncio's own handles do, without a call of theirs for each step.
                self._failed(handle, error)
            if self._halted_by is not None:
                self._stop_here()
            # The traceback of an exception may keep this frame, and must not keep with it the task that failed.
            del handle
        self.steps += steps
        if self.steps > self._steps_until:
            here = self.steps - self._steps_until + self._budget.steps_at_one_instant_max
            self._give_up(LivelockError, f"{here} steps without time advancing")

    def _failed(self, handle: asyncio.Handle, error: BaseException) -> None:
        if isinstance(error, SystemExit | KeyboardInterrupt):
            raise error
        self.call_exception_handler({"message": f"{handle!r} failed", "exception": error, "handle": handle})

    def _idle(self) -> None:
        """Nothing is ready: time goes on."""
        timers = self._timers
        if self._timers_cancelled > _CANCELLED_TIMERS_MIN and self._timers_cancelled > len(timers) // 2:
            self._drop_cancelled()
        while timers and timers[0][2]._cancelled:
            heappop(timers)[2].waiting = False
            self._timers_cancelled -= 1
        if not timers:
            self._give_up(DeadlockError, "nothing is ready and no timer is set")
        when = timers[0][0]
        if when > self._now_s:
            self._jump(when)
        self._wake_due()

    def _jump(self, when: float) -> None:
        if when > self._end_s:
            self._give_up(RunawayError, f"more than {self._budget.virtual_s_max:g} s of virtual time have passed")
        if self.steps > self._budget.steps_max:
            self._give_up(RunawayError, f"more than {self._budget.steps_max} steps were taken")
        self._steps_until = self.steps + self._budget.steps_at_one_instant_max
        self._now_s = when
        self.now_us = round(when * _SECOND_US)

    def _wake_due(self) -> None:
        timers, now_s = self._timers, self._now_s
        # `<=`, where asyncio adds its clock's resolution first: from 2**24 s on that addition changes nothing, and a
        # timer due exactly now would never fire.
        while timers and timers[0][0] <= now_s:
            timer = heappop(timers)[2]
            timer.waiting = False
            if timer._cancelled:
                self._timers_cancelled -= 1
            else:
                self._ready.append(timer)

    def _drop_cancelled(self) -> None:
        for _, _, timer in self._timers:
            timer.waiting = not timer._cancelled
        # In place: _run_once holds on to the list.
        self._timers[:] = [entry for entry in self._timers if entry[2].waiting]
        heapify(self._timers)
        self._timers_cancelled = 0

    def _stop_here(self) -> NoReturn:
        error, self._halted_by = self._halted_by, None
        assert error is not None, "only a halted loop stops here"
        raise error

    def _give_up(self, kind: type[StuckError], finding: str) -> NoReturn:
        raise kind(report(finding, self._now_s, self.pending_tasks()))


def running_loop() -> VirtualLoop:
    """The loop of the present run."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop), "a simulated world lives on virtual time"
    return loop


def _end_the_run(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """asyncio would log an exception that nobody waits for and go on; a simulated run ends with it."""
    if isinstance(loop, VirtualLoop) and loop.is_running():
        loop.halt(context.get("exception") or UnhandledError(context["message"]))
    else:
        loop.default_exception_handler(context)
