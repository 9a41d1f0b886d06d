"""How much the API is used: answers by call and status, and how long they took.

This file answers for figures that cost next to nothing to keep: they are summed as they come and made into Prometheus'
form only when somebody asks.
"""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector


class Traffic(Collector):
    """Answers since the start of the daemon."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, int], int] = {}
        self._seconds: dict[str, float] = {}

    def saw(self, call: str, status: int, took_s: float) -> None:
        """One answer to `call`, given after `took_s` seconds."""
        key = (call, status)
        self._answers[key] = self._answers.get(key, 0) + 1
        self._seconds[call] = self._seconds.get(call, 0.0) + took_s

    def collect(self) -> Iterator[Metric]:
        """The sums, as the registry asks for them."""
        answers = CounterMetricFamily(
            "tidings_http_answers", "Answers of the HTTP API, by call and status", labels=["call", "status"]
        )
        for (call, status), count in self._answers.items():
            answers.add_metric([call, str(status)], count)
        yield answers
        seconds = CounterMetricFamily(
            "tidings_http_seconds", "Time from a request's head to its answer, summed by call", labels=["call"]
        )
        for call, sum_s in self._seconds.items():
            seconds.add_metric([call], sum_s)
        yield seconds
