"""Answers for deadlines on one timer: whoever is late is cut off at their own instant, and nobody else is."""

import asyncio
from collections.abc import Callable
from typing import Final

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.deadlines import Deadlines
from scenarios.loop.run import run_virtual

# When a piece of work begins, how long it takes, how long it may, how long it may instead once it is half through, if
# that is changed, and when somebody takes its task away, if ever. No two things happen at one instant.
Work = tuple[int, int, int, int | None, int | None]
WORKS: Final = st.lists(
    st.tuples(
        st.integers(0, 40).map(lambda at: 100 * at),
        st.integers(0, 30).map(lambda took: 100 * took + 10),
        st.integers(-1, 30).map(lambda span: 100 * span + 20),
        st.none() | st.integers(-1, 30).map(lambda span: 100 * span + 43),
        st.none() | st.integers(0, 60).map(lambda at: 100 * at + 30),
    ),
    min_size=1,
    max_size=8,
)


async def _told(work: Work, deadlines: Deadlines | None) -> tuple[str, float]:
    """What became of a piece of work, and when; without `deadlines` asyncio's own timeout bounds it."""
    at_ms, *_ = work
    loop, fate = asyncio.get_running_loop(), "done"
    try:
        await asyncio.sleep(at_ms / 1_000)
        fate = await _bounded(work, deadlines)
        await asyncio.sleep(0.005)
    except asyncio.CancelledError:
        fate += ", then taken away"
    return fate, round(loop.time(), 6)


async def _bounded(work: Work, deadlines: Deadlines | None) -> str:
    _, _, span_ms, _, _ = work
    try:
        if deadlines is None:
            async with asyncio.timeout(span_ms / 1_000) as timeout:
                await _done(work, timeout.reschedule)
        else:
            with deadlines.within(span_ms / 1_000) as deadline:
                await _done(work, deadline.move)
    except TimeoutError:
        return "late"
    return "done"


async def _done(work: Work, move: Callable[[float], None]) -> None:
    _, took_ms, _, instead_ms, _ = work
    await asyncio.sleep(took_ms / 2_000)
    if instead_ms is not None:
        move(asyncio.get_running_loop().time() + instead_ms / 1_000)
    await asyncio.sleep(took_ms / 2_000)


async def _all_told(works: list[Work], deadlines: Deadlines | None) -> list[tuple[str, float]]:
    loop = asyncio.get_running_loop()
    tasks = [asyncio.ensure_future(_told(work, deadlines)) for work in works]
    for task, (*_, taken_ms) in zip(tasks, works, strict=True):
        if taken_ms is not None:
            loop.call_at(taken_ms / 1_000, task.cancel)
    return [fate if not isinstance(fate, BaseException) else ("never begun", 0.0)
            for fate in await asyncio.gather(*tasks, return_exceptions=True)]  # fmt: skip  # One thought.


@given(works=WORKS)
def test_it_comes_to_what_a_timeout_of_each_comes_to(works: list[Work]) -> None:
    """Whatever is late, in time or taken away, each piece of work ends as under a timeout of its own, and then."""
    ours = run_virtual(lambda: _all_told(works, Deadlines()))
    assert ours == run_virtual(lambda: _all_told(works, None))


def test_one_within_another_is_cut_off_alone() -> None:
    """The inner deadline leaves the outer one its time, and each says whether it was the one."""

    async def main() -> None:
        deadlines, loop = Deadlines(), asyncio.get_running_loop()
        outer, inner = deadlines.within(3), deadlines.within(1)

        async def both() -> None:
            with pytest.raises(TimeoutError), inner:
                await asyncio.sleep(10)
            assert (loop.time(), inner.is_over, outer.is_over) == (1, True, False)
            await asyncio.sleep(10)

        with pytest.raises(TimeoutError), outer:
            await both()
        assert (loop.time(), outer.is_over) == (3, True)

    run_virtual(main)


def test_a_timeout_of_the_work_itself_is_its_own() -> None:
    """What times out within a deadline has not met it."""

    async def main() -> None:
        bound = Deadlines().within(3)
        with pytest.raises(TimeoutError), bound:
            raise TimeoutError
        assert not bound.is_over

    run_virtual(main)


def test_who_stops_everything_is_heard_though_time_is_over() -> None:
    """Cancelled by somebody else at the very moment of its deadline, a task hears of that."""

    async def main() -> None:
        deadlines, loop = Deadlines(), asyncio.get_running_loop()
        task = asyncio.ensure_future(_told((0, 20_000, 1_000, None, None), deadlines))
        await asyncio.sleep(0)
        loop.call_at(1, task.cancel)
        assert await task == ("done, then taken away", 1)

    run_virtual(main)


def test_nothing_rings_where_nobody_waits() -> None:
    """Once all work is done no timer is left: the next thing that happens is somebody else's."""

    async def main() -> None:
        deadlines, loop = Deadlines(), asyncio.get_running_loop()
        for span_s in (9, 3, 6):
            with deadlines.within(span_s):
                await anyio.sleep(1)
        assert loop.time() == 3
        assert deadlines._timer is None  # noqa: SLF001 - what would ring is nowhere else to be seen

    run_virtual(main)
