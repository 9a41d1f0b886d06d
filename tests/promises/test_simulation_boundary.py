"""The edge of a simulated run: whoever leaves it fails at that line, and nobody outside notices."""

import asyncio
import os
import random
import secrets
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from functools import partial
from logging import getLogger
from pathlib import Path
from types import ModuleType

import anyio
import anyio.to_thread
import pytest

from scenarios.loop.boundary import BoundaryError
from scenarios.loop.run import run_virtual
from scenarios.loop.virtual import VirtualLoop


def _of(module: ModuleType, name: str, *args: object) -> Callable[[], object]:
    """A call that looks the function up when it is made, as nearly all code does."""
    return lambda: getattr(module, name)(*args)


TOUCHES: dict[str, Callable[[], object]] = {
    "time.time": _of(time, "time"),
    "time.time_ns": _of(time, "time_ns"),
    "time.monotonic": _of(time, "monotonic"),
    "time.perf_counter_ns": _of(time, "perf_counter_ns"),
    "time.clock_gettime": _of(time, "clock_gettime", time.CLOCK_REALTIME),
    "random.random": _of(random, "random"),
    "random.shuffle": _of(random, "shuffle", [1, 2]),
    "random._urandom": _of(secrets, "token_bytes", 8),
    "os.urandom": _of(os, "urandom", 8),
    "uuid.uuid1": _of(uuid, "uuid1"),
    "uuid.uuid4": _of(uuid, "uuid4"),
    "Thread.start": lambda: threading.Thread(target=print).start(),
    "open": Path(__file__).read_bytes,
    "os.listdir": _of(os, "listdir", "."),
    "sqlite3.connect": _of(sqlite3, "connect", ":memory:"),
    "subprocess.Popen": _of(subprocess, "Popen", [sys.executable, "-V"]),
    "socket.__new__": socket.socket,
    "socket.getaddrinfo": _of(socket, "getaddrinfo", "localhost", 80),
}


@pytest.mark.parametrize("call", TOUCHES)
def test_touching_the_machine_fails_the_run_at_that_line(call: str) -> None:
    """Clocks, chance, threads, files, processes and sockets raise, naming the call and the line in our own code."""

    async def main() -> None:
        await anyio.sleep(1)
        TOUCHES[call]()

    with pytest.raises(BoundaryError, match=rf"^{call}.* at test_simulation_boundary.py:\d+, was called"):
        run_virtual(main)


@pytest.mark.parametrize("call", TOUCHES)
def test_swallowing_the_error_does_not_save_the_run(call: str) -> None:
    """Where the code that left the simulation catches everything, the run ends with the error all the same."""
    went_on = []

    async def main() -> None:
        try:
            TOUCHES[call]()
        except BoundaryError:
            await anyio.sleep(1)
            went_on.append(call)

    with pytest.raises(BoundaryError, match=f"^{call}"):
        run_virtual(main)
    assert went_on == []


LOOP_CALLS: dict[str, Callable[[asyncio.AbstractEventLoop], object]] = {
    "run_in_executor": lambda loop: loop.run_in_executor(None, print),
    "getaddrinfo": lambda loop: loop.getaddrinfo("localhost", 80),
    "create_connection": lambda loop: loop.create_connection(asyncio.Protocol, "localhost", 80),
    "create_server": lambda loop: loop.create_server(asyncio.Protocol, "localhost", 80),
    "create_datagram_endpoint": lambda loop: loop.create_datagram_endpoint(asyncio.DatagramProtocol),
    "subprocess_exec": lambda loop: loop.subprocess_exec(asyncio.SubprocessProtocol, "true"),
    "subprocess_shell": lambda loop: loop.subprocess_shell(asyncio.SubprocessProtocol, "true"),
    "add_signal_handler": lambda loop: loop.add_signal_handler(15, print),
    "add_reader": lambda loop: loop.add_reader(0, print),
    "set_task_factory": lambda loop: loop.set_task_factory(None),
}


