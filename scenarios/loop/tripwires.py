"""Tripwires: in a simulated run real time, chance, threads, sockets, files and processes fail at the line that asks.

Two kinds are needed. Clocks, chance and threads are replaced where they are found. Everything else is heard through
Python's audit events, which also see what was imported by name long before. Not seen are clocks and chance that were
imported by name (`from time import time`) and `datetime.now`, which is read in C: our own code is kept from those by a
house rule.

Only the thread that runs the simulation trips. This file must never change what other threads, or this one outside a
run, see.
"""

import os
import random
import sys
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import PurePath
from types import FrameType, ModuleType
from typing import NoReturn, Protocol

_CLOCK = "ask the Clock port, which knows virtual time"
_CHANCE = "draw by key from the Chance port, or take secrets from the Secrets port"
_OUTSIDE = "the world outside is reached through ports, which the scenario implements"

Calls = tuple[tuple[str, Callable[..., object]], ...]

_CLOCKS = tuple(
    f"{name}{unit}"
    for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time", "clock_gettime")
    for unit in ("", "_ns")
)
_REPLACED: tuple[tuple[ModuleType | type, tuple[str, ...], str], ...] = (
    (time, (*_CLOCKS, "sleep"), _CLOCK),
    # Every function of the module's hidden generator; the classes stay, since others inherit from them.
    (random, tuple(name for name in random.__all__ if callable(getattr(random, name)) and name.islower()), _CHANCE),
    (random, ("_urandom",), _CHANCE),  # what `secrets` draws from
    (os, ("urandom", "getrandom"), _CHANCE),
    (uuid, ("uuid1", "uuid4"), _CHANCE),
    (threading.Thread, ("start",), _OUTSIDE),  # an audit event only from Python 3.12 on
)
# Not every platform has every clock.
_FOUND = tuple(
    (owner, tuple(name for name in names if hasattr(owner, name)), instead) for owner, names, instead in _REPLACED
)
# Those and what tests put in their places.
_TRIPPING_MAX = 100
_EVENTS = frozenset({
    "open", "os.listdir", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.scandir", "os.truncate",
    "sqlite3.connect",
    "os.exec", "os.fork", "os.kill", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen",
    "socket.__new__", "socket.bind", "socket.connect", "socket.getaddrinfo", "socket.gethostbyaddr",
    "socket.gethostbyname", "socket.gethostname", "socket.getnameinfo", "socket.getservbyname", "socket.sendto",
})  # fmt: skip
# These may: imports read modules, tracebacks read source lines, and a log record carries a wall time nobody folds.
_ALLOWED = frozenset(
    {"_pytest.assertion.rewrite", "importlib._bootstrap_external", "linecache", "logging", "tokenize", "zipimport"}
)


class Refuse(Protocol):
    """Ends the run and raises."""

    def __call__(self, call: str, instead: str) -> NoReturn:
        """`call` is what was called and where, `instead` what to do."""
        ...


class _Wires:
    """One run's tripwires."""

    def __init__(self, refuse: Refuse, allowed: frozenset[str], wall_ns: Callable[[], int] | None) -> None:
        self._thread = threading.get_ident()
        self._refuse = refuse
        self._allowed = allowed
        # What whoever may ask the machine is told in the place of its wall clock.
        self.told: dict[str, Callable[..., object]] = {}
        if wall_ns is not None:
            self.told = {"time.time": lambda: wall_ns() / 1_000_000_000, "time.time_ns": wall_ns}

    def touched(self, call: str, instead: str, caller: FrameType) -> bool:
        """Returns only where the caller is allowed, or runs in another thread: then False."""
        if threading.get_ident() != self._thread:
            return False
        if caller.f_globals.get("__name__") not in self._allowed:
            self._refuse(f"{call}, at {_first_line_of_ours(caller)},", instead)
        return True


# The wires of the run that is under way. An audit hook cannot be taken out again, so there is one for all runs.
_armed: list[_Wires] = []


@contextmanager
def tripwires(
    refuse: Refuse, *, allowed: Collection[str] = (), wall_ns: Callable[[], int] | None = None
) -> Iterator[None]:
    """Arms all of them. `allowed` names modules that may still ask the machine, beyond the interpreter's own needs.

    What these ask of the wall clock, `wall_ns` answers where it is given, so that they live in the simulated time.
    """
    _listen()
    wires = _Wires(refuse, _ALLOWED | frozenset(allowed), wall_ns)
    found = [
        (owner, tuple((name, getattr(owner, name)) for name in names), instead) for owner, names, instead in _FOUND
    ]
    try:
        for owner, calls, instead in found:
            _put(owner, _all_tripping(owner.__name__, calls, instead))
        _armed.append(wires)
        yield
    finally:
        if wires in _armed:
            _armed.remove(wires)
        for owner, calls, _ in found:
            _put(owner, calls)


def _put(owner: ModuleType | type, calls: Calls) -> None:
    if isinstance(owner, ModuleType):
        vars(owner).update(calls)
    else:
        for name, call in calls:
            setattr(owner, name, call)


@lru_cache(_TRIPPING_MAX)
def _all_tripping(owner: str, calls: Calls, instead: str) -> Calls:
    """What stands in the place of calls while wires are armed; made once, since each life of a daemon arms them all."""
    return tuple((name, _tripping(f"{owner}.{name}", instead, real)) for name, real in calls)


def _tripping(name: str, instead: str, real: Callable[..., object]) -> Callable[..., object]:
    def tripping(*args: object, **options: object) -> object:
        if not _armed:
            return real(*args, **options)
        wires = _armed[-1]
        is_ours = wires.touched(name, instead, sys._getframe(1))  # noqa: SLF001 - the caller's module decides
        return (wires.told.get(name, real) if is_ours else real)(*args, **options)

    return tripping


def _heard(event: str, args: tuple[object, ...]) -> None:
    if event in _EVENTS and _armed:
        detail = repr(args[0]) if args and isinstance(args[0], str | int) else "..."
        _armed[-1].touched(f"{event}({detail})", _OUTSIDE, sys._getframe(1))  # noqa: SLF001 - likewise


_listening = threading.Event()


def _listen() -> None:
    if not _listening.is_set():
        _listening.set()
        sys.addaudithook(_heard)


def _first_line_of_ours(frame: FrameType) -> str:
    """The innermost line that belongs neither to the standard library nor to anyio, which only pass the call on."""
    at: FrameType | None = frame
    while at is not None:
        if str(at.f_globals.get("__name__", "")).partition(".")[0] not in {*sys.stdlib_module_names, "anyio"}:
            return f"{PurePath(at.f_code.co_filename).name}:{at.f_lineno}"
        at = at.f_back
    return f"{PurePath(frame.f_code.co_filename).name}:{frame.f_lineno}"
