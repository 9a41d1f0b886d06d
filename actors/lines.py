"""What a conversation's actor keeps in memory: the beginning of both its lines, as the log holds them.

This file answers for that memory being bounded and true to the log. It must never decide anything about a message, nor
write.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from actors.pages import Page
from core.conversation import Conversation
from core.foremost import FEW, Foremost
from core.message import Message, fold
from core.ports import Log
from core.records import FIFO_LINE, LOOSE_LINE, LinePage, Woken

_LINES: Final = (FIFO_LINE, LOOSE_LINE)
# What nearly all conversations have: one for all of them, which nobody writes to.
_NO_PAGES: Final[Mapping[int, Page]] = {}
# The same of those that wait for nothing: a dict of its own is 64 bytes, in every conversation that is awake.
_NOTHING: Final[dict[int, Message]] = {}


class Lines:
    """The open messages of one conversation, as far as they are kept: `window_max` of each line."""

    __slots__ = ("_conversation", "_foremost", "_is_reading", "_late", "_log", "_pages", "_window_max", "open")

    def __init__(self, conversation: int, log: Log, *, window_max: int, is_new: bool) -> None:
        self._conversation = conversation
        self._log = log
        self._window_max = window_max
        # Of the lines that the log may hold more of. One that is missing is here whole.
        self._pages = _NO_PAGES if is_new else _unread()
        # Messages that arrived while the log was being read: the page may have missed them.
        self._late: tuple[Message, ...] = ()
        self._is_reading = False
        self.open = _NOTHING
        # What is open by the instants that count; None while that is little.
        self._foremost: Foremost | None = None

    @property
    def is_ready(self) -> bool:
        """Whether nothing has to be read before the next turn: both lines are here whole, as nearly always."""
        return not self._pages and not self._late

    def deciding(self, conversation: Conversation) -> Collection[Message]:
        """Those of the open messages that decide what their conversation wants next, as it stands now."""
        if self._foremost is None:
            if len(self.open) <= FEW:
                return self.open.values()
            self._foremost = Foremost(self.open)
        return self._foremost.deciding(conversation.blocked_until_us)

    # -- one message

    def arrived(self, message: Message, *, is_lost: bool) -> bool:
        """Takes a message that was just accepted. Answers whether it is known now; else the next read brings it."""
        if is_lost or self._is_reading:
            self._late += (message,)
            return False
        if message.id not in self.open:  # A page may have brought it already, and more may have happened to it since.
            self.keep(message)
        return True

    def keep(self, message: Message) -> None:
        """Takes a message's new state, within the bounds of what is kept of its line."""
        if message.is_open and message.place is not None and self._has_room(message):
            self._put(message)
            self._trim(message.line)
        elif message.id in self.open:
            self._drop(message.id)

    def _put(self, message: Message) -> None:
        if not self.open:
            self.open = {}
        before = self.open.get(message.id)
        self.open[message.id] = message
        if self._foremost is not None:
            if before is not None:
                self._foremost.drop(before)
            self._foremost.take(message)

    def _drop(self, stream: int) -> None:
        gone = self.open.pop(stream)
        if not self.open:
            self._clear()
        elif self._foremost is not None:
            self._foremost.drop(gone)

    def _clear(self) -> None:
        # An emptied one keeps the room of what it held.
        self.open = _NOTHING
        self._foremost = None

    def _has_room(self, message: Message) -> bool:
        page = self._pages.get(message.line)
        if page is None or message.in_flight or page.holds(message):
            return True
        # One that came from another lane is wanted in this one, where nobody else of its line need be.
        return message.line == LOOSE_LINE and len(message.lanes) > 1

    async def read(self, stream: int) -> Message:
        """A message's present state, from the log where it is not kept."""
        return self.open.get(stream) or fold(await self._log.events_of(stream))

    def _trim(self, line: int) -> None:
        most = self._window_max
        if len(self.open) <= 2 * most:
            return
        kept = sorted((m for m in self.open.values() if m.line == line and not m.in_flight), key=_rank)
        for message in kept[most:]:
            self._drop(message.id)
        if len(kept) > most:
            page = self._pages.get(line) or Page()
            page.ends_after(_rank(kept[most - 1]))
            self._pages = {**self._pages, line: page}

    # -- from the log

    async def wake(self) -> Woken:
        """Forgets what was known, and reads how both lines begin; answers with all that an actor wakes with."""
        self._clear()
        self._late = ()
        self._pages = _unread()
        self._is_reading = True
        try:
            woken = await self._log.woken(self._conversation, limit=self._window_max)
        finally:
            self._is_reading = False
        for line, read in woken.lines.items():
            self._take_in(line, read)
        return woken

    async def refill(self) -> None:
        """Reads the next part of a line whose kept part is used up."""
        for line in tuple(self._pages):
            while (page := self._pages.get(line)) is not None and not self._has_waiting(line, page):
                self._is_reading = True
                try:
                    await self._read_page(line, page)
                finally:
                    self._is_reading = False
        late, self._late = self._late, ()
        for message in late:
            if message.id not in self.open:
                self.keep(message)

    async def recover(self, streams: Iterable[int]) -> None:
        """Reads messages in flight that may lie beyond the kept part of their line."""
        for stream in streams:
            message = await self.read(stream)
            if message.in_flight:
                self._put(message)

    async def _read_page(self, line: int, page: Page) -> None:
        heads = await self._log.line_of(self._conversation, line, after=page.end, limit=self._window_max)
        events = await self._log.events_of_many([head.stream for head in heads])
        self._take_in(line, LinePage(heads=heads, events=events))

    def _take_in(self, line: int, read: LinePage) -> None:
        page = self._pages[line]
        page.read([(head.place or 0, head.stream) for head in read.heads], limit=self._window_max)
        if not page.beyond:
            self._pages = {other: page for other, page in self._pages.items() if other != line} or _NO_PAGES
        for head in read.heads:
            if head.stream not in self.open:
                self._put(fold(read.events[head.stream]))

    def _has_waiting(self, line: int, page: Page) -> bool:
        waiting = (message for message in self.open.values() if message.line == line and not message.in_flight)
        return any(page.holds(message) for message in waiting)


def _unread() -> Mapping[int, Page]:
    return {line: Page() for line in _LINES}


def _rank(message: Message) -> tuple[int, int]:
    return message.place or 0, message.id
