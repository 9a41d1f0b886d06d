"""`postgres`: the case `live` with the log on PostgreSQL, beside the same on a SQLite file.

Answers for: what a database on the same machine costs, its own share of the processors included.
Must never: turn off what makes the server's commits durable.
"""

from benchmarks.daemon import Settings, daemon
from benchmarks.databases import databases
from benchmarks.figures import Figure, Mark
from benchmarks.measures import Burst, live, warm
from benchmarks.sinks import http_sink
from benchmarks.sitting import Sitting

_MESSAGES = 20_000


def run(sitting: Sitting) -> list[Figure]:
    """The rate and what it costs on either store."""

    def burst(store: str | None) -> Burst:
        room = sitting.room()
        with http_sink(room) as sink, daemon(room, Settings(store=store)) as target:
            warm(target, sink, room)
            return live(target, sink, _MESSAGES, room, in_order=True)

    with databases(sitting.room() / "server") as fresh:
        bursts = sitting.alternate({"postgres": lambda: burst(next(fresh)), "sqlite": lambda: burst(None)})
    return _figures(bursts)


def _figures(bursts: dict[str, list[Burst]]) -> list[Figure]:
    def figure(what: str, unit: str, field: str, *marks: Mark, note: str = "") -> Figure:
        values, limits = (tuple(getattr(burst, field) for burst in bursts[side]) for side in ("postgres", "sqlite"))
        return Figure(
            case="postgres", what=what, unit=unit, values=values, limit="sqlite", limits=limits, marks=marks, note=note
        )

    shared = "server, daemon, client and sink share the processors"
    return [
        figure("accepted and delivered", "msg/s", "rate", Mark(first_line=0.5, aim=0.8), note=shared),
        figure("CPU of the daemon", "s/1,000", "cpu_s_per_1000"),
        figure("memory at the end", "MiB", "memory_mib"),
    ]
