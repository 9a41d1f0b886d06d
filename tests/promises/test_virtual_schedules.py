"""Every schedule of the virtual loop: anyio keeps its promises, and what fifo hides comes to light."""

from collections.abc import Callable
from functools import partial

import anyio
import pytest
from anyio.lowlevel import checkpoint

from scenarios.draws import Draws
from scenarios.loop.run import run_virtual
from scenarios.loop.schedules import Fifo, Pct, Ready, Schedule, Walk

SCHEDULES: dict[str, Callable[[int], Callable[[Ready], Schedule]]] = {
    "fifo": lambda _seed: Fifo,
    "walk": lambda seed: partial(Walk, draws=Draws(seed)),
    "pct": lambda seed: partial(Pct, draws=Draws(seed), steps=50),
}


async def both_own_it() -> bool:
    """Two tasks that check, wait and then act: whether both came to think that the thing was theirs."""
    owners: list[int] = []
    lock_free = anyio.Event()

    async def own(number: int, checkpoints_before: int) -> None:
        for _ in range(checkpoints_before):
            await checkpoint()
        if not owners:
            await checkpoint()
            owners.append(number)
        lock_free.set()

    async with anyio.create_task_group() as group:
        group.start_soon(own, 1, 0)
        group.start_soon(own, 2, 3)
        await lock_free.wait()
    return len(owners) == 2


@pytest.mark.parametrize("name", ["walk", "pct"])
def test_other_schedules_find_a_race_that_fifo_never_shows(name: str) -> None:
    """A check-wait-act race that asyncio's order hides is found within a hundred seeds, and again by the same seed."""
    assert not run_virtual(both_own_it)
    found = [seed for seed in range(100) if run_virtual(both_own_it, schedule=SCHEDULES[name](seed))]
    assert found
    assert all(run_virtual(both_own_it, schedule=SCHEDULES[name](seed)) for seed in found)


@pytest.mark.parametrize("name", SCHEDULES)
def test_anyio_behaves(name: str) -> None:
    """Task groups, events, locks, semaphores, streams and timeouts keep their promises under every schedule."""

    async def main() -> list[object]:
        return [await promise() for promise in (a_group, an_event, a_lock, a_stream, timeouts)]

    assert run_virtual(main, schedule=SCHEDULES[name](7)) == [
        [0.5, 1.0, 1.5],
        ["set", "seen"],
        1,
        [0, 1, 2, 3, 4],
        ["moved on at 3.0", "failed at 5.0", "shielded until 7.0"],
    ]


async def a_group() -> list[float]:
    """Tasks of a group end by their own times, and the group after all of them."""
    start_s = anyio.current_time()
    ended: list[float] = []

    async def wait(for_s: float) -> None:
        await anyio.sleep(for_s)
        ended.append(anyio.current_time() - start_s)

    async with anyio.create_task_group() as group:
        for for_s in (1.5, 0.5, 1.0):
            group.start_soon(wait, for_s)
    return ended


async def an_event() -> list[str]:
    """Who waits for an event goes on once it is set."""
    event, log = anyio.Event(), list[str]()

    async def wait() -> None:
        await event.wait()
        log.append("seen")

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.sleep(1)
        log.append("set")
        event.set()
    return log


async def a_lock() -> int:
    """How many were inside a lock at once, at most."""
    lock, inside, most = anyio.Lock(), 0, 0

    async def hold() -> None:
        nonlocal inside, most
        async with lock:
            inside += 1
            most = max(most, inside)
            await anyio.sleep(0.01)
            inside -= 1

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(hold)
    return most


async def a_stream() -> list[int]:
    """A buffered stream keeps its order and ends when its sender closes."""
    send, receive = anyio.create_memory_object_stream[int](2)
    received: list[int] = []

    async def produce() -> None:
        async with send:
            for number in range(5):
                await send.send(number)

    async with anyio.create_task_group() as group, receive:
        group.start_soon(produce)
        received.extend([number async for number in receive])
    return received


async def timeouts() -> list[str]:
    """What each kind of timeout did, and when."""
    start_s, log = anyio.current_time(), list[str]()
    with anyio.move_on_after(3):
        await anyio.sleep(10)
    log.append(f"moved on at {anyio.current_time() - start_s:.1f}")
    try:
        with anyio.fail_after(2):
            await anyio.sleep(10)
    except TimeoutError:
        log.append(f"failed at {anyio.current_time() - start_s:.1f}")
    with anyio.move_on_after(1):
        with anyio.CancelScope(shield=True):
            await anyio.sleep(2)
        log.append(f"shielded until {anyio.current_time() - start_s:.1f}")
        await anyio.sleep(10)
    return log
