"""What several daemons have in common, as the world sees it: their database, and each of them as it has arrived there.

This file answers for a run being the same to the world wherever the log is. It must never know a store.
"""

from collections.abc import Awaitable
from typing import TYPE_CHECKING, NoReturn, Protocol

from core.ports import Door, Log
from eventstore.cluster import Cluster
from eventstore.cluster_node import Node
from eventstore.waking import Waking

if TYPE_CHECKING:
    from scenarios.world.link import Link


class Arrived(Protocol):
    """A daemon on the database; production's own."""

    @property
    def slot(self) -> int:
        """What no other living daemon has in the ids that it mints."""
        ...

    @property
    def door(self) -> Door:
        """Where it leaves things while it stands by."""
        ...

    @property
    def log_for_reading(self) -> Log:
        """The log, while it stands by."""
        ...

    def newest(self) -> tuple[int, int]:
        """(largest id, latest instant) of the log."""
        ...

    def acted(self) -> Awaitable[Log]:
        """The log as the acting daemon has it, once this is the one. Raises StoreRefused where it never will be."""
        ...

    async def lost(self) -> NoReturn:
        """Raises StoreRefused once it counts as dead; waits until then."""
        ...

    async def close(self) -> None:
        """Lets go of everything in order."""
        ...


class Shared(Protocol):
    """The database. `owner` is whom it takes for the daemon that acts, `committed` wakes at each commit."""

    @property
    def owner(self) -> int:
        """The number of the process that acts; NOBODY where none does."""
        ...

    @property
    def committed(self) -> Waking:
        """Whoever waits for the next commit."""
        ...

    async def arrive(self, identity: int, link: "Link") -> Arrived:
        """A daemon's start, under a number that no start had before. Raises what a daemon may die of."""
        ...


class InMemory(Cluster):
    """The reference, in memory."""

    async def arrive(self, identity: int, link: "Link") -> Node:
        """See Shared."""
        return await Node.arrive(self, identity, link)
