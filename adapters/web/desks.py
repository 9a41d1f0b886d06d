"""Who answers behind the door: the daemon that acts on the log, or one that stands by beside it.

This file answers for what both can do for whoever calls, and for a side being exchanged whole: a daemon that takes over
goes on behind the same door. It must never decide which of the two a daemon is.
"""

from collections.abc import Awaitable, Collection, Iterable
from typing import Protocol

import msgspec

from actors.hooks import Brought
from actors.intake import Acknowledgement, Intake
from actors.keys import Keys
from actors.system import System, World
from core.contents import Submission
from core.message import Message
from core.ports import Clock, Log


class HookDesk(Protocol):
    """Where hooks are handed over."""

    def heed(self, brought: Brought) -> Awaitable[None]:
        """Has all news recorded, or raises where nothing can be promised."""
        ...

    def take(self, tenant: str, submissions: Iterable[Submission], *, count: int) -> Awaitable[list[Acknowledgement]]:
        """Takes charge of a message for each update; all `count` are durable when this returns."""
        ...


class Desk(Protocol):
    """What every daemon does by itself: take in, know who calls, say whether it can."""

    @property
    def intake(self) -> Intake:
        """The door for new messages."""
        ...

    @property
    def hooks(self) -> HookDesk:
        """The desk for hooks."""
        ...

    @property
    def keys(self) -> Keys:
        """Who may ask for what."""
        ...

    def ready(self) -> list[str]:
        """Why new work cannot be taken now; empty when it can."""
        ...


class Views(Protocol):
    """What every daemon can show of messages and lanes."""

    @property
    def paused_lanes(self) -> Collection[str]:
        """Lanes that let nothing out until they are resumed."""
        ...

    @property
    def lane_names(self) -> Collection[str]:
        """Every lane that is there or was there once."""
        ...

    def message(self, tenant: str | None, stream: int) -> Awaitable[Message]:
        """A message's present state, folded from the log. Raises NotFound where this tenant has none."""
        ...


class Stand(Protocol):
    """What a daemon that stands by needs beyond its desk."""

    def ask(self, request: bytes) -> Awaitable[bytes]:
        """The acting daemon's answer. Raises StoreUnavailable where nobody acts, AppendUnknown where none came."""
        ...

    def look_again(self) -> Awaitable[None]:
        """Has this daemon know of keys and lanes what the log holds by now."""
        ...


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """Everything behind the door. `system` is that of the acting daemon; `stand` is there where this one stands by."""

    desk: Desk
    views: Views
    log: Log
    clock: Clock
    system: System | None = None
    stand: Stand | None = None


def acting(system: System, world: World) -> Side:
    """The side of the daemon that acts."""
    return Side(desk=system, views=system.errands, log=world.log, clock=world.clock, system=system)
