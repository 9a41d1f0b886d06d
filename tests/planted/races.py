"""Bugs that show when two things happen at the same time: each alone is treated as it should be."""
# ruff: noqa: SLF001 - what a daemon is made of is nobody's to choose, so it is taken from the inside

from collections.abc import Collection, Mapping
from typing import Final, cast

from msgspec.structs import replace

from actors.conversation import ConversationActor
from actors.system import System
from core import events as e
from core.limits import UNKNOWN, Scope
from core.message import Message
from core.news import Receipt
from core.ports import Door, Log
from core.records import Acceptance, Repeated, Stored
from scenarios.world.ground import Parts
from tests.planted.actors import ChangingActor, actors_of
from tests.planted.plant import Planted, world
from tests.promises.plants import Through, log_of
from tests.promises.plants_forgetting import OpenDoorLog, TrustingDoor, sweep_hastily, wait_for_no_door


class LooseScope(Scope):
    """Has room again as soon as a request has left, though nobody has answered it yet."""

    __slots__ = ()

    def room_at(self) -> int:
        out, self.out = self.out, self.unsent
        room_us = super().room_at()
        self.out = out
        return room_us if self.bound.concurrency is None or self.unsent < self.bound.concurrency else UNKNOWN


class RacingLog(Through):
    """Knows a key again only once the first of its name is durable."""

    def __init__(self, inner: Log) -> None:
        super().__init__(inner)
        self._log = inner
        self._under_way: set[bytes] = set()

    async def accept(self, acceptance: Acceptance) -> Stored | Repeated:
        key = b"" if acceptance.dedup is None else acceptance.dedup.key_hash
        if key in self._under_way:
            return await self._log.accept(replace(acceptance, dedup=None))
        self._under_way.add(key)
        try:
            return await self._log.accept(acceptance)
        finally:
            self._under_way.discard(key)


class BusyActor(ConversationActor):
    """Does not listen to receipts while a request is out."""

    __slots__ = ()

    async def receive(self, stream: int, receipt: Receipt, lanes: Collection[str]) -> Message:
        async with self.turn:
            message, _ = await self._recalled(stream)
        return message if message.in_flight else await super().receive(stream, receipt, lanes)


class DecidedActor(ChangingActor):
    """Has a cancel hold although a request is out, and its answer count as well: the daemon itself stumbles over it."""

    __slots__ = ()

    def changed(self, event: e.Event, at_us: int) -> e.Event | None:
        return e.MessageCancelled(reason=event.reason) if isinstance(event, e.CancelRequested) else event


def _give_back_early(system: System) -> None:
    for lane in system._lanes.actors:
        system._governor.lane(lane).lane.__class__ = LooseScope


RACES: Final[Mapping[str, Planted]] = {
    "a permit comes back before its send has ended": Planted(
        parts=Parts(started=_give_back_early), file=world("one_at_a_time"), law=4
    ),
    "two calls under one key are both accepted": Planted(
        parts=Parts(log_of=log_of(RacingLog)), file=world("asked_twice_at_once"), law=8
    ),
    "a receipt that comes before its answer is dropped": Planted(
        parts=Parts(started=actors_of(BusyActor)), file=world("early_receipts"), law=1
    ),
    "a cancel and the send that it races both win": Planted(
        parts=Parts(started=actors_of(DecidedActor)), file=world("cancelled_in_flight"), law=0
    ),
    "what is private goes while its message is out": Planted(
        parts=Parts(started=sweep_hastily), file=world("forgotten_in_flight"), law=16
    ),
    "messages slip in behind the sweep": Planted(
        parts=Parts(log_of=log_of(OpenDoorLog)), file=world("forgotten_while_asking"), law=16
    ),
    "another daemon remembers who was forgotten": Planted(
        parts=Parts(opened=wait_for_no_door, door_of=lambda door: cast("Door", TrustingDoor(door))),
        file=world("forgotten_behind_a_door"),
        law=16,
    ),
}
