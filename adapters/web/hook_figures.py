"""How many hooks came: taken, repeated, refused, by source.

This file answers for figures that are summed as they come, and made into Prometheus' form only when somebody asks. It
must never have a label that a stranger chooses: sources are those that are configured.
"""

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

_TAKEN: Final = ("tidings_hooks_taken", "Updates that were taken charge of, by source")
_REPEATED: Final = ("tidings_hooks_repeated", "Updates that had come before, by source")
_REFUSED: Final = ("tidings_hooks_refused", "Hooks that were not taken, by source and reason")


class HookFigures(Collector):
    """Hooks since the start of the daemon."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}
        self._repeated: dict[str, int] = {}
        self._refused: dict[tuple[str, str], int] = {}

    def took(self, source: str, *, taken: int, repeated: int) -> None:
        """One hook was answered well."""
        self._taken[source] = self._taken.get(source, 0) + taken
        self._repeated[source] = self._repeated.get(source, 0) + repeated

    def refused(self, source: str, reason: str) -> None:
        """One hook was not taken: why its signature was refused, or what else was in the way."""
        self._refused[source, reason] = self._refused.get((source, reason), 0) + 1

    def collect(self) -> Iterator[Metric]:
        """The sums, as the registry asks for them."""
        for (name, words), sums in ((_TAKEN, self._taken), (_REPEATED, self._repeated)):
            family = CounterMetricFamily(name, words, labels=["source"])
            for source, count in sums.items():
                family.add_metric([source], count)
            yield family
        family = CounterMetricFamily(*_REFUSED, labels=["source", "reason"])
        for labels, count in self._refused.items():
            family.add_metric(labels, count)
        yield family
