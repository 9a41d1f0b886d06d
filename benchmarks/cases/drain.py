"""`drain`: 20,000 messages accepted while the lane is paused, then resumed.

Answers for: the delivery side by itself, beside aiohttp's client doing nothing else.
Must never: include the acceptance; the clock starts at the resumption.
"""

from benchmarks.bare import IN_FLIGHT
from benchmarks.daemon import daemon
from benchmarks.figures import Figure, Mark
from benchmarks.measures import accepting, bare, draining, warm
from benchmarks.sinks import http_sink
from benchmarks.sitting import Sitting

_MESSAGES = 20_000


def run(sitting: Sitting) -> list[Figure]:
    """Deliveries a second."""

    def ours() -> float:
        room = sitting.room()
        with http_sink(room) as sink, daemon(room) as target:
            warm(target, sink, room)
            accepting(target, sink, _MESSAGES, room)
            return draining(target, sink, _MESSAGES).rate

    def client() -> float:
        room = sitting.room()
        with http_sink(room) as sink:
            return bare(room, "aiohttp", sink.url, _MESSAGES, IN_FLIGHT)

    rates = sitting.alternate({"tidings": ours, "bare aiohttp": client})
    return [
        Figure(
            case="drain",
            what="delivered after a pause",
            unit="msg/s",
            values=tuple(rates["tidings"]),
            limit="bare aiohttp client",
            limits=tuple(rates["bare aiohttp"]),
            marks=(Mark(first_line=0.3, aim=0.6),),
        )
    ]
