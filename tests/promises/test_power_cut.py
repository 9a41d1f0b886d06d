"""A power cut: the run stops where it stands, runs no code of its own any more, and leaves nothing behind."""

import asyncio
import gc
import logging
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from traceback import format_exception
from weakref import WeakSet

import anyio
import pytest
from anyio._backends import _asyncio as anyio_asyncio

from scenarios.loop.run import cut_power, run_virtual
from scenarios.loop.virtual import PowerCut, VirtualLoop


class House:
    """A program that has every kind of cleanup under way when the power goes out at 10 s."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.tasks: WeakSet[asyncio.Task[object]] = WeakSet()

    async def main(self) -> None:
        async with anyio.create_task_group() as group:
            for part in (
                self.tidy,
                self.shielded,
                self.managed,
                self.iterating,
                self.on_a_stream,
                self.with_a_deadline,
                self.with_an_unawaited_coroutine,
                self.failed_unseen,
                self.cut,
            ):
                group.start_soon(part)

    async def cut(self) -> None:
        self._born()
        await anyio.sleep(10)
        self.log.append("before")
        await cut_power()

    async def tidy(self) -> None:
        self._born()
        try:
            await anyio.sleep(60)
        except (GeneratorExit, asyncio.CancelledError):
            self.log.append("caught")
            raise
        finally:
            self.log.append("finally")

    async def shielded(self) -> None:
        self._born()
        try:
            await anyio.sleep(60)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(1)
            self.log.append("awaited in finally")

    @contextmanager
    def manager(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.log.append("manager closed")

    @asynccontextmanager
    async def async_manager(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            self.log.append("async manager closed")

    async def managed(self) -> None:
        self._born()
        with self.manager():
            async with self.async_manager():
                await anyio.sleep(60)

    async def numbers(self) -> AsyncIterator[int]:
        try:
            while True:
                await anyio.sleep(1)
                yield 1
        finally:
            self.log.append("generator closed")

    async def iterating(self) -> None:
        self._born()
        async for _ in self.numbers():
            await anyio.sleep(100)

    async def on_a_stream(self) -> None:
        self._born()
        send, receive = anyio.create_memory_object_stream[int](0)
        async with send, receive:
            await receive.receive()

    async def with_a_deadline(self) -> None:
        self._born()
        with anyio.fail_after(60):
            await asyncio.Event().wait()

    async def with_an_unawaited_coroutine(self) -> None:
        self._born()
        later = self.tidy()
        await anyio.sleep(60)
        await later

    async def failed_unseen(self) -> None:
        self._born()
        future = asyncio.get_running_loop().create_future()
        future.set_exception(LookupError("never retrieved"))
        await anyio.sleep(60)

    def _born(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)


def test_nothing_runs_after_a_power_cut(caplog: pytest.LogCaptureFixture) -> None:
    """No `finally` and no `except` runs, nothing is closed, and neither a warning nor a log line complains."""
    house = House()
    with warnings.catch_warnings(record=True) as complaints, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        with pytest.raises(PowerCut) as cut:
            run_virtual(house.main)
        gc.collect()
    assert house.log == ["before"]
    assert cut.value.now_s == 10.0
    assert complaints == []
    assert caplog.records == []


def test_nothing_is_left_behind_by_a_power_cut() -> None:
    """The abandoned tasks are freed, and anyio remembers none of them."""
    house = House()
    remembered = anyio_asyncio._task_states  # noqa: SLF001 - the leak is nowhere else to be seen
    before = set(remembered)
    with pytest.raises(PowerCut):
        run_virtual(house.main)
    assert len(house.tasks) == 0
    assert set(remembered) <= before


@pytest.mark.slow
def test_thirty_power_cuts_take_no_more_memory_than_one() -> None:
    """Crash after crash, the number of objects in the process stays the same."""

    def objects_after(cuts: int) -> int:
        for _ in range(cuts):
            with pytest.raises(PowerCut):
                run_virtual(House().main)
        gc.collect()
        return len(gc.get_objects())

    # The first fills caches.
    objects_after(1)
    once = objects_after(1)
    assert objects_after(30) - once < 30


def test_the_power_goes_out_at_once() -> None:
    """Of ten tasks that are ready at the same instant, those behind the one that cut the power never run."""
    ran: list[int] = []

    async def step(number: int) -> None:
        await anyio.sleep(1)
        ran.append(number)
        if number == 3:
            await cut_power()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for number in range(10):
                group.start_soon(step, number)

    with pytest.raises(PowerCut):
        run_virtual(main)
    assert ran == [0, 1, 2, 3]


def test_the_hook_may_cut_the_power_between_two_steps() -> None:
    """A crash can be placed at every step of a run, and each time the run stops exactly there."""

    def run(crash_at_step: int) -> list[int]:
        log: list[int] = []

        async def main() -> None:
            for number in range(5):
                log.append(number)
                await anyio.sleep(1)

        def hook(loop: VirtualLoop) -> None:
            if loop.steps >= crash_at_step:
                loop.cut_power()

        with pytest.raises(PowerCut) as cut:
            run_virtual(main, after_batch=hook)
        assert cut.value.steps >= crash_at_step
        # Between a timer and the step that it wakes, time has come on and the log has not.
        assert len(log) - 1 <= cut.value.now_s <= len(log)
        return log

    lengths = [len(run(step)) for step in range(1, 10)]
    assert lengths == sorted(lengths)
    assert lengths[0] == 1
    assert lengths[-1] == 5


def test_a_restart_goes_on_at_the_instant_of_the_cut() -> None:
    """What is durable outlives the loop, and the next one starts at the very same virtual time."""
    durable: list[tuple[str, float]] = []

    async def first() -> None:
        await anyio.sleep(7.25)
        durable.append(("written", anyio.current_time()))
        await cut_power()

    async def second() -> None:
        durable.append(("recovered", anyio.current_time()))
        await anyio.sleep(1)
        durable.append(("ended", anyio.current_time()))

    with pytest.raises(PowerCut) as cut:
        run_virtual(first)
    run_virtual(second, start_s=cut.value.now_s)
    assert durable == [("written", 7.25), ("recovered", 7.25), ("ended", 8.25)]


def test_finalizers_of_the_world_outside_still_run() -> None:
    """A power cut silences what came into being in the run; what is older closes as ever."""
    log: list[str] = []

    def outside() -> Iterator[None]:
        try:
            yield
        finally:
            log.append("closed")

    generator = outside()
    next(generator)

    async def main() -> None:
        await cut_power()

    with pytest.raises(PowerCut):
        run_virtual(main)
    assert log == []
    del generator
    assert log == ["closed"]


def test_a_run_that_ends_by_itself_cleans_up() -> None:
    """Tasks that outlive a run are cancelled in the order of their creation, and get the time that cleanup takes."""
    log: list[str] = []
    left: list[asyncio.Task[None]] = []

    async def outlive(number: int) -> None:
        try:
            await anyio.sleep(60)
        finally:
            log.append(f"cancelled {number}")
            await anyio.sleep(5 - number)
            log.append(f"cleaned up {number} at {anyio.current_time():.0f}")

    async def main() -> str:
        left.extend(asyncio.ensure_future(outlive(number)) for number in range(3))
        await anyio.sleep(1)
        return "done"

    assert run_virtual(main) == "done"
    assert log[:3] == ["cancelled 0", "cancelled 1", "cancelled 2"]
    assert log[3:] == ["cleaned up 2 at 4", "cleaned up 1 at 5", "cleaned up 0 at 6"]


def test_a_cleanup_that_fails_is_not_lost() -> None:
    """A leftover that fails when it is cancelled fails the run."""

    async def fail_late() -> None:
        try:
            await anyio.sleep(60)
        finally:
            raise LookupError("in cleanup")

    left: list[asyncio.Task[None]] = []

    async def main() -> None:
        left.append(asyncio.ensure_future(fail_late()))
        await anyio.sleep(1)

    with pytest.raises(ExceptionGroup) as caught:
        run_virtual(main)
    assert [repr(error) for error in caught.value.exceptions] == ["LookupError('in cleanup')"]


def test_a_failure_keeps_its_lines_and_lets_go_of_its_world() -> None:
    """The error of a failed run can be kept by the thousand: it shows where it came from and holds nothing else."""
    worlds: WeakSet[House] = WeakSet()

    async def fail() -> None:
        house = House()
        worlds.add(house)
        await anyio.sleep(1)
        raise LookupError("a law is broken")

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(fail)

    with pytest.raises(ExceptionGroup) as caught:
        run_virtual(main)
    assert len(worlds) == 0
    assert 'raise LookupError("a law is broken")' in "".join(format_exception(caught.value))
