"""The clock of a simulated daemon: log time over virtual time and a wall clock that steps as its scenario says.

This file answers for the Clock port, built on the same rule as production's (core/timekeeping.py) and as late to notice
a step. It must never know anything but the scripted steps.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate

from adapters.clock import SLICE_US, SlicedAlarm
from core.policies import SECOND_US
from core.timekeeping import LogTime
from scenarios.loop.virtual import running_loop


class Timepiece:
    """Log time as a function of true time (microseconds since the start), for one life of the daemon.

    `steps` are (when, by how far), in order; `floor_us` as in production. A machine's wall clock outlives the daemon,
    so after a crash a new one stands where the steps so far have led.
    """

    def __init__(self, *, start_us: int, floor_us: int, steps: Sequence[tuple[int, int]], true_us: int) -> None:
        self._start_us = start_us
        self._has_steps = bool(steps)
        self._steps_at_us = [at_us for at_us, _ in steps]
        self._offsets_us = [0, *accumulate(by_us for _, by_us in steps)]
        self._time = LogTime(wall_us=self.wall_us(true_us), monotonic_us=true_us, floor_us=floor_us)

    def at(self, true_us: int) -> int:
        """Log time at an instant; asked in order, it never goes back."""
        # The busiest line of a simulation: without steps the wall clock is not worth a call.
        wall_us = self.wall_us(true_us) if self._has_steps else self._start_us + true_us
        return self._time.at(wall_us, true_us)

    def wait_us(self, until_us: int, true_us: int) -> int:
        """How long it takes until log time is there, if the wall clock does not step; 0 if it is."""
        wall_us = self.wall_us(true_us) if self._has_steps else self._start_us + true_us
        return self._time.wait_us(until_us, wall_us, true_us)

    def wall_us(self, true_us: int) -> int:
        """What the machine's wall clock shows."""
        stepped = bisect_right(self._steps_at_us, true_us)
        return self._start_us + true_us + self._offsets_us[stepped]

    def noticed_us(self, began_us: int, true_us: int) -> int | None:
        """The end of the first slice of a sleep that has the next step in it, None where no step is to come."""
        following = bisect_right(self._steps_at_us, true_us) if self._has_steps else 0
        if following == len(self._steps_at_us):
            return None
        return began_us + -(-(self._steps_at_us[following] - began_us) // SLICE_US) * SLICE_US


class SimulatedClock:
    """The Clock port of one life."""

    def __init__(self, timepiece: Timepiece) -> None:
        self._timepiece = timepiece
        self._loop = running_loop()
        # The instant that was asked about last, and what it was: virtual time stands still while work is done.
        self._asked_us = -1
        self._now_us = 0

    def now_us(self) -> int:
        """The present instant of log time."""
        true_us = self._loop.now_us
        if true_us != self._asked_us:
            self._asked_us, self._now_us = true_us, self._timepiece.at(true_us)
        return self._now_us

    async def sleep_until(self, instant_us: int) -> None:
        """Returns once log time has got there. A step meanwhile is noticed at the end of a slice, as in production."""
        began_us = self._loop.now_us
        while True:
            wait_us = self._slice_left_us(instant_us, began_us)
            if not wait_us:
                return
            await asyncio.sleep(wait_us / SECOND_US)

    def alarm(self, instant_us: int, ring: Callable[[], None]) -> SlicedAlarm:
        """Rings once log time has got there, and notices a step as a sleep does."""
        return SlicedAlarm(partial(self._slice_left_us, instant_us, self._loop.now_us), ring)

    def _slice_left_us(self, instant_us: int, began_us: int) -> int:
        """How long until log time is there, or until the step is noticed that comes before."""
        true_us = self._loop.now_us
        wait_us = self._timepiece.wait_us(instant_us, true_us)
        noticed_us = self._timepiece.noticed_us(began_us, true_us) if wait_us else None
        return wait_us if noticed_us is None else min(wait_us, noticed_us - true_us)
