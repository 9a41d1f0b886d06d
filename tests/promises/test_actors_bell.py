"""Answers for no ring of a bell being missed, whatever happens to who waits, and for no instant coming early."""

import asyncio

import anyio
import pytest

from actors.bell import Bell
from adapters.clock import SystemClock

pytestmark = pytest.mark.anyio

SOON_US = 2_000


async def test_a_ring_is_for_who_waits_next() -> None:
    """Rung ever so often while nobody waits, it wakes once; the wait after that lasts until its instant."""
    clock = SystemClock(floor_us=0)
    bell = Bell(clock)
    bell.ring()
    bell.ring()
    with anyio.fail_after(10):
        await bell.wait(None)
        until_us = clock.now_us() + SOON_US
        await bell.wait(until_us)
    assert clock.now_us() >= until_us


async def test_a_ring_outlives_who_was_cancelled_in_that_moment() -> None:
    """Whoever is taken away as it rings has not heard it: the next one does."""
    bell = Bell(SystemClock(floor_us=0))
    waits = asyncio.create_task(bell.wait(None))
    await anyio.wait_all_tasks_blocked()
    bell.ring()
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits
    with anyio.fail_after(10):
        await bell.wait(None)


async def test_an_alarm_of_a_wait_that_is_over_wakes_nobody_else() -> None:
    """A wait that a ring cut short takes its alarm along, so that the next one lasts for as long as it is meant to."""
    clock = SystemClock(floor_us=0)
    bell = Bell(clock)
    waits = asyncio.create_task(bell.wait(clock.now_us() + SOON_US))
    await anyio.wait_all_tasks_blocked()
    bell.ring()
    with anyio.fail_after(10):
        await waits
        until_us = clock.now_us() + 5 * SOON_US
        await bell.wait(until_us)
    assert clock.now_us() >= until_us
