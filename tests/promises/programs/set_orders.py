"""Walks through everything that asyncio and anyio keep in sets, and prints in which order it happened.

Run as `python -m tests.promises.programs.set_orders NOISE LOOP`. NOISE scatters memory differently for each value, as
different machines would. LOOP is `numbered` for the virtual loop as scenarios use it, or `addresses` for the same loop
without numbers: the control that shows that this program would tell.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Generator
from contextvars import Context
from typing import Any, TypeVar
from weakref import WeakSet

import anyio

from scenarios.loop.run import run_virtual
from scenarios.loop.virtual import VirtualLoop

T = TypeVar("T")
TASKS = 20


class AddressLoop(VirtualLoop):
    """The virtual loop with asyncio's own tasks and futures and anyio's own scopes and events."""

    _asyncgens: WeakSet[AsyncGenerator[Any, Any]]  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self._asyncgens = WeakSet()

    def create_task(
        self,
        coro: Coroutine[Any, Any, T] | Generator[Any, None, T],
        *,
        name: object = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        return asyncio.Task(coro, loop=self, name=str(name), context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def run_forever(self) -> None:
        asyncio.BaseEventLoop.run_forever(self)


class Noise:
    """Fills memory between two tasks with odd amounts of odd sizes."""

    def __init__(self, seed: int) -> None:
        self._state = seed
        self._kept: list[bytes] = []

    def make(self) -> None:
        for _ in range(self._next() % 7):
            self._kept.append(bytes(self._next() % 512))

    def _next(self) -> int:
        # A linear congruential generator: the noise itself must be the same for the same seed.
        self._state = (self._state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64
        return self._state >> 33


class Program:
    """All known leaks, one after the other, in one run."""

    def __init__(self, noise: Noise) -> None:
        self.log: list[str] = []
        self._noise = noise
        self._left: list[object] = []

    async def main(self) -> None:
        for leak in (
            self.cancelled_group,
            self.nested_scopes,
            self.aborted_group,
            self.waited_tasks,
            self.waited_futures,
            self.closed_stream,
        ):
            self.log.append(f"# {leak.__name__}")
            await leak()
        self.log.append("# leftovers")
        for number in range(TASKS):
            self._noise.make()
            self._left.append(asyncio.ensure_future(self.note_cleanup(number)))
        for number in range(TASKS):
            self._noise.make()
            generator = self.count_up(number)
            self._left.append(generator)
            await anext(generator)

    async def cancelled_group(self) -> None:
        async with anyio.create_task_group() as group:
            for number in range(TASKS):
                self._noise.make()
                group.start_soon(self.note_cleanup, number)
            await anyio.sleep(1)
            group.cancel_scope.cancel()

    async def nested_scopes(self) -> None:
        async def nested(number: int) -> None:
            with anyio.CancelScope(), anyio.CancelScope():
                await self.note_cleanup(number)

        with anyio.move_on_after(1):
            async with anyio.create_task_group() as group:
                for number in range(TASKS):
                    self._noise.make()
                    group.start_soon(nested, number)

    async def aborted_group(self) -> None:
        async def fail() -> None:
            await asyncio.sleep(1)
            raise LookupError

        try:
            async with asyncio.TaskGroup() as group:
                for number in range(TASKS):
                    self._noise.make()
                    group.create_task(self.note_cleanup(number))
                group.create_task(fail())
        except* LookupError:
            self.log.append("aborted")

    async def waited_tasks(self) -> None:
        async def number_of(number: int) -> int:
            await asyncio.sleep(1)
            return number

        tasks = []
        for number in range(TASKS):
            self._noise.make()
            tasks.append(asyncio.ensure_future(number_of(number)))
        done, _ = await asyncio.wait(tasks)
        self.log.extend(f"done {task.result()}" for task in done)

    async def waited_futures(self) -> None:
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[int]] = []
        for number in range(TASKS):
            self._noise.make()
            futures.append(loop.create_future())
            futures[-1].set_result(number)
        done, _ = await asyncio.wait(futures)
        self.log.extend(f"done {future.result()}" for future in done)

    async def closed_stream(self) -> None:
        send, receive = anyio.create_memory_object_stream[int](0)

        async def receiving(number: int) -> None:
            try:
                await receive.receive()
            except anyio.ClosedResourceError:
                self.log.append(f"closed {number}")

        async with anyio.create_task_group() as group:
            for number in range(TASKS):
                self._noise.make()
                group.start_soon(receiving, number)
            await anyio.sleep(1)
            receive.close()
        send.close()

    async def note_cleanup(self, number: int) -> None:
        try:
            await anyio.sleep(60)
        finally:
            self.log.append(f"cleaned up {number}")

    async def count_up(self, number: int) -> AsyncIterator[int]:
        try:
            while True:
                yield number
        finally:
            self.log.append(f"closed generator {number}")


async def crowd() -> None:
    """Many tasks at once: asyncio's set of all tasks in the process stays large after them."""
    async with anyio.create_task_group() as group:
        for _ in range(2_000):
            group.start_soon(anyio.sleep, 1)


def run() -> None:
    """Runs all and prints the log. An odd NOISE means that another run came before in the same process."""
    noise, loop = int(sys.argv[1]), sys.argv[2]
    if noise % 2:
        run_virtual(crowd)
    program = Program(Noise(noise))
    if loop == "numbered":
        run_virtual(program.main)
    else:
        anyio.run(program.main, backend_options={"loop_factory": AddressLoop})
    sys.stdout.write("\n".join(program.log))


if __name__ == "__main__":
    run()
