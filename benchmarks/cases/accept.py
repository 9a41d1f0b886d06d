"""`accept`: one message a request, 64 connections, a durable 202 for each.

Answers for: acceptance alone, since the lane is paused on both sides.
Must never: count what was answered before it was on disk.
"""

from benchmarks.daemon import daemon
from benchmarks.figures import Figure, Mark
from benchmarks.measures import accepting, warm
from benchmarks.sinks import http_sink
from benchmarks.sitting import Sitting
from benchmarks.targets import yardstick

_MESSAGES = 20_000


def run(sitting: Sitting) -> list[Figure]:
    """Messages a second, beside the yardstick that does nothing but accept."""

    def ours() -> float:
        room = sitting.room()
        with http_sink(room) as sink, daemon(room) as target:
            warm(target, sink, room)
            return accepting(target, sink, _MESSAGES, room).rate

    def ideal() -> float:
        room = sitting.room()
        with http_sink(room) as sink, yardstick("ideal_aiohttp", room) as target:
            warm(target, sink, room)
            return accepting(target, sink, _MESSAGES, room).rate

    rates = sitting.alternate({"tidings": ours, "ideal-aiohttp": ideal})
    return [
        Figure(
            case="accept",
            what="durable 202, one by one",
            unit="msg/s",
            values=tuple(rates["tidings"]),
            limit="ideal-aiohttp",
            limits=tuple(rates["ideal-aiohttp"]),
            marks=(Mark(first_line=0.4, aim=0.7),),
        )
    ]
