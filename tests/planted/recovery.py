"""Bugs that show once the daemon has been started again: what it should have kept, it has forgotten."""
# ruff: noqa: SLF001 - what a daemon is made of is nobody's to choose, so it is taken from the inside

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, cast

from msgspec.structs import replace

from actors.conversation import ConversationActor
from actors.system import System
from core import events as e
from core.circuit import Circuit
from core.message import Message
from core.outcomes import Outcome
from core.ports import Channel, Log, Parcel
from core.records import Acceptance, AgendaRow, Recorded, Repeated, Stored
from eventstore.disk import Disk
from eventstore.durable import Durable
from eventstore.memory import MemoryLog
from scenarios.world.ground import Parts
from tests.planted.actors import actors_of, in_later_lives
from tests.planted.plant import Planted, world
from tests.promises.plants import Through, log_of
from tests.promises.plants_forgetting import forget_what_was_begun


class HastyDoor(Through):
    """Tells a client that its message is there as soon as it is on its way to the disk."""

    def __init__(self, inner: Log) -> None:
        super().__init__(inner)
        self._log = inner
        self._written: list[asyncio.Future[Stored | Repeated]] = []

    def accept(self, acceptance: Acceptance) -> Awaitable[Stored | Repeated]:
        self._written.append(asyncio.ensure_future(self._log.accept(acceptance)))
        told: asyncio.Future[Stored | Repeated] = asyncio.get_running_loop().create_future()
        told.set_result(Stored())
        return told


class RenamingChannel(Through):
    """Calls a message by another name in each life."""

    def __init__(self, inner: Channel, life: int) -> None:
        super().__init__(inner)
        self._channel = inner
        self._life = life

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        return await self._channel.send(replace(parcel, message=f"{parcel.message}.{self._life}"), handed_over)


class UnarmedLog(Through):
    """Does not tell which messages wait for another try."""

    def __init__(self, durable: Durable, disk: Disk) -> None:
        log = MemoryLog(durable, disk)
        super().__init__(log)
        self._log = log
        self._lost = {stream for stream, head in durable.heads.items() if head.status == "retrying"}

    async def agenda_page(
        self, lane: str, tenant: str, priority: int, *, after: tuple[int, int] | None, limit: int
    ) -> list[AgendaRow]:
        rows = await self._log.agenda_page(lane, tenant, priority, after=after, limit=limit)
        return [row for row in rows if row.stream not in self._lost]


class ShortMemoryLog(Through):
    """Does not tell what left before the present life."""

    async def recorded_since(self, at_us: int, types: tuple[str, ...]) -> list[Recorded]:
        return []


class ForgivingActor(ConversationActor):
    """Takes every circuit for closed that it has not seen opening."""

    __slots__ = ()

    async def _recall(self) -> None:
        was_lost = self.is_lost
        await super()._recall()
        if was_lost:
            self.state = replace(self.state, circuit=Circuit())


class CarefreeActor(ConversationActor):
    """Takes an attempt that was cut off for one that never left."""

    __slots__ = ()

    async def _interrupted(self, message: Message) -> None:
        now_us = self._world.clock.now_us()
        aborted = e.AttemptAborted(attempt=message.attempt, reason="stopping", due_us=now_us)
        await self._record(message, (aborted,), at_us=now_us)


def _rename(system: System) -> None:
    channels = system._sender.channels
    life = system._diary.boot
    system._sender.channels = {name: cast("Channel", RenamingChannel(one, life)) for name, one in channels.items()}


RECOVERY: Final[Mapping[str, Planted]] = {
    "an erasure ends with the life that began it": Planted(
        parts=Parts(opened=forget_what_was_begun), file=world("forgotten_before_a_crash"), law=16
    ),
    "a client is told before the commit is durable": Planted(
        parts=Parts(log_of=log_of(HastyDoor)), file=world("crash_in_a_commit"), law=1
    ),
    "a message has another key after a restart": Planted(
        parts=Parts(started=_rename), file=world("crash_in_a_send"), law=8
    ),
    "retries are not taken up after a restart": Planted(
        parts=Parts(log_of=lambda durable, disk: cast("Log", UnarmedLog(durable, disk))),
        file=world("crash_among_retries"),
        law=12,
    ),
    "limits begin anew after a restart": Planted(
        parts=Parts(log_of=log_of(ShortMemoryLog)), file=world("crash_at_a_limit"), law=4
    ),
    "circuits are closed after a restart": Planted(
        parts=Parts(started=in_later_lives(actors_of(ForgivingActor))), file=world("crash_behind_a_circuit"), law=6
    ),
    "what a crash cut off counts as never sent": Planted(
        parts=Parts(opened=actors_of(CarefreeActor)), file=world("crash_in_a_send"), law=8
    ),
}
