"""The one reader of the machine's clocks.

This file answers for log time in production (the Clock port) and for the wall time that log lines carry. It must never
decide anything: the rule by which log time is made from the readings is core/timekeeping.py.
"""

import time
from typing import Final

import anyio

from core.timekeeping import LogTime

# A sleep is cut into slices of this length, so that a stepped wall clock or a machine that was suspended (whose
# monotonic clock stands still meanwhile) is noticed this late at most.
SLICE_US: Final = 30_000_000


def wall_us() -> int:
    """Microseconds since 1970 UTC by the machine's wall clock, which may step in both directions."""
    return time.time_ns() // 1_000


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

    def behind_us(self) -> int:
        """How far the wall clock is behind the log, 0 where they agree: worth a warning at start."""
        return self._time.behind_us(wall_us(), _monotonic_us())
