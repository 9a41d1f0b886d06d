"""One life of the daemon: the production actors, wired to the simulated world, from start to stop, crash or end.

This file answers for the order of things in a life, and for when it is over: a run ends once its time has passed and
everything has come to rest. What a daemon is built from stands in building.py.
"""

import asyncio
import traceback
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import anyio
import msgspec

from actors.sender import LOG_TROUBLE
from actors.system import System
from core.policies import SECOND_US
from core.ports import Log
from scenarios.file.sides import Fault
from scenarios.loop.virtual import running_loop
from scenarios.world.applications import Applications
from scenarios.world.books import Handed, Trouble
from scenarios.world.borders import cut
from scenarios.world.building import channels_of, world_of
from scenarios.world.clients import Clients
from scenarios.world.clock import SimulatedClock, Timepiece
from scenarios.world.disk import SimulatedDisk
from scenarios.world.entrance import Direct, Entrance, Here
from scenarios.world.ground import EndedBy, Ground, Present
from scenarios.world.looking import look_into
from scenarios.world.meeting import Meeting
from scenarios.world.operators import Operators
from scenarios.world.resting import moves
from scenarios.world.senders import Senders
from scenarios.world.tellings import of_message

if TYPE_CHECKING:
    from scenarios.wire.wiring import Wire


class Living:
    """One life. Made within its own loop; `run` ends with it, unless the power is cut first."""

    def __init__(
        self, ground: Ground, zones: dict[str, ZoneInfo], wired: "Callable[[Ground], Wire] | None" = None
    ) -> None:
        """`wired` makes the wire of a life that has one."""
        self._ground = ground
        self._loop = running_loop()
        scenario, parts = ground.scenario, ground.parts
        disk = SimulatedDisk(scenario, ground.draws, ground.borders, now_us=self.now_us, troubled=self._troubled)
        self._log: Log = parts.log_of(ground.durable, disk)
        timepiece = Timepiece(
            start_us=scenario.start_us,
            floor_us=self._log.newest()[1],
            steps=ground.clock_steps,
            true_us=self.now_us(),
        )
        self._clock = parts.clock_of(SimulatedClock(timepiece))
        self._zones = zones
        self._stop = anyio.Event()
        self._answered = asyncio.Event()
        self._wire = None if wired is None else wired(ground)
        ground.present = Present(timepiece=timepiece, began_us=self._clock.now_us())

    async def run(self) -> EndedBy:
        """Lives until it is stopped, until the run is over, or until the log's trouble ends it."""
        try:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(self._ground.parts.opening(self._log))
                if self._wire is not None:
                    stack.push_async_callback(self._wire.close)
                return await self._live()
        except BaseExceptionGroup as group:
            if all(isinstance(leaf, LOG_TROUBLE) for leaf in _leaves(group)):
                return "trouble"
            self._ground.books.alarms.append("".join(traceback.format_exception(group)))
            return "bug"

    async def _live(self) -> EndedBy:
        ground = self._ground
        async with anyio.create_task_group() as group:
            world = world_of(ground, self._log, self._clock, self._zones)
            system = await System.open(world, ground.settings, {})
            system.use(channels_of(ground, system, self._clock, now_us=self.now_us, tell=self._take, wire=self._wire))
            ground.parts.opened(system)
            entrance: Entrance = Direct(ground, system, self._clock, ground.wall_us)
            if self._wire is not None and ground.scenario.api.wire:
                entrance = await self._wire.door(system, world)
            self._senders = Senders(ground, entrance, group, answered=self._answer)
            await group.start(system.run)
            ground.parts.started(system)
            self._senders.start()
            Applications(ground, Here(system), self._zones, group=group, answered=self._answer).start()
            assert ground.present is not None, "this life has begun"
            ground.present = msgspec.structs.replace(ground.present, ready_us=self._clock.now_us())
            # A task for nothing costs as much as an event, and a world has few of those.
            if ground.unfinished:
                group.start_soon(Clients(ground, entrance).run)
            if ground.orders:
                group.start_soon(Operators(ground, Here(system)).run)
            if (end := ground.next_end(self.now_us())) is not None:
                group.start_soon(self._meet_its_end, end)
            if ground.freezes:
                group.start_soon(self._freeze)
            if ground.looks[-1] >= self.now_us():
                group.start_soon(look_into, ground, system, self._clock)
            ended_by = await self._last(system)
            ground.present = msgspec.structs.replace(ground.present, stopping_us=self._clock.now_us())
            await system.stop()
            group.cancel_scope.cancel()
        return ended_by

    def _answer(self) -> None:
        """Somebody outside has what they came for."""
        self._answered.set()

    def _take(self, handed: Handed, meeting: Meeting) -> None:
        """The other side has a message in its hands: what it will tell of it is planned."""
        ground = self._ground
        if not ground.books.takes(handed):
            return
        for telling in of_message(ground.scenario, ground.nature, handed, meeting):
            self._senders.plan(telling)

    async def _meet_its_end(self, fault: Fault) -> None:
        """The crash or stop that the scenario asks for next."""
        await asyncio.sleep((fault.at_us - self.now_us()) / SECOND_US)
        self._ground.ends.remove(fault)
        self._ground.down_us = fault.down_us
        if fault.daemon == "stop":
            self._stop.set()
            return
        self._ground.borders.crashed_at = "as the scenario asks"
        await cut()

    async def _freeze(self) -> None:
        """The times at which the scenario holds the process: the machine was too busy, or the laptop was closed."""
        for fault in self._ground.freezes:
            wait_us = fault.at_us - self.now_us()
            if wait_us >= 0:
                await asyncio.sleep(wait_us / SECOND_US)
                assert fault.for_us is not None, "a freeze has a length"
                self._troubled(fault.for_us)
                self._loop.stand_still(fault.for_us / SECOND_US)

    async def _last(self, system: System) -> EndedBy:
        """Waits for what ends this life in an orderly way."""
        scenario = self._ground.scenario
        left_us = scenario.runs_for_us - self.now_us()
        with anyio.move_on_after(max(0, left_us) / SECOND_US):
            await self._stop.wait()
            return "stop"
        bound_us = scenario.runs_for_us + scenario.rests_within_us - self.now_us()
        with anyio.move_on_after(max(0, bound_us) / SECOND_US):
            await self._rest(system)
        return "end"

    async def _rest(self, system: System) -> None:
        """Returns once nothing moves any more: all that is left waits for a person."""
        ground = self._ground
        while True:
            while ground.tellings or ground.wishes:
                # Whoever is answered need not have changed anything in the log.
                self._answered = asyncio.Event()
                await self._answered.wait()
            changed = self._log.changed()
            if not moves(ground, system):
                return
            if not ground.tellings:
                await changed

    def _troubled(self, for_us: int) -> None:
        now_us = self.now_us()
        self._ground.books.troubles.append(Trouble(log_us=self._clock.now_us(), at_us=now_us, until_us=now_us + for_us))

    def now_us(self) -> int:
        """True time since the start."""
        return self._loop.now_us


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
