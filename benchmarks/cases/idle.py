"""`idle`: the memory of a daemon that has nothing to do, and of one conversation that is awake and idle.

Answers for: resident memory as the kernel counts it, and the number awake as the daemon's own metrics count it.
Must never: charge the conversations with what any burst leaves behind (the store's cache of pages grows with every
message, up to its bound): the same burst to few of them goes before, and its growth is taken off.
"""

from pathlib import Path

import msgspec

from benchmarks.daemon import daemon
from benchmarks.figures import Figure, Mark
from benchmarks.loading import load
from benchmarks.measures import plan, warm
from benchmarks.sinks import Sink, http_sink
from benchmarks.sitting import Sitting
from benchmarks.targets import Target

# Fewer than a daemon keeps awake by default, so that none is put to sleep for another.
_MESSAGES = 5_000
_FEW = 100
_AWAKE_METRIC = "tidings_conversations_awake"
_MIB = 1024 * 1024


class _Idle(msgspec.Struct, frozen=True, kw_only=True):
    daemon_mib: float
    conversation_bytes: float
    awake: float


def run(sitting: Sitting) -> list[Figure]:
    """MiB of a daemon that has just started, bytes of a conversation."""

    def measure() -> _Idle:
        room = sitting.room()
        with http_sink(room) as sink, daemon(room) as target:
            fresh_bytes = target.party.memory_bytes()
            warm(target, sink, room)
            _burst(target, sink, room, first=0, conversations=_FEW)
            any_burst_bytes = _burst(target, sink, room, first=_MESSAGES, conversations=_FEW)
            before_awake = target.metric(_AWAKE_METRIC)
            more_bytes = _burst(target, sink, room, first=2 * _MESSAGES, conversations=_MESSAGES) - any_burst_bytes
            awake = target.metric(_AWAKE_METRIC) - before_awake
        return _Idle(daemon_mib=fresh_bytes / _MIB, conversation_bytes=more_bytes / max(awake, 1.0), awake=awake)

    idle = sitting.alternate({"tidings": measure})["tidings"]
    return [
        Figure(
            case="idle",
            what="memory of an idle daemon",
            unit="MiB",
            values=tuple(one.daemon_mib for one in idle),
            marks=(Mark(first_line=80, aim=60, of="value", better="less"),),
        ),
        Figure(
            case="idle",
            what="memory of an awake, idle conversation",
            unit="B",
            values=tuple(one.conversation_bytes for one in idle),
            marks=(Mark(first_line=600, aim=300, of="value", better="less"),),
            note=f"{min(one.awake for one in idle):,.0f} more were awake than before",
        ),
    ]


def _burst(target: Target, sink: Sink, room: Path, *, first: int, conversations: int) -> int:
    """By how many bytes the daemon's memory grows while so many conversations get their messages."""
    before_bytes = target.party.memory_bytes()
    sink.reset()
    load(plan(target, sink, _MESSAGES, first=first, conversations=conversations), room)
    sink.wait(_MESSAGES)
    return target.party.memory_bytes() - before_bytes
