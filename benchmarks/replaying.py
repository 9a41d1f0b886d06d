"""`python -m benchmarks.replaying LOG EVENTS`: the state of every conversation from the first EVENTS of a log.

Answers for: reading as `tidings replay` does, in a process a core, decoding and folding by the core; printed as JSON.
Must never: use heads or snapshots, which are what a replay is there to check.
"""

import gc
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import msgspec

from core.conversation import Conversation
from core.conversation import evolve as evolve_conversation
from core.events import (
    CircuitClosed,
    CircuitOpened,
    ConversationPaused,
    FailureCounted,
    FailuresCleared,
    MessageAccepted,
)
from core.message import Growing, begun, grow
from eventstore.sqlite.past import Happened, Share, happened

_OF_CONVERSATIONS = (FailureCounted, FailuresCleared, CircuitOpened, CircuitClosed, ConversationPaused)


class _States:
    """Every message and conversation as far as the log has been read."""

    def __init__(self) -> None:
        self.messages: dict[int, Growing] = {}
        self.conversations: dict[int, Conversation] = {}

    def fold(self, events: Iterable[Happened]) -> int:
        """Takes events further; answers how many. Streams of other kinds say nothing about a conversation."""
        messages, conversations, folded = self.messages, self.conversations, 0
        for stream, at_us, tenant, cause, event in events:
            folded += 1
            known = messages.get(stream)
            if known is not None:
                grow(known, event, at_us)
            elif isinstance(event, MessageAccepted):
                message = messages[stream] = begun(stream, at_us, tenant, event, cause=cause)
                if message.conversation not in conversations:
                    conversations[message.conversation] = Conversation(id=message.conversation, tenant=tenant)
            elif isinstance(event, _OF_CONVERSATIONS):
                conversations[stream] = evolve_conversation(conversations[stream], event, at_us)
        return folded


class _Share(msgspec.Struct, frozen=True, kw_only=True):
    """What a process has folded, and how much that came to."""

    events: int
    conversations: int
    messages: int


def replay(file: Path, events: int) -> dict[str, float]:
    """Events folded a second, the start of the processes included, and how many conversations they came to."""
    processes, started = len(os.sched_getaffinity(0)), time.monotonic()
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=gc.disable) as pool:
        parts = [pool.submit(_folded, file, events, (part, processes)) for part in range(processes)]
        shares = [part.result() for part in parts]
    lasted_s, folded = time.monotonic() - started, sum(share.events for share in shares)
    if folded < events:
        raise SystemExit(f"the log has {folded} events only, {events} were asked for")
    return {
        "rate": folded / lasted_s,
        "conversations": sum(share.conversations for share in shares),
        "messages": sum(share.messages for share in shares),
    }


def _folded(file: Path, up_to: int, share: Share) -> _Share:
    states = _States()
    events = sum(map(states.fold, happened(file, None, up_to=up_to, share=share)))
    return _Share(events=events, conversations=len(states.conversations), messages=len(states.messages))


if __name__ == "__main__":
    print(msgspec.json.encode(replay(Path(sys.argv[1]), int(sys.argv[2]))).decode())
