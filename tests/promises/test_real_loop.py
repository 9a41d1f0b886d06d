"""A real loop beside a virtual one: each stands still while the other runs."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

import pytest

from scenarios.loop.hybrid import HybridLoop
from scenarios.loop.real import RealLoop
from scenarios.loop.run import run_virtual

T = TypeVar("T")


def _beside(main: Callable[[RealLoop], Coroutine[Any, Any, T]]) -> T:
    with RealLoop() as real:
        return run_virtual(partial(main, real), kind=HybridLoop)


def _slow(value: T) -> Callable[[], Awaitable[T]]:
    async def work() -> T:
        await asyncio.sleep(0.002)
        return value

    return work


def test_virtual_time_stands_still_while_the_real_loop_works() -> None:
    """What takes real time takes no virtual time, and is heard of before the next timer."""

    async def main(real: RealLoop) -> list[tuple[float, int]]:
        found = []
        for number in range(3):
            value = await real.ask(_slow(number), "question")
            found.append((asyncio.get_running_loop().time(), value))
            await asyncio.sleep(3_600)
        return found

    assert _beside(main) == [(0.0, 0), (3_600.0, 1), (7_200.0, 2)]


def test_what_is_due_runs_beside_an_answer_as_in_asyncio() -> None:
    """A timer that is due runs right behind the answer that came meanwhile, before all that follows from that."""

    questions: SimpleQueue[Callable[[], object]] = SimpleQueue()

    async def main() -> list[str]:
        loop, told = asyncio.get_running_loop(), list[str]()
        assert isinstance(loop, HybridLoop)

        def answered() -> None:
            told.append("the answer")
            loop.call_soon(told.append, "what follows")

        loop.ask(lambda: questions.put(lambda: loop.call_soon_threadsafe(answered)))
        loop.call_at(loop.time(), told.append, "the timer")
        await asyncio.sleep(1)
        return told

    def one() -> None:
        questions.get()()

    thread = threading.Thread(target=one)
    thread.start()
    assert run_virtual(main, kind=HybridLoop) == ["the answer", "the timer", "what follows"]
    thread.join()


def test_the_real_loop_stands_still_while_the_virtual_one_runs() -> None:
    """What was left running there goes on within the next question, and at no other time."""
    steps: list[int] = []

    async def tick() -> None:
        while True:
            steps.append(threading.get_ident())
            await asyncio.sleep(0)

    async def begin() -> asyncio.Task[None]:
        return asyncio.create_task(tick())

    async def main(real: RealLoop) -> tuple[int, int, int]:
        running = await real.ask(begin, "question")
        before = len(steps)
        for _ in range(1_000):
            await asyncio.sleep(1)
        after = len(steps)
        await real.ask(_slow(None), "question")
        real.at_once(partial(_cancelled, running))
        return before, after, len(steps)

    before, after, at_the_end = _beside(main)
    assert before == after < at_the_end
    assert threading.get_ident() not in steps


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def test_what_is_asked_next_to_one_another_goes_together() -> None:
    """Writes that are asked for in one instant begin in that order and are under way at once; a question is not."""
    under_way: list[str] = []
    seen: list[tuple[str, ...]] = []

    async def work(name: str) -> str:
        under_way.append(name)
        await asyncio.sleep(0.002)
        seen.append(tuple(under_way))
        under_way.remove(name)
        return name

    async def main(real: RealLoop) -> list[str]:
        asked = [
            real.ask(partial(work, name), "question" if name.startswith("q") else "write")
            for name in ("w1", "w2", "q1", "q2", "w3")
        ]
        return await asyncio.gather(*asked)

    assert _beside(main) == ["w1", "w2", "q1", "q2", "w3"]
    assert seen[0] == ("w1", "w2")
    assert seen[2] == ("q1", "q2")
    assert seen[4] == ("w3",)


def test_an_error_is_heard_by_whoever_asked() -> None:
    """It is raised where the answer is awaited, and others that went together have theirs; so has who asks at once."""

    async def fail() -> None:
        raise LookupError("nothing there")

    async def main(real: RealLoop) -> int:
        good, bad = real.ask(_slow(7), "question"), real.ask(fail, "question")
        with pytest.raises(LookupError, match="nothing there"):
            await bad
        with pytest.raises(LookupError, match="nothing there"):
            real.at_once(fail)
        return await good

    assert _beside(main) == 7


def test_whoever_does_not_wait_any_more_holds_up_nobody() -> None:
    """A question whose asker was cancelled is answered to nobody, and the next one has its answer."""

    async def main(real: RealLoop) -> int:
        given_up = real.ask(_slow(1), "question")
        kept = real.ask(_slow(2), "write")
        given_up.cancel()
        return await kept

    assert _beside(main) == 2


def test_a_real_loop_leaves_nothing_behind() -> None:
    """Its thread ends, whatever was left there."""

    async def forever() -> None:
        await asyncio.get_running_loop().create_future()

    async def begin() -> None:
        kept.append(asyncio.create_task(forever()))

    threads, kept = threading.active_count(), list[asyncio.Task[None]]()
    with RealLoop() as real:
        real.at_once(begin)
        assert threading.active_count() == threads + 1
    assert threading.active_count() == threads
    assert kept[0].cancelled()
