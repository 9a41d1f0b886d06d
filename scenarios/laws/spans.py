"""Stretches of time: when something was in the way, and whether nothing was.

Pure arithmetic over instants in microseconds.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

FOREVER = 1 << 62

Span = tuple[int, int]


class Spans:
    """Stretches in order, without overlap; those with less than `slack_us` between them count as one."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, spans: Iterable[Span], slack_us: int = 0) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start_us, end_us in sorted(spans):
            if end_us <= start_us:
                continue
            if self._ends and start_us <= self._ends[-1] + slack_us:
                self._ends[-1] = max(self._ends[-1], end_us)
            else:
                self._starts.append(start_us)
                self._ends.append(end_us)

    def __bool__(self) -> bool:
        return bool(self._starts)

    def end_at(self, at_us: int) -> int | None:
        """Until when the stretch goes on that covers an instant, None where none does."""
        index = bisect_right(self._starts, at_us) - 1
        return self._ends[index] if index >= 0 and self._ends[index] > at_us else None

    def next_start(self, at_us: int) -> int:
        """When the next stretch begins after an instant."""
        index = bisect_right(self._starts, at_us)
        return self._starts[index] if index < len(self._starts) else FOREVER

    def spans(self) -> list[Span]:
        """All of them."""
        return list(zip(self._starts, self._ends, strict=True))


def full(busy: Iterable[Span], most: int, slack_us: int) -> Spans:
    """When at least `most` of these stretches lie over one another."""
    edges = sorted([edge for start_us, end_us in busy if start_us < end_us for edge in ((start_us, 1), (end_us, -1))])
    found, depth, since_us = [], 0, 0
    for at_us, change in edges:
        depth += change
        if change > 0 and depth == most:
            since_us = at_us
        elif change < 0 and depth == most - 1:
            found.append((since_us, at_us))
    return Spans(found, slack_us)


def hole(from_us: int, until_us: int, covers: Sequence[Spans], slack_us: int) -> tuple[int, Spans | None] | None:
    """The first time of more than `slack_us` that nothing covers between two instants, and what had covered it last.

    None where everything is covered.
    """
    at_us, last = from_us, None
    while until_us - at_us > slack_us:
        end_us, cover = max(((cover.end_at(at_us) or 0, index) for index, cover in enumerate(covers)), default=(0, 0))
        if end_us > at_us:
            at_us, last = end_us, covers[cover]
            continue
        next_us = min((cover.next_start(at_us) for cover in covers), default=FOREVER)
        if min(next_us, until_us) - at_us > slack_us:
            return at_us, last
        at_us = next_us
    return None


def uncovered(from_us: int, until_us: int, covers: Sequence[Spans]) -> list[Span]:
    """What is left between two instants once everything covered is taken away."""
    left, at_us = [], from_us
    while at_us < until_us:
        end_us = max((cover.end_at(at_us) or 0 for cover in covers), default=0)
        if end_us > at_us:
            at_us = end_us
            continue
        next_us = min(min((cover.next_start(at_us) for cover in covers), default=FOREVER), until_us)
        left.append((at_us, next_us))
        at_us = next_us
    return left
