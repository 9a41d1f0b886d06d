"""What strikes several daemons and their database: kills, freezes, and one failover, each noted when it came.

Answers for who was struck being known, and whether it acted: only then somebody has to take over.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import msgspec
from anyio import to_thread
from anyio.abc import TaskGroup

from adapters.clock import wall_us
from scenarios.draws import Draws
from tests.cluster.clients import Clients
from tests.cluster.daemons import Daemon, Fleet
from tests.cluster.takeovers import Moment, What
from tests.postgres_pair import Pair
from tests.postgres_server import Server
from tests.storm.sinks import Books

FROZEN_MOST_S: Final = 25.0
# How far strikes lie apart, and how long the database has no primary.
_APART_S: Final = (3.0, 12.0)
_WITHOUT_PRIMARY_S: Final = 1.0
_RECEIVED_WITHIN_S: Final = 60.0


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """Who is there to be struck, and the books of what gets through."""

    fleet: Fleet
    server: Server
    books: Books


class Storm:
    """Who is there to be struck, and what has struck so far."""

    def __init__(self, ground: Ground, clients: Clients, going: TaskGroup) -> None:
        self.fleet = ground.fleet
        self.clients = clients
        self.moments: list[Moment] = []
        self._server = ground.server
        self._books = ground.books
        self._going = going

    async def received(self, count: int) -> None:
        """Returns once the sinks have received so many messages."""
        with anyio.fail_after(_RECEIVED_WITHIN_S):
            while len(self._books.received) < count:  # noqa: ASYNC110  # Sinks keep books, and tell nobody.
                await anyio.sleep(0.05)

    async def kill(self, daemon: Daemon) -> None:
        """SIGKILL."""
        await self._strike("kill", daemon)
        daemon.kill()

    async def freeze(self, daemon: Daemon) -> None:
        """SIGSTOP."""
        await self._strike("freeze", daemon)
        daemon.freeze()

    def thaw(self, daemon: Daemon) -> None:
        """SIGCONT."""
        self._note("thaw", daemon)
        daemon.thaw()

    def thaw_after(self, daemon: Daemon, seconds: float) -> None:
        """SIGCONT after so long, which nobody waits for."""

        async def thaw() -> None:
            await anyio.sleep(seconds)
            self.thaw(daemon)

        self._going.start_soon(thaw)

    async def fail_over(self) -> None:
        """The primary ends at once, and the standby is promoted a moment later. There must be a pair of servers."""
        assert isinstance(self._server, Pair), "only a pair can fail over"
        self._note("database away")
        await to_thread.run_sync(self._server.kill_primary)
        await anyio.sleep(_WITHOUT_PRIMARY_S)
        await to_thread.run_sync(self._server.promote)
        self._note("database back")

    async def _strike(self, what: What, daemon: Daemon) -> None:
        acted = await daemon.role(self.fleet.session) == "acts"
        self._note(what, daemon, acted=acted)

    def _note(self, what: What, daemon: Daemon | None = None, *, acted: bool = False) -> None:
        place = None if daemon is None else self.fleet.daemons.index(daemon)
        self.moments.append(Moment(what=what, at_us=wall_us(), daemon=place, acted=acted))


Lightning = Callable[[Storm], Awaitable[None]]


async def at_random(storm: Storm) -> None:
    """A strike in every burst, half of them at the one that acts where one does, and the failover in the middle."""
    load, draws = storm.clients.load, Draws(storm.clients.load.seed)
    for nth in range(load.bursts):
        storm.clients.begin_burst()
        await anyio.sleep(load.burst_s * draws.draw("moment", nth))
        if nth == load.bursts // 2:
            await storm.fail_over()
        else:
            await _strike(storm, draws, nth)
        soonest_s, latest_s = _APART_S
        await anyio.sleep(soonest_s + (latest_s - soonest_s) * draws.draw("pause", nth))


async def _strike(storm: Storm, draws: Draws, nth: int) -> None:
    awake = [daemon for daemon in storm.fleet.daemons if not daemon.is_frozen]
    if not awake:
        return
    acting = await storm.fleet.found_acting() if draws.draw("aim", nth) < 0.5 else None
    victim = acting or draws.choice("victim", nth, among=awake)
    if draws.draw("kind", nth) < 0.5:
        await storm.kill(victim)
    else:
        await storm.freeze(victim)
        storm.thaw_after(victim, 1 + (FROZEN_MOST_S - 1) * draws.draw("length", nth))


async def one_of_each(storm: Storm) -> None:
    """The one that acts is killed, the next one is frozen for so long that it is replaced, then the database fails.

    Each strikes in the middle of a burst.
    """
    half = storm.clients.load.messages // storm.clients.load.bursts // 2
    storm.clients.begin_burst()
    await storm.received(half)
    await storm.kill(await storm.fleet.acting())
    frozen = await storm.fleet.acting()
    storm.clients.begin_burst()
    await storm.received(3 * half)
    await storm.freeze(frozen)
    await storm.fleet.acting()
    storm.thaw(frozen)
    storm.clients.begin_burst()
    await storm.received(5 * half)
    await storm.fail_over()
