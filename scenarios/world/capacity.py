"""How much a provider lets in: the only part of the other side in which messages stand in each other's way.

This file answers for a provider's own limiter, which knows nothing of ours: it counts what it let in, and what others
used up that share its quota with us. It outlives the daemon, as providers do.
"""

from collections import deque
from typing import Final

from core.policies import SECOND_US
from scenarios.draws import Draws
from scenarios.file.answers import Answer
from scenarios.file.sides import CapacityTable

_FULL: Final = 429


class Room:
    """What the messages that one table means have of a provider, together."""

    def __init__(self, table: CapacityTable, draws: Draws, name: str) -> None:
        """`name` tells it from other tables of the same world."""
        self._table = table
        self._draws = draws
        self._name = name
        self._let_in: deque[int] = deque()
        self._inside: list[int] = []

    def refuses(self, at_us: int, until_us: int) -> Answer | None:
        """The refusal of a request that would be inside until an instant, None where it is let in."""
        self._inside = [ends_us for ends_us in self._inside if ends_us > at_us]
        waits_us = max(self._crowd_us(at_us), self._window_us(at_us))
        if waits_us:
            return self._refusal(waits_us)
        self._inside.append(until_us)
        self._let_in.append(at_us)
        return None

    def _crowd_us(self, at_us: int) -> int:
        most = self._table.in_flight
        return 0 if most is None or len(self._inside) < most else min(self._inside) - at_us

    def _window_us(self, at_us: int) -> int:
        """How long until the window has room, 0 where it has."""
        rate = self._table.rate
        if rate is None:
            return 0
        while self._let_in and self._let_in[0] <= at_us - rate.window_us:
            self._let_in.popleft()
        window, passed_us = divmod(at_us, rate.window_us)
        # Others come and go by the clock: in each window of it they use up between nothing and twice their share.
        others = int(2 * self._table.others * rate.count * self._draws.draw("others", self._name, window))
        if others >= rate.count:
            return rate.window_us - passed_us
        over = len(self._let_in) - (rate.count - others)
        return 0 if over < 0 else self._let_in[over] + rate.window_us - at_us

    def _refusal(self, waits_us: int) -> Answer:
        headers = {"retry-after": str(-(-waits_us // SECOND_US))} if self._table.says_when else {}
        return Answer(kind="status", status=_FULL, headers=headers)
