"""Broken parts to plant where several daemons share a log: each must be found by a law.

They are what such bugs look like in life: a fence that is not asked, a right that is believed in for too long, a door
that answers too soon.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from msgspec.structs import replace

from actors.interrupted import Interrupted
from actors.system import System
from core.message import Message
from core.ports import Door, Log
from core.records import Acceptance, Append, Repeated, Stored
from eventstore.cluster_log import NodeLog
from tests.promises.plants import Through, done


class UnfencedLog(NodeLog):
    """Writes whoever acts."""

    def _check_right(self) -> None:
        """Nobody asks."""


class HopefulLog(NodeLog):
    """Believes for ever what it was once told."""

    def may_send(self) -> bool:
        return True


class HastyHeirLog(NodeLog):
    """Takes whatever another daemon left open for lost at once."""

    @property
    def is_exclusive(self) -> bool:
        return True


class TrustfulOfClocks(Interrupted):
    """Believes that every machine shows the same time."""

    def _over_us(self, message: Message) -> int:
        return message.deadline_us


def trust_clocks(system: System) -> None:
    """Has a daemon that takes over go by the deadlines of the one before it, as its own clock shows them."""
    system._interrupted.__class__ = TrustfulOfClocks  # noqa: SLF001 - nobody's to choose


def answer_from_memory(system: System) -> None:
    """Has a daemon answer for news of which it believes that they change nothing, whoever acts by now."""
    system.hooks._acts = lambda: True  # noqa: SLF001 - nobody's to choose


class KeepingLog(NodeLog):
    """Takes in what was left for it, and leaves it where it is."""

    def append(self, append: Append) -> Awaitable[None]:
        return super().append(replace(append, inbox=0))


class HastyDoor(Through):
    """Calls a message taken as soon as it is asked to take it."""

    def __init__(self, inner: Door) -> None:
        super().__init__(inner)
        self._door = inner
        self._taken: list[asyncio.Future[Stored | Repeated]] = []

    def accept(self, acceptance: Acceptance) -> Awaitable[Stored | Repeated]:
        self._taken.append(asyncio.ensure_future(self._door.accept(acceptance)))
        return done(Stored())


def acting(kind: type[NodeLog]) -> Callable[[Log], Log]:
    """Makes the log of whoever acts one of these."""

    def change(log: Log) -> Log:
        assert isinstance(log, NodeLog), "several daemons share a memory log"
        log.__class__ = kind
        return log

    return change


def door(wrapper: Callable[[Door], Through]) -> Callable[[Door], Door]:
    """Puts a wrapper around the door of whoever stands by."""
    return lambda inner: cast("Door", wrapper(inner))
