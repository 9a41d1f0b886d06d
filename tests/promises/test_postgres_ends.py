"""How a daemon on a database ends: by a fault of its own that nobody else would notice, or where nothing answers it.

Virtual time, and a driver that does what no server does on demand.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import cast

import pytest

from core.errors import StoreUnavailable
from eventstore.numbering import Numbering
from eventstore.postgres.connection import Connection, Pool, Row
from eventstore.postgres.hints import Hints
from eventstore.postgres.owning import Ownership
from eventstore.postgres.presence import Presence
from eventstore.postgres.reading import PostgresReading
from scenarios.loop.run import run_virtual

# What a supervisor waits for a process to end, less what its actors are given.
PATIENCE_S = 2
URL = "postgresql://tidings@127.0.0.1/log"


class Line:
    """A connection over which every question comes to what `answer` gives."""

    def __init__(self, answer: Callable[[], Awaitable[list[Row]]]) -> None:
        self._answer = answer
        self.is_terminated = False

    async def fetch(self, statement: str, *values: object) -> list[Row]:
        return await self._answer()

    def terminate(self) -> None:
        self.is_terminated = True

    def is_closed(self) -> bool:
        return self.is_terminated


class Deaf:
    """A pool whose connections lead nowhere: what is asked through them is never answered, nor is their farewell."""

    def __init__(self) -> None:
        self.is_terminated = False
        self._cut = asyncio.Event()

    def acquire(self, **_: object) -> AbstractAsyncContextManager[Connection]:
        return self._never()

    @asynccontextmanager
    async def _never(self) -> AsyncIterator[Connection]:
        await self._cut.wait()
        if self.is_terminated:
            raise ConnectionResetError
        yield cast("Connection", Line(_hang))

    async def close(self) -> None:
        await self._cut.wait()

    def terminate(self) -> None:
        self.is_terminated = True
        self._cut.set()


async def _fail() -> list[Row]:
    raise ArithmeticError("a fault of ours")


async def _hang() -> list[Row]:
    await asyncio.Event().wait()
    return []


def test_who_is_not_heard_of_by_a_fault_of_ours_ends_by_it() -> None:
    """Where the task that lets it be heard of has died, whoever runs the process hears of it at once, and why."""

    async def main() -> None:
        ownership = Ownership(URL, 1, 0)
        presence = Presence(URL, cast("Connection", Line(_fail)), ownership, Hints(cast("Pool", Deaf())))
        with pytest.raises(ArithmeticError, match="a fault of ours"):
            await presence.lost()
        with pytest.raises(StoreUnavailable, match="heard of"):
            ownership.check()
        # Nobody waits for a turn that cannot come.
        await presence.free()
        await presence.close()
        assert asyncio.get_running_loop().time() == 0

    run_virtual(main)


def test_a_log_whose_connections_lead_nowhere_is_closed_soon() -> None:
    """What was asked is given up after a moment, and whoever asked is told."""

    async def main() -> None:
        pool = Deaf()
        reading = PostgresReading(cast("Pool", pool), Numbering())
        asked = asyncio.ensure_future(reading.head_of(1))
        await asyncio.sleep(0)
        await reading.close()
        assert pool.is_terminated
        assert asyncio.get_running_loop().time() <= PATIENCE_S
        with pytest.raises(StoreUnavailable, match="closed"):
            await asked

    run_virtual(main)


def test_a_round_that_gets_no_answer_is_given_up_at_the_end() -> None:
    """Whoever leaves while a look hangs has no connection to say so, and does not wait for all of its time."""

    async def main() -> None:
        line, hints = Line(_hang), Hints(cast("Pool", Deaf()))
        presence = Presence(URL, cast("Connection", line), Ownership(URL, 1, 0), hints)
        await asyncio.sleep(0)
        hints.tell("word")
        await hints.close()
        assert await presence.close() is None
        assert line.is_terminated
        assert asyncio.get_running_loop().time() <= PATIENCE_S

    run_virtual(main)
