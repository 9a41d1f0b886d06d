"""`restart`, `replay` and `verify`: what a long log costs when a daemon starts on it, and when an auditor reads it.

Answers for: the time from the start of a process to its first delivery, events folded a second, and a whole check.
Must never: let one run prepare the next; each restart follows a SIGKILL with almost all of the messages still open.
"""

import shutil
import sys
import time
from pathlib import Path

import msgspec

from benchmarks.daemon import daemon
from benchmarks.figures import Figure, Mark
from benchmarks.histories import CONVERSATIONS, LOG, history
from benchmarks.loading import load
from benchmarks.measures import LANE, bare, plan
from benchmarks.parties import party, python
from benchmarks.seed import EVENTS_A_MESSAGE
from benchmarks.sinks import Sink, http_sink
from benchmarks.sitting import Sitting
from benchmarks.targets import Target

_ENDED, _OPEN = 1_000_000, 100_000
_EVENTS = 1_000_000
_REPLAY_WITHIN_S = 120.0
_VERIFY_WITHIN_S = 120.0


def restart(sitting: Sitting) -> list[Figure]:
    """Seconds until the first delivery, beside the same on a log without the ended messages."""
    long_room, short_room = sitting.room(), sitting.room()
    with http_sink(sitting.room()) as sink:
        _fill(sitting, sink, long_room, ended=history(sitting, _ENDED))
        _fill(sitting, sink, short_room, ended=None)
        took_s = sitting.alternate(
            {
                "with a million ended": lambda: _first_delivery_s(sink, long_room),
                "without": lambda: _first_delivery_s(sink, short_room),
            }
        )
    return [
        Figure(
            case="restart",
            what=f"first delivery, {_OPEN:,} open, {_ENDED:,} ended",
            unit="s",
            values=tuple(took_s["with a million ended"]),
            limit="none ended",
            limits=tuple(took_s["without"]),
            marks=(Mark(first_line=2, aim=1, of="value", better="less"),),
        )
    ]


def replay(sitting: Sitting) -> list[Figure]:
    """Events a second, beside SQLite reading the same rows."""
    log = history(sitting, _EVENTS // EVENTS_A_MESSAGE + 1) / LOG

    def folded() -> float:
        with party("replay", python("benchmarks.replaying", log, _EVENTS), sitting.room()) as running:
            rate: float = msgspec.json.decode(running.output(within_s=_REPLAY_WITHIN_S))["rate"]
            return rate

    rates = sitting.alternate({"replay": folded, "raw SQLite": lambda: bare(sitting.room(), "rows", log, _EVENTS)})
    return [
        Figure(
            case="replay",
            what="read, decoded and folded",
            unit="events/s",
            values=tuple(rates["replay"]),
            limit="raw SQLite reading rows",
            limits=tuple(rates["raw SQLite"]),
            marks=(Mark(first_line=300_000, aim=450_000, of="value"),),
        )
    ]


def verify(sitting: Sitting) -> list[Figure]:
    """Seconds for `tidings verify` on a million events, from its start to its end, beside SQLite reading them twice."""
    log = history(sitting, _EVENTS // EVENTS_A_MESSAGE + 1) / LOG
    command = [str(Path(sys.executable).parent / "tidings"), "verify", "--store", str(log), "--json"]

    def checked_s() -> float:
        started_ns = time.monotonic_ns()
        with party("verify", command, sitting.room()) as running:
            report = msgspec.json.decode(running.output(within_s=_VERIFY_WITHIN_S))
        lasted_s = (time.monotonic_ns() - started_ns) / 1e9
        return lasted_s * _EVENTS / float(report["events"])

    took_s = sitting.alternate(
        {"verify": checked_s, "raw SQLite": lambda: 2 * _EVENTS / bare(sitting.room(), "rows", log, _EVENTS)}
    )
    return [
        Figure(
            case="verify",
            what="a million events checked",
            unit="s",
            values=tuple(took_s["verify"]),
            limit="raw SQLite reading rows twice",
            limits=tuple(took_s["raw SQLite"]),
            marks=(Mark(first_line=10, aim=5, of="value", better="less"),),
        )
    ]


def _fill(sitting: Sitting, sink: Sink, room: Path, *, ended: Path | None) -> None:
    """A daemon's directory with this history of ended messages and the open ones; the daemon has been killed."""
    if ended is not None:
        shutil.copytree(ended / "data", room / "data")
    sitting.say(f"{_OPEN:,} messages are accepted for later")
    with daemon(room) as target:
        _leave_open(target, sink, room)


def _leave_open(target: Target, sink: Sink, room: Path) -> None:
    target.pause(LANE)
    load(plan(target, sink, _OPEN, lines=5_000, connections=4, conversations=CONVERSATIONS), room)
    target.resume(LANE)
    target.party.kill()


def _first_delivery_s(sink: Sink, room: Path) -> float:
    """From the start of a process on a killed daemon's directory to its first delivery; then it is killed as well."""
    sink.reset()
    started_ns = time.monotonic_ns()
    with daemon(room) as target:
        sink.wait(1)
        target.party.kill()
    return (min(sink.seen().at_ns) - started_ns) / 1e9
