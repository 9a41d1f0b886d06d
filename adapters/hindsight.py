"""The state of everything as of an instant, folded from the log alone.

This file answers for what an auditor sees: no head, no snapshot and no memory of a daemon has a part in it. It must
never write, and never show more of a message than the log says.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from core import conversation as conversations
from core import events as e
from core.conversation import Conversation
from core.errors import CorruptLog, Impossible
from core.message import Growing, begun, grow
from core.timekeeping import INSTANT_END_US
from core.views import MessageState, message_state, shown_status
from eventstore.codec import UnknownEvent
from eventstore.sqlite.past import WHOLE, Happened, Share, happened, last_of, outline

# Nothing but receipts changes these, so that of millions of them a number is kept and no more.
_OVER: Final = frozenset({"sent", "delivered", "read", "cancelled", "expired"})
_OF_CONVERSATIONS: Final = (
    e.FailureCounted, e.FailuresCleared, e.CircuitOpened, e.CircuitClosed, e.ConversationPaused
)  # fmt: skip  # One row: the events of a conversation.


class Hindsight:
    """What the events so far come to. `of` keeps every message of one conversation; None keeps open and dead ones.

    `receipts` are how many of them each message has in the whole log: it is kept until the last has come.
    """

    def __init__(self, receipts: Mapping[int, int], of: int | None = None) -> None:
        self.events = 0
        self.at_us = 0
        self.messages: dict[int, Growing] = {}
        self.conversations: dict[int, Conversation] = {}
        self.lanes: dict[int, str] = {}
        self.paused: dict[str, str] = {}
        self.parked: set[int] = set()
        self._over: Counter[tuple[str, str]] = Counter()
        self._receipts = receipts
        self._of = of

    def fold(self, happened: Iterable[Happened]) -> None:
        """Takes events further, in the order in which they were recorded. Raises CorruptLog where one cannot be."""
        messages = self.messages
        for stream, at_us, tenant, cause, event in happened:
            known = messages.get(stream)
            try:
                # Almost all events are those of messages that are under way.
                if known is not None and type(event) is not UnknownEvent and stream not in self.parked:
                    grow(known, event, at_us)
                    self._put(known)
                elif isinstance(event, e.MessageAccepted):
                    self._put(begun(stream, at_us, tenant, event, cause=cause))
                else:
                    self._fold(stream, at_us, tenant, event)
            except (Impossible, KeyError) as error:
                raise CorruptLog(f"event {self.events + 1}: {error}; run `tidings verify`") from error
            self.events += 1
            self.at_us = at_us

    def counts(self) -> dict[str, Counter[str]]:
        """How many messages of each lane have each status at this instant."""
        found: dict[str, Counter[str]] = {name: Counter() for name in self.lanes.values()}
        for (lane, status), count in self._over.items():
            found.setdefault(lane, Counter())[status] += count
        for message in self.messages.values():
            found.setdefault(message.lane, Counter())[shown_status(message, self.at_us, self.paused)[0]] += 1
        return found

    def of_conversation(self, conversation: int) -> list[MessageState]:
        """The messages of a conversation at this instant, oldest first."""
        return [
            message_state(message, self.at_us, self.paused)
            for _, message in sorted(self.messages.items())
            if message.conversation == conversation
        ]

    def _fold(self, stream: int, at_us: int, tenant: str, event: e.Event) -> None:
        if isinstance(event, UnknownEvent) or stream in self.parked:
            # Written by a newer release: the stream ends here for this one.
            self.parked.add(stream)
        elif isinstance(event, _OF_CONVERSATIONS):
            known = self.conversations.get(stream) or Conversation(id=stream, tenant=tenant)
            self.conversations[stream] = conversations.evolve(known, event, at_us)
        elif isinstance(event, e.LaneOpened):
            self.lanes[stream] = event.name
        elif isinstance(event, e.LanePaused):
            self.paused[self.lanes[stream]] = event.by
        elif isinstance(event, e.LaneResumed):
            self.paused.pop(self.lanes[stream], None)

    def _put(self, message: Growing) -> None:
        if message.status in _OVER and message.conversation != self._of and self._has_heard_all(message):
            self._over[message.lane, message.status] += 1
            self.messages.pop(message.id, None)
        else:
            self.messages[message.id] = message

    def _has_heard_all(self, message: Growing) -> bool:
        return len(message.receipts) >= self._receipts.get(message.id, 0)


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """How far a replay goes: of `last` events those up to `until_us` (None: all), shown as of `at_us`.

    `events` is how many that are.
    """

    last: int
    events: int
    until_us: int | None
    at_us: int


def extent_of(file: Path, at_us: int | None) -> Extent:
    """How far a replay to an instant goes (None: to the last event). Raises StoreRefused or CorruptLog."""
    last, events, last_us = last_of(file, at_us)
    if not 0 <= last_us < INSTANT_END_US:
        raise CorruptLog(f"the last event is of no instant ({last_us}); run `tidings verify`")
    return Extent(last=last, events=events, until_us=at_us, at_us=last_us if at_us is None else at_us)


def folded(
    file: Path, extent: Extent, heard: Callable[[int], None], *, of: int | None = None, share: Share = WHOLE
) -> Hindsight:
    """A share of everything. `heard` is told how many events were read so far."""
    known = outline(file, up_to=extent.last, share=share)
    hindsight = Hindsight(known.receipts, of)
    for page in happened(file, extent.until_us, up_to=extent.last, share=share, lanes=known.lanes):
        hindsight.fold(page)
        heard(hindsight.events)
    hindsight.events, hindsight.at_us = extent.events, extent.at_us
    return hindsight


def seen_at(file: Path, at_us: int | None, of: int | None, heard: Callable[[int], None]) -> Hindsight:
    """Everything as of `at_us` (None: as of the last event). `heard` is told how many events were read so far."""
    return folded(file, extent_of(file, at_us), heard, of=of)