@pytest.mark.parametrize("call", LOOP_CALLS)
def test_the_loop_refuses_what_is_real_by_name(call: str) -> None:
    """What needs a thread, a socket, a process or a signal is refused by the loop before it begins."""

    async def main() -> None:
        LOOP_CALLS[call](asyncio.get_running_loop())

    with pytest.raises(BoundaryError, match=rf"^loop\.{call} was called"):
        run_virtual(main)


def test_a_worker_thread_is_refused() -> None:
    """anyio's worker threads, which bypass the loop's executor, are caught as they start."""

    async def main() -> None:
        await anyio.to_thread.run_sync(print)

    with pytest.raises(BoundaryError, match=r"^Thread\.start.*test_simulation_boundary.py"):
        run_virtual(main)


def test_another_thread_cannot_call_into_the_loop() -> None:
    """A thread from outside that calls into the loop gets the error, and so does the run."""
    refused: list[BaseException] = []
    begin, ended = threading.Event(), threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    def call_in() -> None:
        begin.wait()
        try:
            loops[0].call_soon_threadsafe(print)
        except BoundaryError as error:
            refused.append(error)
        ended.set()

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        begin.set()
        ended.wait()
        await anyio.sleep(1)

    outsider = threading.Thread(target=call_in)
    outsider.start()
    with pytest.raises(BoundaryError, match=r"^loop\.call_soon_threadsafe"):
        run_virtual(main)
    outsider.join()
    assert len(refused) == 1


def test_other_threads_keep_their_clocks_during_a_run() -> None:
    """A thread that runs beside a simulation may ask for the time and draw chance."""
    answers: list[object] = []
    begin, ended = threading.Event(), threading.Event()

    def ask() -> None:
        begin.wait()
        try:
            answers.extend([time.monotonic(), random.getstate(), os.urandom(1), Path(__file__).read_bytes()])
        finally:
            ended.set()

    async def main() -> None:
        begin.set()
        ended.wait()

    outsider = threading.Thread(target=ask)
    outsider.start()
    run_virtual(main)
    outsider.join()
    assert len(answers) == 4


def test_everything_is_as_before_after_a_run() -> None:
    """Clocks and chance are the very functions that they were, whether the run ended well or not."""
    watched = [(owner, name) for owner in (time, random, os, uuid, threading.Thread) for name in vars(owner)]
    before = [getattr(owner, name) for owner, name in watched]

    async def main() -> None:
        time.monotonic()

    run_virtual(partial(anyio.sleep, 1))
    with pytest.raises(BoundaryError):
        run_virtual(main)
    assert [getattr(owner, name) for owner, name in watched] == before


def test_a_module_may_be_allowed() -> None:
    """A library that stamps what nobody folds may be allowed by its name; nobody else may for that."""

    async def main() -> float:
        return time.monotonic()

    assert run_virtual(main, allowed={__name__}) > 0
    with pytest.raises(BoundaryError):
        run_virtual(main, allowed={"some.other.module"})


def test_logging_and_late_imports_work_inside_a_run(caplog: pytest.LogCaptureFixture) -> None:
    """A log record takes its wall time, and a module is imported when it is first needed."""
    sys.modules.pop("this_is_late", None)

    async def main() -> str:
        getLogger("tests").warning("it happened")
        sys.modules.pop("colorsys", None)
        import colorsys  # noqa: PLC0415 - late is what is tried

        return colorsys.__name__

    assert run_virtual(main) == "colorsys"
    assert caplog.messages == ["it happened"]


def test_a_loop_of_its_own_serves_plain_anyio() -> None:
    """The loop works as anyio's `loop_factory` too, without tripwires: a fixture of waiting tests may use it."""

    async def main() -> float:
        await anyio.sleep(3_600)
        return anyio.current_time()

    assert anyio.run(main, backend_options={"loop_factory": VirtualLoop}) == 3_600
