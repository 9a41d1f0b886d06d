"""A simulated daemon's connections to a real database: what waits, what is undone and what is lost, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import pytest

from core.policies import SECOND_US
from eventstore.durable import Durable
from eventstore.postgres.connection import BUSY, FAILED, LOST, STATEMENT_S, Connection, connect
from eventstore.postgres.hints import FREE, TELL
from eventstore.postgres.owning import BRIEFLY_S
from scenarios.database.shared import OnServer
from scenarios.loop.beside import NodesBeside
from scenarios.loop.run import cut_power, run_virtual
from scenarios.loop.virtual import PowerCut
from scenarios.run.own_database import OwnDatabase, own_database
from scenarios.world.ground import Ground, Parts
from scenarios.world.link import Cut, Link
from tests.postgres_server import Server
from tests.promises.simulated import scenario

T = TypeVar("T")

pytestmark = pytest.mark.slow

_PROBES = "UPDATE meta SET value = value + 1 WHERE name = 'probes' RETURNING value"
_LOCKED = "SELECT value FROM meta WHERE name = 'probes' FOR UPDATE"
_CLOCK = "SELECT extract(epoch FROM clock_timestamp())::float8"


@pytest.fixture(scope="module")
def database(postgres_server: Server) -> Iterator[OwnDatabase]:
    """A database for all stories of this module, one after another."""
    with own_database(postgres_server.url) as made:
        yield made


class _Caller:
    """A process that nobody asks anything."""

    def acts(self) -> bool:
        return False

    def trouble(self, for_us: int) -> None:
        """It is only a test's."""

    def wrote(self) -> None:
        """Nothing is counted."""

    def refused(self) -> None:
        """Likewise."""


