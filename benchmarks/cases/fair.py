"""`fair`: one tenant floods 300,000, a second lane holds 200,000 while paused, and another tenant sends 100.

Answers for: what the small tenant feels, beside the same daemon before the flood.
Must never: end while the flood has drained; a measurement beside nothing proves nothing.
"""

from pathlib import Path

from benchmarks.daemon import Settings, daemon
from benchmarks.figures import Figure, Mark, percentile
from benchmarks.loading import load
from benchmarks.measures import LANE, latencies_ms, plan, warm
from benchmarks.parties import PartyFailed
from benchmarks.sinks import Sink, http_sink
from benchmarks.sitting import Sitting
from benchmarks.targets import Target

_HELD_LANE = "held"
_FLOOD, _HELD, _CHUNK = 300_000, 200_000, 100_000
_SMALL, _SMALL_RATE = 100, 20.0
_SMALL_FIRST = 2_000_000_000


def run(sitting: Sitting) -> list[Figure]:
    """The 99th percentile of the small tenant, in the flood and before it."""
    room = sitting.room()
    settings = Settings(webhook_lanes=(LANE, _HELD_LANE))
    with http_sink(room) as small_sink, http_sink(room) as flood_sink, daemon(room, settings) as target:
        warm(target, small_sink, room)
        before_ms = sitting.alternate({"before": lambda: _small(target, small_sink, room)})["before"]
        _flood(sitting, target, flood_sink, room)
        target.resume(LANE)
        during_ms = sitting.alternate({"during": lambda: _small(target, small_sink, room)})["during"]
        flooded = len(flood_sink.seen().numbers)
        if flooded >= _FLOOD:
            raise PartyFailed("the flood had drained before the small tenant was measured")
        target.party.kill()
    return [
        Figure(
            case="fair",
            what="p99 of a small tenant in a flood",
            unit="ms",
            values=tuple(during_ms),
            limit="before the flood",
            limits=tuple(before_ms),
            marks=(Mark(first_line=3, aim=2, better="less"),),
            note=f"{flooded:,} of the flood's {_FLOOD:,} were delivered meanwhile",
        )
    ]


def _flood(sitting: Sitting, target: Target, sink: Sink, room: Path) -> None:
    """Fill both lanes while they are paused."""
    for lane, tenant, count in ((_HELD_LANE, "holder", _HELD), (LANE, "flooder", _FLOOD)):
        target.pause(lane)
        for first in range(0, count, _CHUNK):
            sitting.say(f"{first:,} of {count:,} wait in {lane}")
            more = {"lines": 5_000, "connections": 4, "tenant": tenant, "extra": {"lane": lane}}
            load(plan(target, sink, _CHUNK, first=first, conversations=10_000, **more), room)


def _small(target: Target, sink: Sink, room: Path) -> float:
    """The 99th percentile of a hundred messages of the small tenant, in milliseconds."""
    sink.reset()
    more = {"tenant": "small", "extra": {"lane": LANE}, "conversations": _SMALL}
    sent = load(plan(target, sink, _SMALL, first=_SMALL_FIRST, rate=_SMALL_RATE, **more), room)
    sink.wait(_SMALL)
    took_ms = latencies_ms(sent, sink.seen(), first=_SMALL_FIRST)
    return percentile(list(took_ms.values()), 0.99)
