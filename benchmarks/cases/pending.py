"""`pending`: a million messages due tomorrow, and what they cost today.

Answers for: memory a message, CPU while nothing is due, and `live` beside a daemon that has nothing pending.
Must never: compare daemons of two moments; the loaded and the empty one stand side by side and take turns.
"""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.daemon import daemon
from benchmarks.figures import Figure, Mark
from benchmarks.loading import load
from benchmarks.measures import live, plan, warm
from benchmarks.sinks import Sink, http_sink
from benchmarks.sitting import Sitting
from benchmarks.targets import Target

_MESSAGES = 1_000_000
_CHUNK = 100_000
_LIVE_MESSAGES = 10_000
_SETTLE_S = 5.0
_IDLE_S = 10.0


def run(sitting: Sitting) -> list[Figure]:
    """Bytes a pending message, share of a core when idle, and the rate beside an empty daemon."""
    loaded_room, empty_room = sitting.room(), sitting.room()
    with http_sink(sitting.room()) as sink, daemon(loaded_room) as loaded, daemon(empty_room) as empty:
        for target, room in ((loaded, loaded_room), (empty, empty_room)):
            warm(target, sink, room)
            live(target, sink, _LIVE_MESSAGES, room)
            sink.reset()
        before_bytes = loaded.party.memory_bytes()
        _schedule(sitting, loaded, sink, loaded_room)
        time.sleep(_SETTLE_S)  # the last checkpoint of the load is not idleness
        each_bytes = (loaded.party.memory_bytes() - before_bytes) / _MESSAGES
        idle = sitting.alternate({"loaded": lambda: _core_share(loaded), "empty": lambda: _core_share(empty)})

        def rate(target: Target) -> float:
            sink.reset()
            return live(target, sink, _LIVE_MESSAGES, sitting.room()).rate

        rates = sitting.alternate({"loaded": lambda: rate(loaded), "empty": lambda: rate(empty)})
    return _figures(each_bytes, idle, rates)


def _schedule(sitting: Sitting, target: Target, sink: Sink, room: Path) -> None:
    """A million messages for tomorrow, through the batch call."""
    send_at = (datetime.now(UTC) + timedelta(days=1)).isoformat().replace("+00:00", "Z")
    more = {"lines": 5_000, "connections": 4, "conversations": 100_000, "extra": {"send_at": send_at}}
    for first in range(0, _MESSAGES, _CHUNK):
        sitting.say(f"{first:,} of {_MESSAGES:,} are scheduled")
        load(plan(target, sink, _CHUNK, first=first, **more), room)


def _figures(each_bytes: float, idle: dict[str, list[float]], rates: dict[str, list[float]]) -> list[Figure]:
    return [
        Figure(
            case="pending",
            what="memory a message due tomorrow",
            unit="B",
            values=(each_bytes,),
            marks=(Mark(first_line=200, aim=20, of="value", better="less"),),
            note="the aim is none beyond a window, and 20 B is the window's share",
        ),
        Figure(
            case="pending",
            what="CPU while nothing is due",
            unit="% of a core",
            values=tuple(idle["loaded"]),
            marks=(Mark(first_line=1, aim=0.5, of="value", better="less"),),
            note=f"an empty daemon meanwhile used {max(idle['empty']):.2g} % of a core at most",
        ),
        Figure(
            case="pending",
            what="live beside them",
            unit="msg/s",
            values=tuple(rates["loaded"]),
            limit="an empty daemon",
            limits=tuple(rates["empty"]),
            marks=(Mark(first_line=0.95, aim=0.95),),
        ),
    ]


def _core_share(target: Target) -> float:
    """Per cent of a core that a daemon uses while it has nothing to do."""
    before_s = target.party.cpu_s()
    time.sleep(_IDLE_S)
    return (target.party.cpu_s() - before_s) / _IDLE_S * 100
