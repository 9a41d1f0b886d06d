"""The measurements that several cases share: live, accepting only, draining, latency. Daemon and yardsticks alike.

Answers for: clocks start and stop at the same instants for every side, and every message is counted before it is timed.
Must never: choose how many or against what; that is the case's.
"""

import time
from pathlib import Path

import msgspec

from benchmarks.arrivals import Seen
from benchmarks.load import Plan, Report
from benchmarks.loading import load
from benchmarks.parties import PartyFailed, party, python
from benchmarks.sinks import Sink
from benchmarks.targets import Target

LANE = "calls"
_WARM_MESSAGES = 500
_WARM_FIRST = 1_000_000_000
_CONVERSATIONS = 1_000
_BARE_WITHIN_S = 120.0


class Burst(msgspec.Struct, frozen=True, kw_only=True):
    """What a burst came to."""

    rate: float
    """Messages a second."""
    cpu_s_per_1000: float
    memory_mib: float
    """Resident at its end."""


def plan(target: Target, sink: Sink, count: int, **more: object) -> Plan:
    """A plan of webhook messages to this sink; `more` as in Plan."""
    return msgspec.structs.replace(Plan(port=target.port, key=target.key, count=count, sink_url=sink.url), **more)


def warm(target: Target, sink: Sink, folder: Path) -> None:
    """Let both sides open their connections and touch their code before a clock starts."""
    load(plan(target, sink, _WARM_MESSAGES, first=_WARM_FIRST), folder)
    sink.wait(_WARM_MESSAGES)
    sink.reset()


def live(target: Target, sink: Sink, count: int, folder: Path, *, in_order: bool = False) -> Burst:
    """From the first request to the last delivery, accepting and delivering at once.

    `in_order` asks that every conversation's messages came in the order in which they were sent.
    """
    cpu_s = target.party.cpu_s()
    sent = load(plan(target, sink, count, conversations=_CONVERSATIONS), folder)
    sink.wait(count)
    cpu_s = target.party.cpu_s() - cpu_s
    seen = sink.seen_once(range(count))
    if in_order:
        _check_order(seen, _CONVERSATIONS)
    return _burst(target, count, (max(seen.at_ns) - min(sent.sent_ns)) / 1e9, cpu_s)


def accepting(target: Target, sink: Sink, count: int, folder: Path, **more: object) -> Burst:
    """Durable acceptance alone: the lane is paused first, and stays paused."""
    target.pause(LANE)
    cpu_s = target.party.cpu_s()
    sent = load(plan(target, sink, count, **more), folder)
    return _burst(target, count, sent.lasted_s, target.party.cpu_s() - cpu_s)


def draining(target: Target, sink: Sink, count: int, lane: str = LANE) -> Burst:
    """Delivery alone: from the resumption of a paused lane to the last of `count` deliveries."""
    cpu_s = target.party.cpu_s()
    resumed_ns = time.monotonic_ns()
    target.resume(lane)
    sink.wait(count)
    cpu_s = target.party.cpu_s() - cpu_s
    seen = sink.seen_once(range(count))
    return _burst(target, count, (max(seen.at_ns) - resumed_ns) / 1e9, cpu_s)


def latencies_ms(sent: Report, seen: Seen, first: int = 0) -> dict[int, float]:
    """By message: from its request's sending to its first arrival; `first` is the plan's first number."""
    arrived_ns: dict[int, int] = {}
    for number, at_ns in zip(seen.numbers, seen.at_ns, strict=True):
        arrived_ns.setdefault(number, at_ns)
    return {number: (at_ns - sent.sent_ns[number - first]) / 1e6 for number, at_ns in arrived_ns.items()}


def bare(folder: Path, *what: object) -> float:
    """The rate of one of the bare parts, `what` being its command line."""
    with party("bare", python("benchmarks.bare", *what), folder) as running:
        rate: float = msgspec.json.decode(running.output(within_s=_BARE_WITHIN_S))["rate"]
        return rate


def _check_order(seen: Seen, conversations: int) -> None:
    newest: dict[int, int] = {}
    for number in seen.numbers:
        if number < newest.get(number % conversations, -1):
            raise PartyFailed(f"message {number} came after {newest[number % conversations]} of its conversation")
        newest[number % conversations] = number


def _burst(target: Target, count: int, lasted_s: float, cpu_s: float) -> Burst:
    memory_mib = target.party.memory_bytes() / 1024**2
    return Burst(rate=count / lasted_s, cpu_s_per_1000=cpu_s / count * 1_000, memory_mib=memory_mib)
