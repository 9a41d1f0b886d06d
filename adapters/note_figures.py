"""What was noted, counted: every note by its name, and attempts by what they came to and how long they took.

This file answers for figures that are summed as they come, and made into Prometheus' form only when somebody asks: the
library's own take a lock at each step, and an attempt makes four. It must never have a label that a stranger chooses.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

# Webhooks answer within milliseconds, mail servers within minutes (RFC 5321, section 4.5.3.2).
_BUCKETS_S: Final = (0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600)
_BUCKET_NAMES: Final = (*(str(float(bound)) for bound in _BUCKETS_S), "+Inf")


class NoteFigures(Collector):
    """Notes since the start of the daemon."""

    def __init__(self) -> None:
        self._notes: dict[str, int] = {}
        self._attempts: dict[tuple[str, str, str], int] = {}
        # By lane: how many attempts took no longer than each bound and longer than the one before, and seconds in all.
        self._took: dict[str, tuple[list[int], list[float]]] = {}

    def count(self, name: str, values: Mapping[str, str | int | float | None]) -> None:
        """One step for a note."""
        self._notes[name] = self._notes.get(name, 0) + 1
        if name == "attempt":
            lane, took_us = str(values.get("lane")), values.get("took_us")
            labels = str(values.get("channel")), lane, str(values.get("outcome"))
            self._attempts[labels] = self._attempts.get(labels, 0) + 1
            if isinstance(took_us, int | float):
                self._spent(lane, took_us / 1_000_000)

    def _spent(self, lane: str, took_s: float) -> None:
        known = self._took.get(lane)
        if known is None:
            known = self._took[lane] = [0] * len(_BUCKET_NAMES), [0.0]
        counts, sum_s = known
        counts[bisect_left(_BUCKETS_S, took_s)] += 1
        sum_s[0] += took_s

    def collect(self) -> Iterator[Metric]:
        """The sums, as the registry asks for them."""
        notes = CounterMetricFamily("tidings_notes", "Things that happened, by name.", labels=["note"])
        for name, count in self._notes.items():
            notes.add_metric([name], count)
        yield notes
        labels = ["channel", "lane", "outcome"]
        attempts = CounterMetricFamily("tidings_attempts", "Attempts by what they came to.", labels=labels)
        for values, count in self._attempts.items():
            attempts.add_metric(values, count)
        yield attempts
        took = HistogramMetricFamily("tidings_attempt_seconds", "How long attempts took.", labels=["lane"])
        for lane, (counts, (sum_s,)) in self._took.items():
            took.add_metric([lane], list(zip(_BUCKET_NAMES, accumulate(counts), strict=True)), sum_s)
        yield took
