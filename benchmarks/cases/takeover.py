"""`takeover`: the acting daemon is killed, or stopped in order, while messages come in through the one that stands by.

Answers for: the longest time without a delivery that follows.
Must never: give a figure where a message did not arrive.
"""

import time
from itertools import pairwise
from pathlib import Path

from benchmarks.databases import daemons, databases
from benchmarks.figures import Figure, Mark
from benchmarks.loading import loading
from benchmarks.measures import plan, warm
from benchmarks.sinks import http_sink
from benchmarks.sitting import Sitting
from core.ownership import SILENCE_S

_PER_S = 40
# Before the end, and after it: for longer than whoever is killed is missed.
_BEFORE = 2 * _PER_S
_AFTER = 28 * _PER_S


def run(sitting: Sitting) -> list[Figure]:
    """Seconds without a delivery after either end."""
    with databases(sitting.room() / "server") as fresh:
        gaps_s = sitting.alternate(
            {
                "killed": lambda: _gap_s(sitting.room(), next(fresh), is_killed=True),
                "stopped": lambda: _gap_s(sitting.room(), next(fresh), is_killed=False),
            }
        )
    return [
        Figure(
            case="takeover",
            what="without a delivery, acting daemon killed",
            unit="s",
            values=tuple(gaps_s["killed"]),
            limit="the silence that proves it",
            limits=(SILENCE_S,),
            marks=(Mark(first_line=1.3, aim=1.1, better="less"),),
        ),
        Figure(
            case="takeover",
            what="without a delivery, acting daemon stopped",
            unit="s",
            values=tuple(gaps_s["stopped"]),
            marks=(Mark(first_line=3, aim=1, of="value", better="less"),),
        ),
    ]


def _gap_s(room: Path, url: str, *, is_killed: bool) -> float:
    with http_sink(room) as sink, daemons(room, url, 2) as (acting, standing):
        warm(standing, sink, room)
        with loading(plan(standing, sink, _BEFORE + _AFTER, rate=_PER_S), room) as under_way:
            sink.wait(_BEFORE)
            ended_ns = time.monotonic_ns()
            if is_killed:
                acting.party.kill()
            else:
                acting.party.stop()
            under_way.report()
        sink.wait_for_all(range(_BEFORE + _AFTER))
        seen = sorted(sink.seen().at_ns)
    # From the last delivery before it on.
    begun_ns = max(at_ns for at_ns in seen if at_ns <= ended_ns)
    return max(after - before for before, after in pairwise(seen) if before >= begun_ns) / 1e9
