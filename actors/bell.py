"""Waiting for an instant or for somebody who rings, whichever comes first.

This file answers for no ring being missed. A wait is one future and at most one timer: the scheduler waits here several
times for each message, and a cancel scope or a task for each of them was a twentieth of a simulation.
"""

import asyncio
from functools import partial

from core.ports import Clock


class Bell:
    """One waiter, many ringers. A ring while nobody waits is remembered, so none is ever missed."""

    __slots__ = ("_clock", "_is_rung", "_waiter")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiter: asyncio.Future[None] | None = None
        self._is_rung = False

    def ring(self) -> None:
        """Wakes the waiter now."""
        self._is_rung = True
        if self._waiter is not None:
            _wake(self._waiter)

    async def wait(self, until_us: int | None) -> None:
        """Returns at a ring, or once log time reaches `until_us` (None: only at a ring)."""
        if not self._is_rung and (until_us is None or until_us > self._clock.now_us()):
            waiter = self._waiter = asyncio.get_running_loop().create_future()
            alarm = None if until_us is None else self._clock.alarm(until_us, partial(_wake, waiter))
            try:
                await waiter
            finally:
                self._waiter = None
                if alarm is not None:
                    alarm.cancel()
        self._is_rung = False


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
