"""Answers for daemons that come to one database, so that one text of promises runs against all such stores.

It must never know what is promised.
"""

from collections.abc import Awaitable
from itertools import count
from typing import NoReturn, Protocol

from core.ports import Door, Log
from eventstore.cluster import Cluster
from eventstore.cluster_node import Node
from eventstore.postgres.opening import open_node


class AnyNode(Protocol):
    """A daemon that has arrived at a database."""

    @property
    def door(self) -> Door: ...

    @property
    def log_for_reading(self) -> Log: ...

    @property
    def is_acting(self) -> bool: ...

    def acted(self) -> Awaitable[Log]: ...

    def lost(self) -> Awaitable[NoReturn]: ...

    def close(self) -> Awaitable[None]: ...


class Nodes(Protocol):
    """A database to which daemons come, empty at first."""

    async def arrive(self) -> AnyNode:
        """The next daemon."""
        ...


class MemoryNodes:
    """Daemons over one memory cluster."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self._identities = count(1)

    async def arrive(self) -> AnyNode:
        return await Node.arrive(self.cluster, next(self._identities))


class PostgresNodes:
    """Daemons on one database of a real server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._identities = count(1)

    async def arrive(self) -> AnyNode:
        return await open_node(self.url, identity=next(self._identities))
