"""Circuits: when to stop trying, and how carefully to begin again.

A conversation's circuit is folded from its own events. A lane's breaker (or a webhook host's) weighs the last outcomes
and, once a probe succeeded, lets traffic ramp up again. Both are pure values; whoever waits is elsewhere.
"""

from collections import deque
from typing import Final

import msgspec

from core.policies import SECOND_US, BreakerRule, CircuitRule

# After an outage: one attempt a second, doubling every ten seconds, until the pace no longer matters.
RAMP_STEP_US: Final = 10 * SECOND_US
RAMP_DONE_US: Final = 10 * RAMP_STEP_US


class Circuit(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`open_until_us` None means closed; past that instant one probe may go (half-open). `streak`: faults in a row."""

    open_until_us: int | None = None
    streak: int = 0
    openings: int = 0

    @property
    def is_closed(self) -> bool:
        """Whether attempts go out as usual."""
        return self.open_until_us is None

    def opens_after(self, rule: CircuitRule) -> bool:
        """Whether one more fault opens it: the streak is full, or the probe of an open one has just failed."""
        return not self.is_closed or self.streak + 1 >= rule.failures


def cooldown_us(first_us: int, ceiling_us: int, openings: int) -> int:
    """How long the `openings`th opening in a row lasts (from 1): doubling, up to the ceiling."""
    return min(ceiling_us, first_us << min(openings - 1, 40))


class Breaker:
    """The breaker of a lane or a webhook host: the last outcomes, whether it is open, and the ramp after it closed.

    Counts live in memory only: after a restart it begins anew. What it decided (open until, closed at) is recorded in
    the lane's stream and folded back through `opened` and `closed`.
    """

    __slots__ = ("_outcomes", "closed_us", "open_until_us", "openings", "probing", "ramp_next_us")

    def __init__(self) -> None:
        self._outcomes: deque[tuple[int, bool]] = deque()
        self.open_until_us: int | None = None
        self.openings = 0
        self.probing = False
        self.closed_us: int | None = None
        self.ramp_next_us = 0

    def saw(self, rule: BreakerRule, *, fault: bool, now_us: int) -> tuple[int, int] | None:
        """Weighs one more outcome. Answers (faults, outcomes) where they are too many and it should open now."""
        self._outcomes.append((now_us, fault))
        while len(self._outcomes) > rule.of or self._outcomes[0][0] < now_us - rule.within_us:
            self._outcomes.popleft()
        if not fault or self.open_until_us is not None:
            return None
        if len(self._outcomes) < rule.share * rule.of:
            return None
        faults = sum(bad for _, bad in self._outcomes)
        return (faults, len(self._outcomes)) if faults >= rule.share * rule.of else None

    def opened(self, until_us: int, openings: int) -> None:
        """Folds BreakerOpened."""
        self.open_until_us = until_us
        self.openings = openings
        self.probing = False
        self._outcomes.clear()

    def closed(self, at_us: int) -> None:
        """Folds BreakerClosed: traffic ramps up from here."""
        self.open_until_us = None
        self.openings = 0
        self.probing = False
        self.closed_us = at_us
        self.ramp_next_us = at_us
        self._outcomes.clear()

    def room_at(self, now_us: int) -> int | None:
        """When the next attempt may start: now or earlier means at once, None means when the probe has come back."""
        if self.open_until_us is not None:
            return None if self.probing else self.open_until_us
        if self.closed_us is None:
            return 0
        if now_us >= self.closed_us + RAMP_DONE_US:
            self.closed_us = None
            return 0
        return self.ramp_next_us

    def took(self, now_us: int) -> bool:
        """Counts a started attempt. Answers whether it is the probe of an open breaker."""
        if self.open_until_us is not None:
            self.probing = True
            return True
        if self.closed_us is not None:
            doublings = max(0, now_us - self.closed_us) // RAMP_STEP_US
            self.ramp_next_us = max(self.ramp_next_us, now_us) + (SECOND_US >> doublings)
        return False

    def spared(self, now_us: int) -> None:
        """A permit came back under which nothing began: its place in the ramp is free for another."""
        self.ramp_next_us = min(self.ramp_next_us, now_us)

    def gave_back(self) -> None:
        """A permit came back unused: if it was the probe, the next one may be."""
        self.probing = False
