"""`python -m benchmarks.replaying LOG EVENTS`: the state of every conversation from the first EVENTS of a log.

Answers for: reading through the store's port, decoding and folding by the core, as an audit does; printed as JSON.
Must never: use heads or snapshots, which are what a replay is there to check.
"""

import sys
import time
from pathlib import Path

import msgspec
import uvloop

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
from core.message import Message, accepted, evolve
from core.records import Recorded
from eventstore.sqlite.reading import ReadOnlyLog

_PAGE = 10_000
_OF_CONVERSATIONS = (FailureCounted, FailuresCleared, CircuitOpened, CircuitClosed, ConversationPaused)


class _States:
    """Every message and conversation as far as the log has been read."""

    def __init__(self) -> None:
        self.messages: dict[int, Message] = {}
        self.conversations: dict[int, Conversation] = {}

    def fold(self, page: list[Recorded]) -> None:
        """Takes a page further. Streams of other kinds say nothing about a conversation."""
        messages, conversations = self.messages, self.conversations
        for entry in page:
            stream, event = entry.stream, entry.event
            known = messages.get(stream)
            if known is not None:
                messages[stream] = evolve(known, event, entry.at_us)
            elif isinstance(event, MessageAccepted):
                message = messages[stream] = accepted(stream, entry.at_us, entry.tenant, event)
                if message.conversation not in conversations:
                    conversations[message.conversation] = Conversation(id=message.conversation, tenant=entry.tenant)
            elif isinstance(event, _OF_CONVERSATIONS):
                conversations[stream] = evolve_conversation(conversations[stream], event, entry.at_us)


async def replay(file: Path, events: int) -> dict[str, float]:
    """Events folded a second, and how many conversations they came to."""
    log = await ReadOnlyLog.read(file)
    states, after, folded = _States(), dict[int, int](), 0
    started = time.monotonic()
    while folded < events:
        page, after = await log.log_page(after, tenant=None, limit=min(_PAGE, events - folded))
        if not page:
            raise SystemExit(f"the log has {folded} events only, {events} were asked for")
        states.fold(page)
        folded += len(page)
    lasted_s = time.monotonic() - started
    await log.close()
    return {"rate": folded / lasted_s, "conversations": len(states.conversations), "messages": len(states.messages)}


if __name__ == "__main__":
    print(msgspec.json.encode(uvloop.run(replay(Path(sys.argv[1]), int(sys.argv[2])))).decode())
