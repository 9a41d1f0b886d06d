"""`hooks`: signed events in, a durable 200 for each; then 500 a second in an open loop, with their handler at work.

Answers for: taking hooks in, beside taking messages in on the same daemon, both with their lanes paused.
Must never: send an event twice, since a repeat is answered without being written.
"""

import msgspec

from benchmarks.daemon import HOOK_SECRET, HOOK_SOURCE, Settings, daemon
from benchmarks.figures import Figure, Mark, percentile
from benchmarks.load import Report
from benchmarks.loading import load
from benchmarks.measures import accepting, plan
from benchmarks.sinks import http_sink
from benchmarks.sitting import Sitting

_COUNT = 20_000
_WARM_COUNT = 500
_WARM_FIRST = 2_000_000_000
_OPEN_COUNT = 6_000
_OPEN_FIRST = 1_000_000
_OPEN_RATE = 500.0
_AS_HOOKS: dict[str, object] = {"source": HOOK_SOURCE, "secret": HOOK_SECRET}


class _Taken(msgspec.Struct, frozen=True, kw_only=True):
    rate: float
    p99_ms: float


def run(sitting: Sitting) -> list[Figure]:
    """Events a second beside messages a second, and how long a sender waits at a rate of its own."""

    def measured(**more: object) -> _Taken:
        room = sitting.room()
        with http_sink(room) as sink, daemon(room, Settings(handler_url=sink.url)) as target:
            load(plan(target, sink, _WARM_COUNT, first=_WARM_FIRST, **more), room)
            sink.wait(_WARM_COUNT)
            sink.reset()
            calm = plan(target, sink, _OPEN_COUNT, first=_OPEN_FIRST, rate=_OPEN_RATE, **more)
            waited_ms = _waited_ms(load(calm, room))
            sink.wait(_OPEN_COUNT)
            target.pause(HOOK_SOURCE)
            rate = accepting(target, sink, _COUNT, room, **more).rate
        return _Taken(rate=rate, p99_ms=percentile(waited_ms, 0.99))

    sides = sitting.alternate({"hooks": lambda: measured(**_AS_HOOKS), "messages": measured})
    hooks, messages = sides["hooks"], sides["messages"]
    return [
        Figure(
            case="hooks",
            what="durable 200, one by one",
            unit="events/s",
            values=tuple(side.rate for side in hooks),
            limit="accept, same daemon",
            limits=tuple(side.rate for side in messages),
            marks=(Mark(first_line=0.8, aim=1.0),),
        ),
        Figure(
            case="hooks",
            what="p99 of the answer at 500/s",
            unit="ms",
            values=tuple(side.p99_ms for side in hooks),
            limit="accept, same daemon",
            limits=tuple(side.p99_ms for side in messages),
            marks=(Mark(first_line=250, aim=50, of="value", better="less"),),
        ),
    ]


def _waited_ms(report: Report) -> list[float]:
    return [
        (answered_ns - sent_ns) / 1e6 for sent_ns, answered_ns in zip(report.sent_ns, report.answered_ns, strict=True)
    ]
