"""The state of everything as of an instant, folded from the log alone.

This file answers for what an auditor sees: no head, no snapshot and no memory of a daemon has a part in it. It must
never write, and never show more of a message than the log says.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from core import conversation as conversations
from core import events as e
from core import message as messages
from core.conversation import Conversation
from core.errors import CorruptLog, Impossible
from core.message import Message
from core.records import Recorded
from core.views import MessageState, message_state, shown_status
from eventstore.codec import UnknownEvent
from eventstore.sqlite.reading import ReadOnlyLog

_PAGE: Final = 10_000
# Nothing follows these, so that of millions of them a number is kept and no more.
_OVER: Final = frozenset({"sent", "delivered", "cancelled", "expired"})
_OF_CONVERSATIONS: Final = (
    e.FailureCounted, e.FailuresCleared, e.CircuitOpened, e.CircuitClosed, e.ConversationPaused
)  # fmt: skip  # One row: the events of a conversation.


class Hindsight:
    """What the events so far come to. `of` keeps every message of one conversation; None keeps open and dead ones."""

    def __init__(self, of: int | None = None) -> None:
        self.events = 0
        self.at_us = 0
        self.messages: dict[int, Message] = {}
        self.conversations: dict[int, Conversation] = {}
        self.lanes: dict[int, str] = {}
        self.paused: dict[str, str] = {}
        self.parked: set[int] = set()
        self._over: Counter[tuple[str, str]] = Counter()
        self._of = of

    def fold(self, entries: Iterable[Recorded]) -> None:
        """Takes events further, in the order in which they were recorded. Raises CorruptLog where one cannot be."""
        for entry in entries:
            try:
                self._fold(entry)
            except (Impossible, KeyError) as error:
                raise CorruptLog(f"shard {entry.shard}, seq {entry.seq}: {error}; run `tidings verify`") from error
            self.events += 1
            self.at_us = entry.at_us

    def counts(self) -> dict[str, Counter[str]]:
        """How many messages of each lane have each status at this instant."""
        found: dict[str, Counter[str]] = {name: Counter() for name in self.lanes.values()}
        for (lane, status), count in self._over.items():
            found.setdefault(lane, Counter())[status] += count
        for message in self.messages.values():
            if message.status not in _OVER:
                found.setdefault(message.lane, Counter())[shown_status(message, self.at_us, self.paused)[0]] += 1
        return found

    def of_conversation(self, conversation: int) -> list[MessageState]:
        """The messages of a conversation at this instant, oldest first."""
        return [
            message_state(message, self.at_us, self.paused)
            for _, message in sorted(self.messages.items())
            if message.conversation == conversation
        ]

    def _fold(self, entry: Recorded) -> None:
        event, stream = entry.event, entry.stream
        if isinstance(event, UnknownEvent) or stream in self.parked:
            # Written by a newer release: the stream ends here for this one.
            self.parked.add(stream)
        elif stream in self.messages:
            self._put(messages.evolve(self.messages[stream], event, entry.at_us))
        elif isinstance(event, e.MessageAccepted):
            self._put(messages.accepted(stream, entry.at_us, entry.tenant, event))
        elif isinstance(event, _OF_CONVERSATIONS):
            known = self.conversations.get(stream) or Conversation(id=stream, tenant=entry.tenant)
            self.conversations[stream] = conversations.evolve(known, event, entry.at_us)
        elif isinstance(event, e.LaneOpened):
            self.lanes[stream] = event.name
        elif isinstance(event, e.LanePaused):
            self.paused[self.lanes[stream]] = event.by
        elif isinstance(event, e.LaneResumed):
            self.paused.pop(self.lanes[stream], None)

    def _put(self, message: Message) -> None:
        if message.status in _OVER:
            self._over[message.lane, message.status] += 1
            if message.conversation != self._of:
                self.messages.pop(message.id, None)
                return
        self.messages[message.id] = message


async def seen_at(log: ReadOnlyLog, at_us: int | None, of: int | None, heard: Callable[[int], None]) -> Hindsight:
    """Everything as of `at_us` (None: as of the last event). `heard` is told how many events were read so far."""
    hindsight, position = Hindsight(of), dict[int, int]()
    while True:
        page, position = await log.log_page(position, tenant=None, limit=_PAGE)
        # Instants never decrease in the order of arrival, so the first later one ends it.
        past = [entry for entry in page if at_us is None or entry.at_us <= at_us]
        hindsight.fold(past)
        heard(hindsight.events)
        if not page or len(past) < len(page):
            break
    hindsight.at_us = hindsight.at_us if at_us is None else at_us
    return hindsight
