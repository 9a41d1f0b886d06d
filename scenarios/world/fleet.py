"""Several daemons on one log: their machines, who of them acts, what happens to them, and the world around.

This file answers for each machine having a daemon that is started again whenever it ended, and for the run ending once
its time has passed and everything has come to rest. It belongs to no machine itself.
"""

import asyncio
from itertools import count
from typing import Final
from zoneinfo import ZoneInfo

import anyio
import msgspec

from core.policies import SECOND_US
from scenarios.file.readings import ACTING
from scenarios.file.sides import Fault
from scenarios.loop.nodes import NodeLoop
from scenarios.world.applications import Applications
from scenarios.world.books import Handed
from scenarios.world.clients import Clients
from scenarios.world.doors import Doors
from scenarios.world.ground import EndedBy, Ground, Life
from scenarios.world.link import Cut
from scenarios.world.meeting import Meeting
from scenarios.world.member import Member, Surroundings
from scenarios.world.operators import Operators
from scenarios.world.orders import Orders
from scenarios.world.resting import moves
from scenarios.world.senders import Senders
from scenarios.world.tellings import of_message

# A supervisor starts a daemon that died again after this time.
_STARTED_AGAIN_US: Final = 5 * SECOND_US
# How often somebody looks whether anything still moves, beside each commit.
_LOOK_US: Final = 10 * SECOND_US


class Machine(msgspec.Struct, kw_only=True):
    """Where one daemon runs, process after process. `down_us` is how long nothing runs there after its next end."""

    number: int
    cuts: list[Cut]
    member: Member | None = None
    down_us: int | None = None


