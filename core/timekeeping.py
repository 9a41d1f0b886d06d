"""Log time: an instant that never goes back, made from what the machine's two clocks say.

This file answers for one rule, and for how long to wait under it. It must never read a clock: both readings are
passed in by the one file that may (adapters/clock.py).

The rule: log time follows the wall clock, forward steps at once. When the wall clock is behind (it was set back, or
the log was last written under a later one), log time goes on at half the speed of the monotonic clock until the wall
has caught up. Half speed, because a time that stands still would keep deadlines from ever coming, and one that runs
at full speed would never meet the wall again; and since it is never faster than real time, the windows of limits can
only grow in real time, never bunch.
"""

from typing import Final

# The beginning of the year 10000, in microseconds since 1970: no instant from there on can be written down (RFC 3339).
INSTANT_END_US: Final = 253_402_300_800_000_000


class LogTime:
    """Log time of one process, in microseconds since 1970 UTC.

    Starts at the wall clock or at `floor_us` (the last instant in the log, 0 for an empty one), whichever is later.
    """

    __slots__ = ("_anchor_monotonic_us", "_anchor_us")

    def __init__(self, *, wall_us: int, monotonic_us: int, floor_us: int) -> None:
        # The last reading at which log time and wall clock agreed, or the start. Counting from there, rather than from
        # the reading before, keeps many readings in quick succession from losing their halves to rounding.
        self._anchor_us = max(wall_us, floor_us)
        self._anchor_monotonic_us = monotonic_us

    def at(self, wall_us: int, monotonic_us: int) -> int:
        """Log time at this reading of both clocks; never before an earlier answer."""
        # Read a dozen times a message, so it spares the calls of `max`.
        elapsed_us = monotonic_us - self._anchor_monotonic_us
        passed_us = elapsed_us if elapsed_us > 0 else 0  # noqa: FURB136  # As said.
        slow_us = self._anchor_us + passed_us // 2
        if wall_us < slow_us:
            return slow_us
        self._anchor_us = wall_us
        self._anchor_monotonic_us += passed_us
        return wall_us

    def wait_us(self, until_us: int, wall_us: int, monotonic_us: int) -> int:
        """How much real time will pass until log time reaches `until_us`, if the wall clock does not step; 0 if it has.

        While the wall is behind, the instant comes at half speed or when the wall gets there, whichever is first.
        """
        now_us = self.at(wall_us, monotonic_us)
        return max(0, min(until_us - wall_us, 2 * (until_us - now_us)))

    def behind_us(self, wall_us: int, monotonic_us: int) -> int:
        """How far the wall clock is behind log time; 0 where they agree."""
        return self.at(wall_us, monotonic_us) - wall_us
