"""Several machines on virtual time beside a real database: nodes as in memory, and a database that is waited for.

This file answers for a daemon that dials on such a loop getting what the world gives it for a connection. It must never
reach a server by itself.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from scenarios.loop.hybrid import HybridLoop
from scenarios.loop.nodes import NodeLoop


class NodesBeside(HybridLoop, NodeLoop):
    """A loop of nodes that threads answer. `driver` stands in for the database's own, for whoever runs here."""

    driver: "Driver"


class Driver:
    """What the database's driver is asked for: one connection, or a pool of them."""

    def __init__(self, dial: Callable[..., Awaitable[Any]], pool: Callable[..., Awaitable[Any]]) -> None:
        self.connect = dial
        self.create_pool = pool
