"""`accept-batch`: NDJSON, 5,000 messages a request.

Answers for: the rate of the batch call, beside raw SQLite writing the very rows that the daemon wrote.
Must never: let the two sides differ in tables, indices or durability; the rows and the schema are read back.
"""

from pathlib import Path

from benchmarks.daemon import daemon
from benchmarks.figures import Figure, Mark
from benchmarks.measures import accepting, bare, warm
from benchmarks.sinks import http_sink
from benchmarks.sitting import Sitting

_MESSAGES = 100_000
_LINES_A_REQUEST = 5_000
_CONNECTIONS = 4


def run(sitting: Sitting) -> list[Figure]:
    """Messages a second; either mark is enough."""
    logs: list[Path] = []

    def ours() -> float:
        room = sitting.room()
        with http_sink(room) as sink, daemon(room) as target:
            warm(target, sink, room)
            more = {"lines": _LINES_A_REQUEST, "connections": _CONNECTIONS}
            rate = accepting(target, sink, _MESSAGES, room, **more).rate
        logs.append(room / "data" / "tidings.db")
        return rate

    def raw() -> float:
        room = sitting.room()
        return bare(room, "sqlite", logs[-1], room / "bare.db", _MESSAGES)

    rates = sitting.alternate({"tidings": ours, "raw SQLite": raw})
    return [
        Figure(
            case="accept-batch",
            what=f"durable, {_LINES_A_REQUEST:,} lines a request",
            unit="msg/s",
            values=tuple(rates["tidings"]),
            limit="raw SQLite, same rows",
            limits=tuple(rates["raw SQLite"]),
            marks=(Mark(first_line=30_000, aim=60_000, of="value"), Mark(first_line=0.5, aim=0.5)),
        )
    ]
