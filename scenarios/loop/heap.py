"""A run's own part of the memory: cleaned up when the run ends, and dropped without a word when its power is cut.

A power cut runs no `finally`, closes nothing and warns of nothing. Python would do all three as soon as the abandoned
coroutines, generators and streams are dropped: closing a suspended coroutine is what its finalizer does. So the
finalizers of everything that came into being during the run are marked as having run already, and the memory is given
back like any other.

This file must never touch an object that is older than the run.
"""

import ctypes
import gc
import traceback
from functools import cache, lru_cache
from itertools import compress
from types import TracebackType

# CPython keeps two words in front of each object that its collector knows; the lowest bit of the nearer one says
# whether the finalizer has run (PEP 442; `_PyGC_PREV_MASK_FINALIZED`, the same in 3.11 to 3.13).
_WORD_BYTES = ctypes.sizeof(ctypes.c_size_t)
_FINALIZED = 1
# Types whose finalizers are known, of a few hundred that there are in a heap.
_KINDS_MAX = 2_000
# All of the memory that a process can have, as words: what is not touched need not be there.
_WORDS = (ctypes.c_size_t * ((1 << 56) // _WORD_BYTES)).from_address(0)


class OwnHeap:
    """What is created inside is told apart from what was there before, and its garbage is collected at the end.

    The older part of the heap is frozen meanwhile, which costs no time and keeps the collector from walking through it.
    Whoever froze it before (`gc.freeze` after imports) finds it thawed afterwards.
    """

    def __enter__(self) -> None:
        gc.freeze()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        # A search through thousands of failing runs keeps the error of each, and must not keep its whole world with it.
        if error is not None:
            _forget_locals(error)
        gc.collect()
        gc.unfreeze()


def silence_finalizers() -> None:
    """Inside an `OwnHeap`: nothing that was created in it runs any code of its own when it is dropped."""
    _check_layout()
    enabled = gc.isenabled()
    gc.disable()  # It keeps a list of objects in the very words that are changed here.
    try:
        # A heap has many things and few types, so it is the types that are asked, and Python that goes through it.
        things = gc.get_objects()
        finalized = set(filter(_has_finalizer, set(map(type, things))))
        for thing in compress(things, map(finalized.__contains__, map(type, things))):
            _WORDS[id(thing) // _WORD_BYTES - 1] |= _FINALIZED
    finally:
        if enabled:
            gc.enable()


@lru_cache(_KINDS_MAX)
def _has_finalizer(kind: type) -> bool:
    return hasattr(kind, "__del__")


def _forget_locals(error: BaseException) -> None:
    """Clears the variables of all frames that the error came through, and those it came from; its lines stay."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        at = waiting.pop()
        if at is None or id(at) in seen:
            continue
        seen.add(id(at))
        traceback.clear_frames(at.__traceback__)
        waiting += [at.__cause__, at.__context__]
        if isinstance(at, BaseExceptionGroup):
            waiting += at.exceptions


def _flags(thing: object) -> int:
    return _WORDS[id(thing) // _WORD_BYTES - 1]


class _Probe:
    """Comes back to life when it is dropped, with its finalizer marked by Python itself."""

    def __init__(self, kept: list["_Probe"]) -> None:
        self._kept = kept

    def __del__(self) -> None:
        self._kept.append(self)


@cache
def _check_layout() -> None:
    """Reads the mark where it is known to stand and known to be missing, before anything is written in this process."""
    finalized: list[_Probe] = []
    _Probe(finalized)
    fresh = _Probe(finalized)
    as_expected = (
        gc.is_finalized(finalized[0])
        and _flags(finalized[0]) & _FINALIZED == 1
        and not gc.is_finalized(fresh)
        and _flags(fresh) & _FINALIZED == 0
    )
    if as_expected:
        _WORDS[id(fresh) // _WORD_BYTES - 1] |= _FINALIZED
        as_expected = gc.is_finalized(fresh)
    if not as_expected:
        raise RuntimeError(
            "this interpreter keeps its finalizer marks elsewhere: a power cut cannot be simulated on it"
        )
