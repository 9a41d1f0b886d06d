"""Answers for work that is cut off when its time is over, and for no other."""

import asyncio

import anyio
import pytest

from adapters.web.patience import Patience

pytestmark = pytest.mark.anyio


async def test_what_is_in_time_comes_through() -> None:
    """Work that ends gives its answer or its error, at once or after a while, one piece after another."""
    patience = Patience(60)

    async def work(answer: int) -> int:
        await asyncio.sleep(0)
        return answer

    async def broken() -> None:
        await asyncio.sleep(0)
        raise ValueError("as it was")

    assert [await patience.of(work(number)) for number in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="as it was"):
        await patience.of(broken())
    assert await patience.of(work(4)) == 4


async def test_what_is_late_is_cut_off_alone() -> None:
    """Of many begun one after another each is cut off when its own time is over; those in time are left alone."""
    patience, ended = Patience(0.05), []

    async def one(number: int, done: asyncio.Event | None) -> None:
        try:
            await patience.of(asyncio.Event().wait() if done is None else done.wait())
        except TimeoutError:
            ended.append((number, "late"))
        else:
            ended.append((number, "in time"))
        await asyncio.sleep(0)  # Nothing of the cut comes after it.

    done = asyncio.Event()
    with anyio.fail_after(20):
        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(one(number, None))
            group.create_task(one(3, done))
            await asyncio.sleep(0)
            done.set()
        await one(4, None)
    assert ended == [(3, "in time"), (0, "late"), (1, "late"), (2, "late"), (4, "late")]


async def test_a_cancellation_from_elsewhere_is_not_hidden() -> None:
    """A task that is cancelled by somebody else ends as cancelled, and not as late."""
    task = asyncio.get_running_loop().create_task(Patience(60).of(asyncio.Event().wait()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_work_that_holds_tasks_of_its_own_is_cut_off_whole() -> None:
    """What it started ends with it."""
    ended = []

    async def child() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("child")

    async def work() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(child)
            group.start_soon(child)

    with pytest.raises(TimeoutError):
        await Patience(0.01).of(work())
    assert ended == ["child", "child"]
