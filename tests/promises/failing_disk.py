"""A disk on which the power goes out, for tests that go through every border at which it can.

This file answers for the power going out where a test says. It must never judge.
"""

from collections.abc import Awaitable

from eventstore.disk import Border
from scenarios.loop.run import cut_power
from tests.promises.other_side import ObedientDisk


class FailingDisk(ObedientDisk):
    """A disk on which the power goes out at one border of a commit, counted from when it is armed."""

    def __init__(self) -> None:
        super().__init__()
        self._left: int | None = None

    def arm(self, borders: int) -> None:
        """The power goes out at the border after so many."""
        self._left = borders

    def at(self, border: Border, rows: int) -> Awaitable[None] | None:
        """Called at a border of a commit or a read."""
        if self._left is None or not rows:
            return super().at(border, rows)
        self._left -= 1
        return cut_power() if self._left < 0 else super().at(border, rows)
