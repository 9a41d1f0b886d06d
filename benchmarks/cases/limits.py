"""`limits`: 10,000 messages against 100 a second, with a kill and a clean restart on the way.

Answers for: never above the limit in any window, and how much of it was used while the daemon was ready.
Must never: be repeated for a median: one run takes its 100 seconds by nature, and "never" has no spread.
"""

import time

import msgspec

from benchmarks.arrivals import Seen
from benchmarks.daemon import Settings, daemon
from benchmarks.figures import Figure, Mark, busiest
from benchmarks.loading import load
from benchmarks.measures import plan
from benchmarks.sinks import Sink, http_sink
from benchmarks.sitting import Sitting
from benchmarks.targets import Target

_MESSAGES = 10_000
_RATE = 100
_WINDOW_NS = 1_000_000_000
_KILL_AFTER_S, _RESTART_AFTER_S = 30.0, 35.0
# A hand-over and its arrival lie a little apart, so the sink's own windows are judged this much shorter.
_TRAVEL_NS = 20_000_000


class _Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which the daemon was ready, in monotonic nanoseconds."""

    since_ns: int
    until_ns: int


def run(sitting: Sitting) -> list[Figure]:
    """The fullest window as the sink saw it, and the share of the limit that was used."""
    room = sitting.room()
    settings = Settings(calls_limits=f'lane = "{_RATE}/s", host_concurrency = 64')
    ready: list[_Stretch] = []
    with http_sink(room) as sink:
        with daemon(room, settings) as target:
            load(plan(target, sink, _MESSAGES, lines=5_000, connections=1), room)
            ready.append(_stretch(target, sink, _KILL_AFTER_S))
            target.party.kill()
        for after_s in (_RESTART_AFTER_S, None):
            with daemon(room, settings) as target:
                ready.append(_stretch(target, sink, after_s))
        seen = sink.seen()
    return _figures(seen, ready)


def _stretch(target: Target, sink: Sink, after_s: float | None) -> _Stretch:
    """Let a daemon deliver for a while, or until everything has arrived."""
    if after_s is None:
        sink.wait_for_all(range(_MESSAGES))
    else:
        time.sleep(after_s)
    return _Stretch(since_ns=target.ready_ns, until_ns=time.monotonic_ns())


def _figures(seen: Seen, ready: list[_Stretch]) -> list[Figure]:
    first_ns, last_ns = min(seen.at_ns), max(seen.at_ns)
    ready_s = sum(min(part.until_ns, last_ns) - max(part.since_ns, first_ns) for part in ready) / 1e9
    # The first window is full at its very start, so a time of n windows has room for n + 1 windows' worth.
    used = len(seen.at_ns) / ((ready_s + _WINDOW_NS / 1e9) * _RATE) * 100
    fullest = busiest(seen.at_ns, _WINDOW_NS - _TRAVEL_NS)
    twice = len(seen.numbers) - len(set(seen.numbers))
    return [
        Figure(
            case="limits",
            what="fullest second of all",
            unit="msg",
            values=(float(fullest),),
            marks=(Mark(first_line=_RATE, aim=_RATE, of="value", better="less"),),
            note=f"after a kill {twice} were sent again because their outcome was unknown",
        ),
        Figure(
            case="limits",
            what="of the limit used while ready",
            unit="%",
            values=(used,),
            marks=(Mark(first_line=97, aim=99, of="value"),),
        ),
    ]
