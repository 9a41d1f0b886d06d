"""Runs that get nowhere: how far a run may go, and the report of one that goes no further.

This file answers for telling apart who waits for whom, task by task. It must never change what it reports on.
"""

import asyncio
import gc
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType

import msgspec

_SUSPENDED = (CoroutineType, GeneratorType, AsyncGeneratorType)
# Enough to see what is going on; a herd of ten thousand says no more than its first forty.
_TASKS_SHOWN_MAX = 40
_LINKS_MAX = 50
# Where our own code awaits says the most; for these the name alone will do.
_LIBRARIES = frozenset({"anyio", "asyncio", "contextlib"})
_YEAR_S = 365.25 * 86_400


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run may go before it counts as one that never ends. A step is one callback that the loop ran."""

    steps_max: int = 100_000_000
    # A burst of 10**5 messages takes about 2.5 million steps before its first wait.
    steps_at_one_instant_max: int = 5_000_000
    virtual_s_max: float = 200 * _YEAR_S


class StuckError(Exception):
    """A run that gets nowhere. The message names each task and what it waits for."""


class DeadlockError(StuckError):
    """Nothing is ready, and no timer is set that could make anything ready."""


class LivelockError(StuckError):
    """Callbacks run and run, and time stands still."""


class RunawayError(StuckError):
    """Time passes and work is done, beyond the budget."""


def report(finding: str, now_s: float, tasks: Iterable[asyncio.Task[object]]) -> str:
    """The finding, the instant, and a line for each task: its name and its chain of awaits, outermost first."""
    lines = [f"{task.get_name()}: {await_chain(task)}" for task in tasks]
    if len(lines) > _TASKS_SHOWN_MAX:
        lines[_TASKS_SHOWN_MAX:] = [f"and {len(lines) - _TASKS_SHOWN_MAX} more tasks"]
    return "\n  ".join([f"{finding}, at {now_s:.6f} s of virtual time", *lines])


def await_chain(task: asyncio.Task[object]) -> str:
    """What a task is waiting in, as `outer (file.py:41) > inner > Event.wait`."""
    links = [link for thing in _awaited(task.get_coro()) if (link := _link(thing)) is not None]
    return " > ".join(links) or "finished"


def _awaited(thing: object) -> Iterator[object]:
    for _ in range(_LINKS_MAX):
        if thing is None:
            return
        yield thing
        thing = _next(thing)


def _next(thing: object) -> object:
    match thing:
        case CoroutineType():
            return thing.cr_await
        case GeneratorType():
            return thing.gi_yieldfrom
        case AsyncGeneratorType():
            return thing.ag_await
        case asyncio.Future():
            return None
        case _:
            # What stands between (asend() of a generator, the iterator of a future) does not name what it waits for.
            return next(
                (held for held in gc.get_referents(thing) if isinstance(held, (*_SUSPENDED, asyncio.Future))), None
            )


def _link(thing: object) -> str | None:
    match thing:
        case CoroutineType():
            return _place(thing.__qualname__, thing.cr_frame)
        case GeneratorType():
            return _place(thing.__qualname__, thing.gi_frame)
        case AsyncGeneratorType():
            return _place(thing.__qualname__, thing.ag_frame)
        case asyncio.Task():
            return f"the end of {thing.get_name()}"
        case _:
            return None


def _place(qualname: str, frame: FrameType | None) -> str | None:
    name = qualname.rpartition("<locals>.")[2]
    if frame is None:
        return name
    library = str(frame.f_globals.get("__name__", "")).partition(".")[0] in _LIBRARIES
    if library and name == "TaskHandle._run_coro":  # anyio's wrapper around every task of a group
        return None
    return name if library else f"{name} ({PurePath(frame.f_code.co_filename).name}:{frame.f_lineno})"
