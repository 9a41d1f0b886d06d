"""`live`: accepted one by one over HTTP and delivered by HTTP POST to 1,000 conversations, both at once.

Answers for: the rate from the first request to the last delivery, its CPU and its memory, beside both yardsticks.
Must never: give a figure where a message is missing or came twice, or where a conversation's order was broken.
"""

from collections.abc import Callable
from typing import Any

from benchmarks.daemon import daemon
from benchmarks.figures import Figure, Mark
from benchmarks.measures import Burst, live, warm
from benchmarks.sinks import http_sink
from benchmarks.sitting import Sitting
from benchmarks.targets import yardstick

_MESSAGES = 20_000


def run(sitting: Sitting) -> list[Figure]:
    """The rate beside each yardstick, and what it costs."""

    def ours() -> Burst:
        room = sitting.room()
        with http_sink(room) as sink, daemon(room) as target:
            warm(target, sink, room)
            return live(target, sink, _MESSAGES, room, in_order=True)

    def ideal(name: str) -> Callable[[], Burst]:
        def measure() -> Burst:
            room = sitting.room()
            with http_sink(room) as sink, yardstick(name, room) as target:
                warm(target, sink, room)
                return live(target, sink, _MESSAGES, room)

        return measure

    sides = {"tidings": ours, "ideal-aiohttp": ideal("ideal_aiohttp"), "ideal-raw": ideal("ideal_raw")}
    return _figures(sitting.alternate(sides))


def _figures(bursts: dict[str, list[Burst]]) -> list[Figure]:
    def figure(what: str, unit: str, field: str, limit: str, **more: Any) -> Figure:  # noqa: ANN401  as in Figure
        values, limits = (tuple(getattr(burst, field) for burst in bursts[side]) for side in ("tidings", limit))
        return Figure(case="live", what=what, unit=unit, values=values, limit=limit, limits=limits, **more)

    leaner = "0.4 of it would ask for a leaner delivery side or a second process"
    return [
        figure("accepted and delivered", "msg/s", "rate", "ideal-aiohttp", marks=(Mark(first_line=0.4, aim=0.8),)),
        figure("beyond aiohttp", "msg/s", "rate", "ideal-raw", note=leaner),
        figure("CPU", "s/1,000", "cpu_s_per_1000", "ideal-aiohttp"),
        figure("memory at the end", "MiB", "memory_mib", "ideal-aiohttp"),
    ]
