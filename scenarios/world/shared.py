"""What several daemons have in common, as the world sees it: their database.

This file answers for a run being the same to the world wherever the log is. It must never know a store.
"""

from typing import TYPE_CHECKING, Protocol

from eventstore.cluster import Cluster
from eventstore.cluster_node import Node as NodeInMemory
from eventstore.waking import Waking

if TYPE_CHECKING:
    from adapters.starting import Node
    from scenarios.world.link import Link


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

    async def arrive(self, identity: int, link: "Link") -> "Node":
        """A daemon's start, under a number that no start had before. Raises what a daemon may die of."""
        ...


class InMemory(Cluster):
    """The reference, in memory."""

    async def arrive(self, identity: int, link: "Link") -> NodeInMemory:
        """See Shared."""
        return await NodeInMemory.arrive(self, identity, link)
