"""The one reader of the machine's clocks.

This file answers for log time in production (the Clock port) and for the wall time that log lines carry. It must never
decide anything: the rule by which log time is made from the readings is core/timekeeping.py.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import anyio

from core.timekeeping import LogTime

# A sleep is cut into slices of this length, so that a stepped wall clock or a machine that was suspended (whose
# monotonic clock stands still meanwhile) is noticed this late at most.
SLICE_US: Final = 30_000_000


def wall_us() -> int:
    """Microseconds since 1970 UTC by the machine's wall clock, which may step in both directions."""
    return time.time_ns() // 1_000


def monotonic_s() -> float:
    """Seconds by the machine's monotonic clock, which never steps: for how long something took."""
    return time.monotonic()


def _monotonic_us() -> int:
    return time.monotonic_ns() // 1_000


def rest(span_s: float) -> None:
    """Holds up a command that watches something from outside. Nothing in the daemon may ever call it."""
    time.sleep(span_s)


class SystemClock:
    """Log time from the machine's clocks. `floor_us` is the last instant in the log, 0 for an empty one."""

    def __init__(self, *, floor_us: int, slice_us: int = SLICE_US) -> None:
        self._time = LogTime(wall_us=wall_us(), monotonic_us=_monotonic_us(), floor_us=floor_us)
        self._slice_us = slice_us

    def now_us(self) -> int:
        """The present instant of log time; two calls in a row never decrease."""
        return self._time.at(time.time_ns() // 1_000, time.monotonic_ns() // 1_000)

    async def sleep_until(self, instant_us: int) -> None:
        """Returns once `now_us() >= instant_us`; a wall clock that steps meanwhile is followed within a slice."""
        while True:
            wait_us = self._time.wait_us(instant_us, wall_us(), _monotonic_us())
            if wait_us == 0:
                return
            await anyio.sleep(min(wait_us, self._slice_us) / 1_000_000)

    def alarm(self, instant_us: int, ring: Callable[[], None]) -> "SlicedAlarm":
        """Rings once `now_us() >= instant_us`; a wall clock that steps meanwhile is followed within a slice."""
        return SlicedAlarm(partial(self._slice_left_us, instant_us), ring)

    def _slice_left_us(self, instant_us: int) -> int:
        return min(self._time.wait_us(instant_us, wall_us(), _monotonic_us()), self._slice_us)

    def behind_us(self) -> int:
        """How far the wall clock is behind the log, 0 where they agree: worth a warning at start."""
        return self._time.behind_us(wall_us(), _monotonic_us())


class SlicedAlarm:
    """An alarm of a clock that may step: `left_us` says how long to wait until looking again, 0 when it is time."""

    __slots__ = ("_left_us", "_loop", "_ring", "_timer")

    def __init__(self, left_us: Callable[[], int], ring: Callable[[], None]) -> None:
        self._left_us = left_us
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(left_us() / 1_000_000, self._look)

    def cancel(self) -> None:
        """It does not ring any more."""
        self._timer.cancel()

    def _look(self) -> None:
        left_us = self._left_us()
        if left_us:
            self._timer = self._loop.call_later(left_us / 1_000_000, self._look)
        else:
            self._ring()
