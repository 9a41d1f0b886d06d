"""`flaky`: 20 % of first attempts are answered 503 and are retried after one second; the others must not notice.

Answers for: how late the latest retry came after its due time, and what first attempts lost beside a quiet run.
Must never: count a wait in line as lateness; each message is a conversation of its own, and the rate leaves room.
"""

from collections.abc import Callable

import msgspec

from benchmarks.daemon import daemon
from benchmarks.figures import Figure, Mark, percentile
from benchmarks.loading import load
from benchmarks.measures import latencies_ms, plan, warm
from benchmarks.sinks import http_sink
from benchmarks.sitting import Sitting

_RATE = 500.0
_MESSAGES = 5_000
_REFUSED_SHARE = 0.2
_RETRY_AFTER_MS = 1_000.0


class _Flaky(msgspec.Struct, frozen=True, kw_only=True):
    first_p99_ms: float
    """Of messages whose first attempt was taken."""
    retry_late_ms: list[float]
    """Of each retry, after its due time."""


def run(sitting: Sitting) -> list[Figure]:
    """The latest retry, and first attempts beside a run in which nothing is refused."""

    def measured(refuse_share: float) -> Callable[[], _Flaky]:
        def measure() -> _Flaky:
            room = sitting.room()
            with http_sink(room) as sink, daemon(room) as target:
                warm(target, sink, room)
                sink.reset(refuse_share=refuse_share)
                sent = load(plan(target, sink, _MESSAGES, rate=_RATE, conversations=_MESSAGES), room)
                sink.wait(_MESSAGES)
                seen = sink.seen()
            refused = {seen.numbers[position]: seen.at_ns[position] for position in seen.refused}
            others_ms = [took for number, took in latencies_ms(sent, seen).items() if number not in refused]
            late_ms = [
                (at_ns - refused[number]) / 1e6 - _RETRY_AFTER_MS
                for number, at_ns in zip(seen.numbers, seen.at_ns, strict=True)
                if at_ns > refused.get(number, at_ns)
            ]
            return _Flaky(first_p99_ms=percentile(others_ms, 0.99), retry_late_ms=late_ms)

        return measure

    sides = sitting.alternate({"20 % refused": measured(_REFUSED_SHARE), "none refused": measured(0.0)})
    late = tuple(max(side.retry_late_ms) for side in sides["20 % refused"])
    usual = tuple(percentile(side.retry_late_ms, 0.5) for side in sides["20 % refused"])
    return [
        Figure(
            case="flaky",
            what="latest retry after its due time",
            unit="ms",
            values=late,
            marks=(Mark(first_line=50, aim=50, of="value", better="less"),),
        ),
        Figure(case="flaky", what="usual retry after its due time", unit="ms", values=usual),
        Figure(
            case="flaky",
            what="p99 of first attempts of others",
            unit="ms",
            values=tuple(side.first_p99_ms for side in sides["20 % refused"]),
            limit="nothing refused",
            limits=tuple(side.first_p99_ms for side in sides["none refused"]),
            marks=(Mark(first_line=1.5, aim=1.2, better="less"),),
            note="the target says: not delayed; 1.5 and 1.2 leave room for the noise of a 99th percentile",
        ),
    ]