class Fleet:
    """All of them. Made within its own loop."""

    def __init__(self, ground: Ground, zones: dict[str, ZoneInfo]) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, NodeLoop), "several daemons live on a loop of their kind"
        self._loop = loop
        self._ground = ground
        self._zones = zones
        self._machines = [Machine(number=number, cuts=[]) for number in range(1, ground.scenario.daemons + 1)]
        self._identities = count(1)
        self._cluster = ground.parts.cluster_of(ground.durable)
        self._orders = Orders(ground.books)
        # Who acts, since when in its own log time.
        self._term: tuple[Member, int] | None = None
        self._doors = Doors(self._members, ground.draws, self._orders)
        self._around = Surroundings(
            ground=ground,
            zones=zones,
            cluster=self._cluster,
            orders=self._orders,
            tell=self._take,
            acts=self._acts,
        )

    async def run(self) -> None:
        """Returns once everything has come to rest, or cannot within its bound. What still runs then is to be cut."""
        ground = self._ground
        async with anyio.create_task_group() as group:
            self._senders = Senders(ground, self._doors, group, answered=_nothing)
            for machine in self._machines:
                group.start_soon(self._supervise, machine)
            self._senders.start()
            Applications(ground, self._doors, self._zones, group=group, answered=_nothing).start()
            group.start_soon(Clients(ground, self._doors).run)
            group.start_soon(Operators(ground, self._doors).run)
            for fault in ground.scenario.faults:
                if fault.boundary is None:
                    group.start_soon(self._strike, fault)
            await self._rest()
            self._term_ended("end")
            group.cancel_scope.cancel()

    def _members(self) -> list[Member]:
        return [machine.member for machine in self._machines if machine.member is not None]

    # -- one machine

    async def _supervise(self, machine: Machine) -> None:
        """Has a daemon run there, and starts it again whenever it ended."""
        while True:
            member = machine.member = Member(self._around, machine.number, next(self._identities), machine.cuts)
            life = self._loop.start_in(member.identity, member.run, name=f"daemon {machine.number}")
            by: EndedBy = life.result() if await self._loop.over(member.identity, life) else "crash"
            machine.member = None
            self._ended(member, by)
            await asyncio.sleep(self._down_us(machine, by) / SECOND_US)

    def _ended(self, member: Member, by: EndedBy) -> None:
        self._loop.kill(member.identity)
        self._ground.books.gone_us[member.identity] = self._now_us()
        if self._term is not None and self._term[0] is member:
            self._term_ended(by)
        self._ground.borders.crashed_at = ""
        self._ground.lose_in_transit(self._now_us(), node=member.identity)

    def _down_us(self, machine: Machine, by: EndedBy) -> int:
        borders, crash = self._ground.borders, self._ground.scenario.crash
        asked_us = machine.down_us if borders.down_us is None or by != "crash" else borders.down_us
        machine.down_us = None
        if by == "crash":
            borders.down_us = None
        if asked_us is None and by == "crash" and crash is not None:
            asked_us = crash.down_us
        return _STARTED_AGAIN_US if asked_us is None else asked_us

    # -- who acts

    def _acts(self, member: Member) -> None:
        """From here on it is this one, whatever the one before believes."""
        self._term_ended("replaced")
        self._term = member, member.timepiece.at(self._now_us())

    def _term_ended(self, by: EndedBy) -> None:
        if self._term is None:
            return
        member, began_us = self._term
        self._term = None
        self._ground.lives.append(
            Life(
                began_us=began_us,
                ready_us=member.ready_us,
                stopping_us=member.stopping_us,
                ended_us=member.timepiece.at(self._now_us()),
                ended_by=by,
                where=self._ground.borders.crashed_at if by == "crash" else "",
                machine=member.machine,
            )
        )

    # -- what happens to them

    async def _strike(self, fault: Fault) -> None:
        await asyncio.sleep(fault.at_us / SECOND_US)
        until_us = fault.until_us(self._ground.scenario.runs_for_us)
        if fault.database is not None:
            for machine in self._machines:
                self._cut(machine, Cut(since_us=fault.at_us, until_us=until_us, way="both"))
        which = fault.cut if fault.cut is not None else fault.of
        meant = self._meant(ACTING if which is None else which)
        if meant is not None and fault.cut is not None:
            self._cut(meant, Cut(since_us=fault.at_us, until_us=until_us, way=fault.way))
        elif meant is not None and meant.member is not None and fault.daemon is not None:
            await self._strike_daemon(fault, meant, meant.member, until_us)

    async def _strike_daemon(self, fault: Fault, machine: Machine, member: Member, until_us: int) -> None:
        if fault.daemon == "freeze":
            await self._freeze(member, until_us - self._now_us())
            return
        machine.down_us = fault.down_us
        if fault.daemon == "stop":
            member.stop()
        else:
            self._ground.borders.crashed_at = "as the scenario asks"
            self._loop.kill(member.identity)

    def _meant(self, which: int) -> Machine | None:
        """The machine of a number, or that of the daemon that acts; None while nobody does."""
        if which != ACTING:
            return self._machines[which - 1]
        return next((one for one in self._machines if one.member is not None and one.member.acts()), None)

    def _cut(self, machine: Machine, cut: Cut) -> None:
        machine.cuts.append(cut)
        if machine.member is not None:
            machine.member.trouble(cut.until_us - cut.since_us)

    async def _freeze(self, member: Member, for_us: int) -> None:
        member.trouble(for_us)
        self._loop.hold(member.identity)
        await asyncio.sleep(for_us / SECOND_US)
        member.stood_still_us += for_us
        self._loop.let_go(member.identity)

    # -- what other sides tell

    def _take(self, handed: Handed, meeting: Meeting) -> None:
        """The other side has a message in its hands: what it will tell of it is planned."""
        ground = self._ground
        if not ground.books.takes(handed):
            return
        for telling in of_message(ground.scenario, ground.nature, handed, meeting):
            self._senders.plan(telling)

    # -- the end

    async def _rest(self) -> None:
        scenario = self._ground.scenario
        await asyncio.sleep(scenario.runs_for_us / SECOND_US)
        bound_us = scenario.runs_for_us + scenario.rests_within_us
        while self._now_us() < bound_us:
            acting = next((member for member in self._members() if member.acts() and member.system is not None), None)
            if acting is not None and acting.system is not None and not moves(self._ground, acting.system):
                return
            # Whoever is answered need not have changed anything in the log.
            await asyncio.wait({self._cluster.committed.ask()}, timeout=_LOOK_US / SECOND_US)

    def _now_us(self) -> int:
        return self._loop.now_us


def _nothing() -> None:
    """Nobody waits for anybody's answer here: whether anything moves is looked at now and then."""
