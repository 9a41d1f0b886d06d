"""`nodes`: one, two and three daemons on one database, each with clients of its own.

Answers for: what all of them together accept and deliver, beside what one does, and what that costs in CPU.
Must never: give a figure where a message is missing or came twice.
"""

from contextlib import ExitStack
from functools import partial
from pathlib import Path

import msgspec

from benchmarks.databases import daemons, databases
from benchmarks.figures import Figure
from benchmarks.load import Report
from benchmarks.loading import loading
from benchmarks.measures import LANE, plan, warm
from benchmarks.sinks import Sink, http_sink
from benchmarks.sitting import Sitting
from benchmarks.targets import Target

_MESSAGES = 12_000
_NUMBERS = (1, 2, 3)
_CONVERSATIONS = 1_000


class _Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `acting_s` and `all_s` are seconds of CPU for 1,000 messages delivered, without and with the others."""

    live: float
    accept: float
    acting_s: float
    all_s: float


def run(sitting: Sitting) -> list[Figure]:
    """Rates and costs by the number of daemons."""

    def measure(number: int) -> _Sample:
        room = sitting.room()
        with http_sink(room) as sink, daemons(room, next(fresh), number) as targets:
            for target in targets:
                warm(target, sink, room)
            return _measured(targets, sink, room)

    with databases(sitting.room() / "server") as fresh:
        samples = sitting.alternate({str(number): partial(measure, number) for number in _NUMBERS})
    return _figures(samples)


def _measured(targets: list[Target], sink: Sink, room: Path) -> _Sample:
    before_s = [target.party.cpu_s() for target in targets]
    live = _load(targets, sink, room, first=0)
    sink.wait(_MESSAGES)
    used_s = [target.party.cpu_s() - cpu_s for target, cpu_s in zip(targets, before_s, strict=True)]
    delivered_ns = max(sink.seen_once(range(_MESSAGES)).at_ns)
    begun_ns = min(min(report.sent_ns) for report in live)
    targets[0].pause(LANE)
    accepted = _load(targets, sink, room, first=_MESSAGES)
    lasted_ns = max(max(report.answered_ns) for report in accepted) - min(min(report.sent_ns) for report in accepted)
    return _Sample(
        live=_MESSAGES / (delivered_ns - begun_ns) * 1e9,
        accept=_MESSAGES / lasted_ns * 1e9,
        acting_s=used_s[0] / _MESSAGES * 1_000,
        all_s=sum(used_s) / _MESSAGES * 1_000,
    )


def _load(targets: list[Target], sink: Sink, room: Path, *, first: int) -> list[Report]:
    """What came of a load that is shared equally, by a client beside each daemon."""
    each = _MESSAGES // len(targets)
    with ExitStack() as running:
        clients = [
            running.enter_context(
                loading(plan(target, sink, each, first=first + nth * each, conversations=_CONVERSATIONS), room)
            )
            for nth, target in enumerate(targets)
        ]
        return [client.report() for client in clients]


def _figures(samples: dict[str, list[_Sample]]) -> list[Figure]:
    def figure(what: str, unit: str, field: str, number: str) -> Figure:
        values, limits = (tuple(getattr(sample, field) for sample in samples[side]) for side in (number, "1"))
        words = "one daemon" if number == "1" else f"{number} daemons"
        return Figure(
            case="nodes", what=f"{what}, {words}", unit=unit, values=values,
            limit="" if number == "1" else "one daemon", limits=() if number == "1" else limits,
        )  # fmt: skip

    return [
        figure(what, unit, field, str(number))
        for what, unit, field in (
            ("accepted and delivered", "msg/s", "live"),
            ("accepted", "msg/s", "accept"),
            ("CPU of the acting daemon", "s/1,000", "acting_s"),
            ("CPU of all daemons", "s/1,000", "all_s"),
        )
        for number in _NUMBERS
    ]
