"""How things stand, as Prometheus reads it: each lane, and how many messages have each status.

This file answers for figures that are looked up when they are asked for, since keeping them up to date would cost every
message. Counters of what happened are kept elsewhere (traffic.py, telemetry.py).
"""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from core.records import Tally
from core.views import LaneState


def acting_figures(lanes: Iterable[LaneState], tallies: Iterable[Tally], *, awake: int, is_ready: bool) -> bytes:
    """These states in Prometheus' text form; `awake` conversations are in memory."""
    of_daemon = (_of_conversations(awake), *_of_daemon(is_ready=is_ready, acts=True))
    return _written([*_of_lanes(list(lanes)), _of_messages(tallies), *of_daemon])


def standing_figures(*, is_ready: bool) -> bytes:
    """The same of a daemon that stands by: of itself only, so that a sum over all daemons counts each message once."""
    return _written([*_of_daemon(is_ready=is_ready, acts=False)])


def _written(metrics: list[Metric]) -> bytes:
    registry = CollectorRegistry()
    registry.register(_AsTheyAre(metrics))
    return generate_latest(registry)


class _AsTheyAre(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def _of_lanes(lanes: list[LaneState]) -> Iterator[Metric]:
    figures = (
        ("depth", "Waiting messages of a lane.", [lane.depth for lane in lanes]),
        ("in_flight", "Attempts of a lane that are out.", [lane.in_flight for lane in lanes]),
        ("lateness_seconds", "How long the oldest waiting message has been due.", [s.lateness_us / 1e6 for s in lanes]),
        ("paused", "1 where nothing goes out until a person resumes the lane.", [bool(s.paused_by) for s in lanes]),
        ("breaker_open", "1 where a breaker lets nothing but a probe out.", [s.breaker != "closed" for s in lanes]),
    )
    for name, words, values in figures:
        family = GaugeMetricFamily(f"tidings_lane_{name}", words, labels=["lane", "channel"])
        for lane, value in zip(lanes, values, strict=True):
            family.add_metric([lane.name, lane.channel], float(value))
        yield family


def _of_messages(tallies: Iterable[Tally]) -> Metric:
    family = GaugeMetricFamily("tidings_messages", "Messages by lane and status.", labels=["lane", "status"])
    counts: dict[tuple[str, str], int] = {}
    for tally in tallies:
        counts[tally.lane, tally.status] = counts.get((tally.lane, tally.status), 0) + tally.count
    for (lane, status), count in sorted(counts.items()):
        family.add_metric([lane, status], count)
    return family


def _of_conversations(awake: int) -> Metric:
    return GaugeMetricFamily("tidings_conversations_awake", "Conversations that are kept in memory.", value=awake)


def _of_daemon(*, is_ready: bool, acts: bool) -> Iterator[Metric]:
    yield GaugeMetricFamily("tidings_ready", "1 where new work is taken.", value=float(is_ready))
    yield GaugeMetricFamily("tidings_acting", "1 where this daemon acts, 0 where it stands by.", value=float(acts))
