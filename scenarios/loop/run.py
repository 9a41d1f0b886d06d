"""One simulated run: a coroutine function on a fresh virtual loop, with tripwires, from an instant to its end.

This file answers for how a run ends: with its result, with its own exception, with what it was caught at, or by a power
cut. It must never leave anything of a run behind for the next one.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any, NoReturn, TypeVar

from scenarios.loop.heap import OwnHeap, silence_finalizers
from scenarios.loop.numbered import forget_states
from scenarios.loop.schedules import Fifo, Ready, Schedule
from scenarios.loop.stuck import Budget
from scenarios.loop.tripwires import tripwires
from scenarios.loop.virtual import PowerCut, VirtualLoop

T = TypeVar("T")


def run_virtual(
    main: Callable[[], Coroutine[Any, Any, T]],
    *,
    schedule: Callable[[Ready], Schedule] = Fifo,
    start_s: float = 0.0,
    budget: Budget = Budget(),  # noqa: B008 - it is frozen
    after_batch: Callable[[VirtualLoop], None] | None = None,
    allowed: Collection[str] = (),
    wall_ns: Callable[[], int] | None = None,
    kind: type[VirtualLoop] = VirtualLoop,
) -> T:
    """What `main` returns, after all time it waits for has passed at once.

    Tasks that outlive it are cancelled in the order of their creation. Raises what `main` raises; DeadlockError,
    LivelockError or RunawayError where it gets nowhere; BoundaryError where it leaves the simulation (`allowed` names
    modules that may, and `wall_ns` is what they are told of the wall clock); PowerCut where the power was cut: a
    restart passes its `now_s` as `start_s`.
    """
    with OwnHeap():
        try:
            loop = kind(schedule=schedule, start_s=start_s, budget=budget, after_batch=after_batch)
            return _live(main, loop, allowed, wall_ns)
        except PowerCut as cut:
            now_s, steps = cut.now_s, cut.steps
    # A new one, since the traceback of the first holds on to everything that was abandoned.
    raise PowerCut(now_s=now_s, steps=steps)


async def cut_power() -> NoReturn:
    """The power goes out at this line: nothing after it runs, in this task or in any other."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop), "only a simulated run can lose its power"
    loop.cut_power()
    await loop.create_future()
    raise AssertionError("a task went on after the power was cut")


def _live(
    main: Callable[[], Coroutine[Any, Any, T]],
    loop: VirtualLoop,
    allowed: Collection[str],
    wall_ns: Callable[[], int] | None,
) -> T:
    try:
        with tripwires(loop.refuse, allowed=allowed, wall_ns=wall_ns):
            return _until_it_ends(main, loop)
    finally:
        if loop.broken:
            silence_finalizers()
        forget_states(loop)
        loop.close()


def _until_it_ends(main: Callable[[], Coroutine[Any, Any, T]], loop: VirtualLoop) -> T:
    try:
        return loop.run_until_complete(loop.create_task(main(), name="main"))
    finally:
        if not loop.broken:
            _wind_down(loop)


def _wind_down(loop: VirtualLoop) -> None:
    leftovers = loop.pending_tasks()
    for task in leftovers:
        task.cancel()
    if leftovers:
        loop.run_until_complete(asyncio.gather(*leftovers, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    errors = [error for task in leftovers if not task.cancelled() and (error := task.exception()) is not None]
    if errors:
        raise BaseExceptionGroup("tasks that outlived the run failed when they were cancelled", errors)
