"""`grow`: `live` on a log that has had ten million events, beside one that has had none.

Answers for: what years of messages cost the one that is sent today.
Must never: compare daemons of two moments; both stand side by side and take turns.
"""

from benchmarks.daemon import daemon
from benchmarks.figures import Figure, Mark
from benchmarks.histories import LOG, own_history
from benchmarks.measures import live, warm
from benchmarks.seed import EVENTS_A_MESSAGE
from benchmarks.sinks import http_sink
from benchmarks.sitting import Sitting
from benchmarks.targets import Target

_EVENTS = 10_000_000
_LIVE_MESSAGES = 10_000


def run(sitting: Sitting) -> list[Figure]:
    """The rate on either log, and what a message of the long one takes on disk."""
    messages = _EVENTS // EVENTS_A_MESSAGE + 1
    grown_room, empty_room = own_history(sitting, messages, sitting.room()), sitting.room()
    each_bytes = (grown_room / LOG).stat().st_size / messages
    with http_sink(sitting.room()) as sink, daemon(grown_room) as grown, daemon(empty_room) as empty:
        for target, room in ((grown, grown_room), (empty, empty_room)):
            warm(target, sink, room)

        def rate(target: Target) -> float:
            sink.reset()
            return live(target, sink, _LIVE_MESSAGES, sitting.room()).rate

        rates = sitting.alternate({"grown": lambda: rate(grown), "empty": lambda: rate(empty)})
    return [
        Figure(
            case="grow",
            what=f"live after {_EVENTS:,} events",
            unit="msg/s",
            values=tuple(rates["grown"]),
            limit="an empty log",
            limits=tuple(rates["empty"]),
            marks=(Mark(first_line=0.8, aim=0.95),),
            note=f"a delivered message of the long one takes {each_bytes:,.0f} B of its file",
        )
    ]
