"""`python -m benchmarks.replaying LOG EVENTS`: the state of every conversation from the first EVENTS of a log.

Answers for: reading as `tidings replay` does, decoding and folding by the core; printed as JSON.
Must never: use heads or snapshots, which are what a replay is there to check.
"""

import sys
import time
from collections.abc import Iterable
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
from eventstore.sqlite.past import Happened, happened

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


def replay(file: Path, events: int) -> dict[str, float]:
    """Events folded a second, and how many conversations they came to."""
    states, started = _States(), time.monotonic()
    folded = sum(map(states.fold, happened(file, None, up_to=events)))
    if folded < events:
        raise SystemExit(f"the log has {folded} events only, {events} were asked for")
    lasted_s = time.monotonic() - started
    return {"rate": folded / lasted_s, "conversations": len(states.conversations), "messages": len(states.messages)}


if __name__ == "__main__":
    print(msgspec.json.encode(replay(Path(sys.argv[1]), int(sys.argv[2]))).decode())
