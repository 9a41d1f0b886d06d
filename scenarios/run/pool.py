"""Work for several processes, and its results as they come.

This file answers for each piece of work being done once, in a process that has nothing from ours, and for none of them
being left behind when it is cut short, or when the one that spreads it is killed. A process does its pieces one after
another.
"""

import gc
import importlib
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import chain, islice
from multiprocessing import get_context, parent_process
from multiprocessing.synchronize import Event
from threading import Thread
from typing import Final, TypeVar

Work = TypeVar("Work")
Result = TypeVar("Result")

# Pieces that are handed out ahead, for each process: enough that none waits for us.
_AHEAD: Final = 4
# Pieces that a process does, on average, before others take over. What a few large worlds leave in pieces its memory
# keeps to its end; a start takes as long as twenty worlds. The executor's own `max_tasks_per_child` hangs on Python
# 3.11 (gh-115634).
A_PROCESS_DOES: Final = 500
# A world is some ten thousand objects that live until it ends: looking for cycles more often finds none.
_COLLECT_AFTER: Final = 50_000
# What is left of large worlds would lie about until a hundred such looks had been taken, for a gigabyte a process.
_COLLECT_ALL_AFTER: Final = (5, 3)


def spread(task: Callable[[Work], Result], work: Iterable[Work], *, processes: int | None = None) -> Iterator[Result]:
    """What `task` makes of each piece of work, in whatever order they are done. It must be a function of a module.

    Raises ChildProcessError where a process was killed: what it was at is not known.
    """
    count, rest = processes or processors(), iter(work)
    for piece in rest:
        yield from _spread(task, chain((piece,), islice(rest, A_PROCESS_DOES * count - 1)), count)


def _spread(task: Callable[[Work], Result], rest: Iterator[Work], count: int) -> Iterator[Result]:
    """The same for as much as one pool of processes does."""
    # Fresh processes: what a fork would bring along (threads, open files) has no business in a simulated run.
    context = get_context("spawn")
    is_over = context.Event()
    given = (task.__module__, is_over)
    with ProcessPoolExecutor(count, mp_context=context, initializer=_settle, initargs=given) as pool:
        with _deaf():
            under_way: set[Future[Result]] = {pool.submit(_done, task, piece) for piece in islice(rest, _AHEAD * count)}
        try:
            while under_way:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                under_way |= {pool.submit(_done, task, piece) for piece in islice(rest, len(done))}
                yield from (future.result() for future in done)
        except BrokenProcessPool:
            raise ChildProcessError("a process of this run was killed, perhaps for its memory") from None
        except (KeyboardInterrupt, GeneratorExit):
            # They end what they are at, and begin nothing more. One that was killed could leave half an answer in the
            # pipe, for whose rest the pool would wait for ever.
            is_over.set()
            raise


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes that begin in here never hear of Ctrl-C: a terminal sends it to all, and each would tell of it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def processors() -> int:
    """How many processes make sense here."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# Whether what is ahead is still wanted, in a process of a pool: its one entry.
_over: Final[list[Event]] = []


def _done(task: Callable[[Work], Result], piece: Work) -> Result:
    if _over[0].is_set():
        raise InterruptedError("nobody wants it any more")
    return task(piece)


def _settle(module: str, is_over: Event) -> None:
    # It sleeps in the kernel until then, so no world sees anything of it.
    Thread(target=_end_with_parent, daemon=True).start()
    _over.append(is_over)
    importlib.import_module(module)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, *_COLLECT_ALL_AFTER)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None, "a process of a pool was begun by another"
    parent.join()
    # Killed, it told nobody: whoever waits for work would wait for ever, and what is being done nobody will hear of.
    os._exit(1)