class _World:
    """Two machines, 1 and 2, whose ways to the database may be cut; `faults` are those of a file."""

    def __init__(self, database: OwnDatabase, faults: str) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, NodesBeside)
        self.loop = loop
        self.url = database.url
        self.shared = OnServer(database, Durable())
        self.cuts: dict[int, list[Cut]] = {1: [], 2: []}
        ground = Ground(scenario(f"daemons = 2\n{faults}"), 1, Parts())
        for machine, cuts in self.cuts.items():
            self.shared.know(machine, Link(ground, cuts, _Caller(), now_us=lambda: round(now_s() * SECOND_US)))

    async def at(self, machine: int, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What a piece of work comes to on a machine."""
        return await self.loop.start_in(machine, work, name=f"work on {machine}")

    async def dialled(self, machine: int) -> Connection:
        """A connection of a machine's."""
        return await self.at(machine, lambda: connect(self.url))


def now_s() -> float:
    """The present instant of the world."""
    return asyncio.get_running_loop().time()


def _in_world(database: OwnDatabase, main: Callable[[_World], Awaitable[None]], faults: str = "") -> None:
    async def story() -> None:
        await main(_World(database, faults))
        await cut_power()

    with suppress(PowerCut):
        run_virtual(story, kind=NodesBeside)
    database.real.at_once(database.cut_off)


def test_the_clock_of_the_database_is_the_worlds(database: OwnDatabase) -> None:
    """It shows what passes in the world, to the microsecond, and nothing of what passes while it is asked."""

    async def main(world: _World) -> None:
        connection = await world.dialled(1)
        before = await connection.fetchval(_CLOCK)
        assert await connection.fetchval(_CLOCK) == before
        await asyncio.sleep(12.345678)
        assert await connection.fetchval(_CLOCK) - before == pytest.approx(12.345678, abs=1e-6)

    _in_world(database, main)


def test_a_statement_waits_for_another_daemon_and_the_world_goes_on(database: OwnDatabase) -> None:
    """Whoever waits for a lock gets it at the instant at which the other lets go of it."""

    async def main(world: _World) -> None:
        holder, waiter = await world.dialled(1), await world.dialled(2)

        async def hold() -> None:
            async with holder.transaction():
                await holder.fetchval(_LOCKED)
                await asyncio.sleep(3)

        async def change() -> float:
            await asyncio.sleep(1)
            await waiter.fetchval(_PROBES)
            return now_s()

        _, got_s = await asyncio.gather(world.at(1, hold), world.at(2, change))
        assert got_s == pytest.approx(3)

    _in_world(database, main)


def test_what_waits_for_too_long_is_undone(database: OwnDatabase) -> None:
    """By the world's clock, after as long as production lets a statement take; and the connection is good still."""

    async def main(world: _World) -> None:
        holder, waiter = await world.dialled(1), await world.dialled(2)
        async with holder.transaction():
            await holder.fetchval(_LOCKED)
            asked = asyncio.ensure_future(world.at(2, lambda: waiter.fetchval(_PROBES)))
            while not asked.done():
                await asyncio.sleep(1)
                await holder.fetchval("SELECT 1")
        with pytest.raises(BUSY):
            await asked
        assert STATEMENT_S <= now_s() <= STATEMENT_S + 1
        assert await waiter.fetchval(_PROBES) > 0

    _in_world(database, main)


@pytest.mark.parametrize("end", ["stands still", "is killed", "is cut off"])
def test_what_a_daemon_has_begun_is_undone(end: str, database: OwnDatabase) -> None:
    """One that stands still, dies or is cut off within a transaction keeps the others up for seconds at most."""

    async def main(world: _World) -> None:
        holder, waiter = await world.dialled(1), await world.dialled(2)
        before = await waiter.fetchval("SELECT value FROM meta WHERE name = 'probes'")

        async def begin() -> None:
            async with holder.transaction():
                await holder.fetchval(_PROBES)
                await asyncio.sleep(3600)

        _ = world.loop.start_in(1, begin, name="begins")
        await asyncio.sleep(1)
        if end == "stands still":
            world.loop.hold(1)
        if end == "is cut off":
            world.cuts[1].append(Cut(since_us=0, until_us=3600 * SECOND_US, way="both"))
        if end != "stands still":
            world.loop.kill(1)
        assert await world.at(2, lambda: waiter.fetchval(_PROBES)) == before + 1
        assert now_s() == pytest.approx(1 if end == "is killed" else BRIEFLY_S)

    _in_world(database, main)


def test_a_lost_answer_is_of_something_that_was_done(database: OwnDatabase) -> None:
    """The server does it, the daemon hears of a lost connection, and the next one finds it done."""

    async def main(world: _World) -> None:
        connection = await world.dialled(1)
        before = await connection.fetchval("SELECT value FROM meta WHERE name = 'probes'")
        with pytest.raises(LOST):
            await connection.fetchval(_PROBES)
        assert connection.is_closed()
        after = await world.dialled(1)
        assert await after.fetchval("SELECT value FROM meta WHERE name = 'probes'") == before + 1

    _in_world(database, main, '[[fault]]\nfor = "1m"\nstore = "lost_reply"\n')


def test_a_full_disk_is_the_servers_to_tell(database: OwnDatabase) -> None:
    """Nothing is written, a transaction too is undone, the connection is good still, and questions are answered."""

    async def main(world: _World) -> None:
        connection = await world.dialled(1)
        for _ in range(2):
            with pytest.raises(FAILED, match="no space"):
                await connection.fetchval(_PROBES)
        with pytest.raises(FAILED, match="no space"):
            async with connection.transaction():
                await connection.fetchval(_PROBES)
        full = await connection.fetchval("SELECT value FROM meta WHERE name = 'probes'")
        await asyncio.sleep(60)
        assert await connection.fetchval(_PROBES) == full + 1

    _in_world(database, main, '[[fault]]\nfor = "1m"\ndisk = "full"\n')


def test_words_are_heard_once_they_are_committed(database: OwnDatabase) -> None:
    """What is said within a transaction reaches the others at its end, and nobody whose way is cut."""

    async def main(world: _World) -> None:
        heard: list[tuple[int, float]] = []
        for machine in (1, 2):
            connection = await world.dialled(machine)
            await connection.add_listener("tidings", lambda *_, machine=machine: heard.append((machine, now_s())))
        speaker = await world.dialled(2)
        async with speaker.transaction():
            await speaker.fetch(TELL, [FREE])
            await asyncio.sleep(2)
            world.cuts[1].append(Cut(since_us=0, until_us=60 * SECOND_US, way="from"))
        await asyncio.sleep(1)
        assert heard == [(2, 2.0)]

    _in_world(database, main)
