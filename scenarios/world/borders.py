"""The boundaries of our ports, counted: where a crash makes a difference, and so where it is placed.

This file answers for the same run crossing the same boundaries in the same order. A boundary is crossed before anything
of a commit is written, before it is durable, and before anybody is told; before a request leaves, once it has left,
and once its answer is here but nowhere recorded.
"""

import asyncio
from collections.abc import Collection, Sequence

from scenarios.file.sides import Fault
from scenarios.loop.nodes import NODE, NOWHERE, NodeLoop
from scenarios.loop.virtual import VirtualLoop


class Borders:
    """The boundaries that were crossed so far, over all lives of the daemon, and at which its power goes out.

    It goes out at those of `crash_at`, counted from 1, and as `points` say: each is a crash at the so many-eth boundary
    from an instant on. `instants_us` are those of all boundaries; `down_us` how long the last of the points lasts.
    """

    def __init__(self, crash_at: Collection[int] = (), points: Sequence[Fault] = ()) -> None:
        self.instants_us: list[int] = []
        self.crashed_at = ""
        self.down_us: int | None = None
        self._crash_at = frozenset(crash_at)
        self._left = {index: fault.boundary or 1 for index, fault in enumerate(points)}
        self._points = points
        self._is_sound = not (crash_at or points)

    @property
    def crossed(self) -> int:
        """How many there were."""
        return len(self.instants_us)

    def cross(self, name: str, now_us: int, events: int | None = None) -> bool:
        """Crosses one more, of so many events. Answers whether the power goes out: then the caller must never go on."""
        self.instants_us.append(now_us)
        # Most runs cross thousands, and crash nowhere.
        if self._is_sound or not self._is_hit(now_us):
            return False
        of = "" if events is None else f" of {events} events"
        self.crashed_at = f"{name}{of} (boundary {self.crossed})"
        return True

    def _is_hit(self, now_us: int) -> bool:
        is_hit = self.crossed in self._crash_at
        for index in list(self._left):
            if self._points[index].at_us <= now_us:
                self._left[index] -= 1
                if not self._left[index]:
                    del self._left[index]
                    self.down_us, is_hit = self._points[index].down_us, True
        return is_hit


def cut() -> asyncio.Future[None]:
    """Cuts the power, of this machine where there are several; what is answered never comes."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop), "only a simulated run can lose its power"
    node = NODE.get()
    if node != NOWHERE and isinstance(loop, NodeLoop):
        loop.kill(node)
    else:
        loop.cut_power()
    never: asyncio.Future[None] = loop.create_future()
    return never
