"""One process of one of several daemons: it arrives, stands by, acts when its turn comes, and ends.

This file answers for the order of things in such a process, as adapters/daemon.py does in production. It runs on a node
of its own, and must never do anything for the world outside: that goes on when the process is gone.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import anyio
import msgspec
from anyio.abc import TaskGroup
from msgspec.structs import replace

from actors.standing_by import Standby
from actors.system import System
from core.ids import Mint
from core.ports import Clock
from scenarios.loop.nodes import outside
from scenarios.loop.virtual import running_loop
from scenarios.world.books import Handed, Trouble, Usurped
from scenarios.world.building import channels_of, world_of
from scenarios.world.clock import SimulatedClock, Timepiece
from scenarios.world.entrance import Direct, Entrance
from scenarios.world.ground import EndedBy, Ground
from scenarios.world.link import Cut, Link
from scenarios.world.looking import look_into
from scenarios.world.meeting import Meeting
from scenarios.world.orders import Orders
from scenarios.world.shared import Shared
from scenarios.world.troubles import TROUBLES, ended_by

if TYPE_CHECKING:
    from adapters.starting import Node

# How long whoever passes on a request waits for its answer.
_WITHIN_S: Final = 10.0


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What every process of a run has in common. `tell` hears of what other sides took, `acts` of whoever acts now."""

    ground: Ground
    zones: dict[str, ZoneInfo]
    cluster: Shared
    orders: Orders
    tell: Callable[[Handed, Meeting], None]
    acts: Callable[["Member"], None]


class Member:
    """One process. Its `entrance` is None while it does not listen, its `system` while it does not act."""

    def __init__(self, around: Surroundings, machine: int, identity: int, cuts: list[Cut]) -> None:
        self.machine = machine
        self.identity = identity
        self.entrance: Entrance | None = None
        self.system: System | None = None
        self.ready_us: int | None = None
        self.stopping_us: int | None = None
        self.stood_still_us = 0
        self._around = around
        self._ground = around.ground
        self._cuts = cuts
        self._loop = running_loop()
        self._stop = asyncio.Event()
        self._node: Node | None = None
        self._mint: Mint | None = None
        # Nobody knows yet how far the log is.
        self.timepiece = self._timepiece(0)

    # -- as others see it

    @property
    def node(self) -> int:
        """See Author."""
        return self.identity

    def acts(self) -> bool:
        """See Author: what the database would say, whatever the process believes."""
        return self._around.cluster.owner == self.identity

    def held_us(self) -> int:
        """See Author."""
        return self.stood_still_us

    def stop(self) -> None:
        """Asks it to end in order."""
        self._stop.set()

    def trouble(self, for_us: int) -> None:
        """It cannot read or write the log, or do anything, for so long from now on; only who acts is missed."""
        if self.acts():
            now_us = self._now_us()
            trouble = Trouble(
                log_us=self.timepiece.at(now_us), at_us=now_us, until_us=now_us + for_us, machine=self.machine
            )
            self._ground.books.troubles.append(trouble)

    def wrote(self) -> None:
        """See Caller. Whatever the log has more than when somebody wrote last, this process has written."""
        books, events = self._ground.books, len(self._ground.durable.events)
        written, books.events_seen = events - books.events_seen, events
        if written and not self.acts():
            log_us = self.timepiece.at(self._now_us())
            books.usurped.append(Usurped(machine=self.machine, log_us=log_us, events=written))

    def refused(self) -> None:
        """See Caller."""
        self._ground.books.fenced += 1

    async def ask(self, request: bytes) -> bytes:
        """The answer of the daemon that acts. Raises as the door does."""
        assert self._node is not None, "only a daemon that listens is asked"
        return await self._node.door.ask(request, within_s=_WITHIN_S)

    # -- its life

    async def run(self) -> EndedBy:
        """Lives until it is stopped, or until trouble with the log or another daemon in its place ends it."""
        try:
            return await self._live()
        except (*TROUBLES, BaseExceptionGroup) as error:
            return ended_by(error, self._ground.books)
        finally:
            self.entrance = self.system = None

    async def _live(self) -> EndedBy:
        around = self._around
        disk = Link(self._ground, self._cuts, self, now_us=self._now_us)
        self._node = node = await around.cluster.arrive(self.identity, disk)
        async with anyio.create_task_group() as group:
            group.start_soon(node.lost)
            if await self._stand_by(node):
                await self._act(node)
            group.cancel_scope.cancel()
        await node.close()
        return "stop"

    async def _stand_by(self, node: "Node") -> bool:
        """Takes in for whoever acts. Answers whether its own turn has come, rather than its end."""
        clock = self._clock(node.newest()[1])
        world = replace(world_of(self._ground, node.log_for_reading, clock, self._around.zones), slot=node.slot)
        async with anyio.create_task_group() as group:
            door = self._ground.parts.door_of(node.door)
            standby = await Standby.open(world, self._ground.settings, door)
            self._mint = standby.mint
            await group.start(standby.run)
            self.entrance = Direct(self._ground, standby, clock, self.timepiece.wall_us)
            async with anyio.create_task_group() as race:
                race.start_soon(self._turn_comes, node, race)
                await self._stop.wait()
                race.cancel_scope.cancel()
            self.entrance = None
            group.cancel_scope.cancel()
        return not self._stop.is_set()

    @staticmethod
    async def _turn_comes(node: "Node", race: TaskGroup) -> None:
        await node.acted()
        race.cancel_scope.cancel()

    async def _act(self, node: "Node") -> None:
        ground, log = self._ground, self._ground.parts.acting(await node.acted())
        clock = self._clock(log.newest()[1])
        outside(lambda: self._around.acts(self))
        # Ids go on where they stood while it stood by.
        world = replace(world_of(ground, log, clock, self._around.zones), slot=node.slot, mint=self._mint)
        async with anyio.create_task_group() as group:
            system = await System.open(world, ground.settings, {})
            system.use(channels_of(ground, system, clock, now_us=self._now_us, tell=self._tell, author=self))
            system.answer_with(partial(self._around.orders.carry_out, system))
            ground.parts.opened(system)
            await group.start(system.run)
            ground.parts.started(system)
            self.system = system
            self.entrance = Direct(ground, system, clock, self.timepiece.wall_us)
            self.ready_us = clock.now_us()
            group.start_soon(look_into, ground, system, clock, self.acts)
            await self._stop.wait()
            self.stopping_us = clock.now_us()
            self.entrance = None
            await system.stop()
            self.system = None
            group.cancel_scope.cancel()

    # -- what it stands on

    def _timepiece(self, floor_us: int) -> Timepiece:
        scenario = self._ground.scenario
        return Timepiece(
            start_us=scenario.start_us,
            floor_us=floor_us,
            steps=scenario.clock_steps(self.machine),
            true_us=self._now_us(),
        )

    def _clock(self, floor_us: int) -> Clock:
        self.timepiece = self._timepiece(floor_us)
        return self._ground.parts.clock_of(SimulatedClock(self.timepiece))

    def _tell(self, handed: Handed, meeting: Meeting) -> None:
        outside(lambda: self._around.tell(handed, meeting))

    def _now_us(self) -> int:
        return self._loop.now_us
