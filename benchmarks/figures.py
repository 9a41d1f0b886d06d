"""What a benchmark comes to: samples, their middle and spread, the limit beside them, and the verdict.

Answers for: one way to judge a figure, the same for every case.
Must never: measure anything, or compare absolute figures of two sittings.
"""

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

NOISY_SPREAD = 0.25
"""A figure whose runs lie further apart than this share of their median is marked as noisy."""

Verdict = Literal["aim", "first line", "SHORT", ""]


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What a figure has to reach: the first line, and what we are after."""

    first_line: float
    aim: float
    of: Literal["ratio", "value"] = "ratio"
    better: Literal["more", "less"] = "more"

    def reached(self, seen: float) -> Verdict:
        """How far `seen` has come."""
        for line, name in ((self.aim, "aim"), (self.first_line, "first line")):
            if (seen >= line) if self.better == "more" else (seen <= line):
                return "aim" if name == "aim" else "first line"
        return "SHORT"


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    case: str
    what: str
    unit: str
    values: tuple[float, ...]
    """One value a run."""
    limit: str = ""
    """What bounds the figure, measured in the same sitting; empty where only the value counts."""
    limits: tuple[float, ...] = ()
    marks: tuple[Mark, ...] = ()
    """Where there are several, one of them is enough."""
    note: str = ""

    @property
    def value(self) -> float:
        return median(self.values)

    @property
    def ratio(self) -> float | None:
        """The figure's median as a share of its limit's; None without a limit."""
        return self.value / median(self.limits) if self.limits else None

    @property
    def verdict(self) -> Verdict:
        """The best that any of its marks says; empty where a figure is only shown."""
        reached = [mark.reached(self.value if mark.of == "value" else self.ratio or 0.0) for mark in self.marks]
        order: tuple[Verdict, ...] = ("aim", "first line", "SHORT")
        return next((verdict for verdict in order if verdict in reached), "")

    @property
    def is_noisy(self) -> bool:
        return max(spread(self.values), spread(self.limits)) > NOISY_SPREAD


def median(values: Sequence[float]) -> float:
    """The middle value; of an even number the mean of the two in the middle."""
    assert values, "no run gave a value"
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def spread(values: Sequence[float]) -> float:
    """The distance between the best and the worst run, as a share of the median; 0 for fewer than two runs."""
    if len(values) < 2 or median(values) == 0:
        return 0.0
    return (max(values) - min(values)) / abs(median(values))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed (nearest rank)."""
    assert values, "no value to rank"
    assert 0 < share <= 1, f"a percentile of {share}"
    return sorted(values)[math.ceil(share * len(values)) - 1]


def busiest(instants: Sequence[int], window: int) -> int:
    """The most instants that any window holds, wherever it starts; half open, so `window` apart is not within one."""
    ordered = sorted(instants)
    most = first = 0
    for last, instant in enumerate(ordered):
        while instant - ordered[first] >= window:
            first += 1
        most = max(most, last - first + 1)
    return most
