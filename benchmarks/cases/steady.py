"""`steady`: 200 messages a second in an open loop, from the request to the delivery; then the CPU of a burst.

Answers for: the latency of a daemon that has time, beside the yardstick under the same rate.
Must never: start a message's clock late because the client was late; the load client says when it sent.
"""

import msgspec

from benchmarks.daemon import daemon
from benchmarks.figures import Figure, Mark, percentile
from benchmarks.loading import load
from benchmarks.measures import latencies_ms, live, plan, warm
from benchmarks.sinks import Sink, http_sink
from benchmarks.sitting import Sitting
from benchmarks.targets import Target, yardstick

_RATE = 200.0
_MESSAGES = 2_400
_BURST = 5_000


class _Steady(msgspec.Struct, frozen=True, kw_only=True):
    p50_ms: float
    p99_ms: float
    burst_cpu_s_per_1000: float


def run(sitting: Sitting) -> list[Figure]:
    """Median and 99th percentile, and the CPU of a burst."""

    def measured(target: Target, sink: Sink) -> _Steady:
        room = sitting.room()
        warm(target, sink, room)
        sent = load(plan(target, sink, _MESSAGES, rate=_RATE), room)
        sink.wait(_MESSAGES)
        took_ms = list(latencies_ms(sent, sink.seen_once(range(_MESSAGES))).values())
        sink.reset()
        cpu = live(target, sink, _BURST, room).cpu_s_per_1000
        return _Steady(p50_ms=percentile(took_ms, 0.5), p99_ms=percentile(took_ms, 0.99), burst_cpu_s_per_1000=cpu)

    def ours() -> _Steady:
        room = sitting.room()
        with http_sink(room) as sink, daemon(room) as target:
            return measured(target, sink)

    def ideal() -> _Steady:
        room = sitting.room()
        with http_sink(room) as sink, yardstick("ideal_aiohttp", room) as target:
            return measured(target, sink)

    sides = sitting.alternate({"tidings": ours, "ideal-aiohttp": ideal})
    shown: tuple[tuple[str, str, str, Mark | None], ...] = (
        ("p50_ms", "p50 at 200/s", "ms", None),
        ("p99_ms", "p99 at 200/s", "ms", Mark(first_line=3, aim=2, better="less")),
        ("burst_cpu_s_per_1000", "CPU in a burst", "s/1,000", Mark(first_line=0.4, aim=0.2, of="value", better="less")),
    )
    return [
        Figure(
            case="steady",
            what=what,
            unit=unit,
            values=tuple(getattr(side, field) for side in sides["tidings"]),
            limit="ideal-aiohttp",
            limits=tuple(getattr(side, field) for side in sides["ideal-aiohttp"]),
            marks=() if mark is None else (mark,),
        )
        for field, what, unit, mark in shown
    ]
