"""The boundaries of our ports, counted: where a crash makes a difference, and so where it is placed.

This file answers for the same run crossing the same boundaries in the same order. A boundary is crossed before anything
of a commit is written, before it is durable, and before anybody is told; before a request leaves, once it has left,
and once its answer is here but nowhere recorded.
"""

import asyncio
from collections.abc import Collection

from scenarios.loop.virtual import VirtualLoop


class Borders:
    """How many boundaries were crossed so far, over all lives of the daemon, and at which its power goes out."""

    def __init__(self, crash_at: Collection[int] = ()) -> None:
        self.crossed = 0
        self.crashed_at = ""
        self._crash_at = frozenset(crash_at)

    def cross(self, name: str) -> bool:
        """Crosses one more. Answers whether the power goes out here: then the caller must never go on."""
        self.crossed += 1
        if self.crossed not in self._crash_at:
            return False
        self.crashed_at = f"{name} (boundary {self.crossed})"
        return True


def cut() -> asyncio.Future[None]:
    """Cuts the power; what is answered never comes."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop), "only a simulated run can lose its power"
    loop.cut_power()
    never: asyncio.Future[None] = loop.create_future()
    return never
