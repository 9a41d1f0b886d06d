"""Who is due when: bounded windows of waiting conversations, one for each (lane, tenant, priority).

This file answers for what is kept in memory of a backlog that may be far larger. The log's heads hold all of it; a
window holds its earliest part, up to `cursor`, and says when and from where more must be read. Pure bookkeeping: it
never reads the log itself, and nothing that it forgets is lost, only read again.

An entry is *fresh* while its instant is the one that the log shows, and *deferred* where something else decides: a
limit or an open circuit holds it until later, or its message's time ends first. The log would give it at the wrong
instant, so deferred entries are kept longer.
"""

from heapq import heapify, heappop, heappush
from typing import NamedTuple

import msgspec

from core.records import AgendaRow


class Entry(NamedTuple):
    """A conversation that wants a lane from `ready_us` on. `stored_us` is the due instant in the log behind it."""

    ready_us: int
    order: int
    conversation: int
    stored_us: int
    host: int | None

    @property
    def is_deferred(self) -> bool:
        """Whether something other than its own due instant decides when it is ready."""
        return self.ready_us != self.stored_us


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """How far the log was read: rows beyond (due_us, stream) are known to the log only."""

    due_us: int
    stream: int


class AgendaWindow:
    """The earliest waiting conversations of one (lane, tenant, priority).

    `cursor` None means that everything that waits is here. `fresh_max` and `deferred_max` bound the two sorts of
    entries; what does not fit is forgotten and read again: fresh ones when the window has drained, deferred ones at
    `reread_us`.
    """

    __slots__ = ("_cut", "_entries", "_heap", "_is_reading", "_order", "cursor", "deferred", "deferred_max",
                 "fresh_max", "reread_from_us", "reread_us")  # fmt: skip  # A word a line would hide the class.

    def __init__(self, *, fresh_max: int, deferred_max: int, is_complete: bool) -> None:
        self._heap: list[Entry] = []
        self._entries: dict[int, Entry] = {}
        self._order = 0
        self._is_reading = False
        # Where memory was cut while a page was being read: that page leads no further.
        self._cut: Cursor | None = None
        self.fresh_max = fresh_max
        self.deferred_max = deferred_max
        self.deferred = 0
        self.cursor: Cursor | None = None if is_complete else Cursor(due_us=-1, stream=0)
        self.reread_us: int | None = None
        self.reread_from_us = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits, neither here nor in the log."""
        return not self._entries and self.cursor is None and self.reread_us is None and not self._is_reading

    def remind(self, conversation: int, ready_us: int, *, stored_us: int, host: int | None) -> None:
        """A conversation wants the lane from `ready_us` on; it replaces what was known of it."""
        self.forget(conversation)
        is_beyond = self.cursor is not None and stored_us > self.cursor.due_us
        # While a page is being read it may have missed this one, so it is kept until the page is here.
        if is_beyond and ready_us == stored_us and not self._is_reading:
            return  # Beyond what was read: the log gives it in its turn.
        self._put(conversation, ready_us, stored_us, host)
        self._keep_bounds()

    def start_reading(self) -> Cursor:
        """Where the page to be read begins. Until `loaded` or `failed`, nothing that arrives counts as beyond it."""
        assert self.cursor is not None, "there is nothing to read: everything that waits is here"
        self._is_reading = True
        return self.cursor

    def failed(self) -> None:
        """The page could not be read; it is wanted again."""
        self._is_reading = False
        self._lead_no_further()

    def loaded(self, rows: list[AgendaRow], *, is_last: bool) -> None:
        """Takes the page that was read beyond the cursor."""
        self._is_reading = False
        for row in rows:
            known = self._entries.get(row.conversation)
            if known is None:
                self._put(row.conversation, row.due_us, row.due_us, row.host)
            elif row.due_us < known.stored_us and not known.is_deferred:
                self.forget(row.conversation)
                self._put(row.conversation, row.due_us, row.due_us, row.host)
        if rows:
            self.cursor = Cursor(due_us=rows[-1].due_us, stream=rows[-1].stream)
        if is_last:
            self.cursor = None
        self._lead_no_further()
        self._keep_bounds()

    def forget(self, conversation: int) -> None:
        """Takes a conversation off the agenda."""
        known = self._entries.pop(conversation, None)
        if known is not None and known.is_deferred:
            self.deferred -= 1

    def ready_us_of(self, conversation: int) -> int | None:
        """When a conversation is ready as far as this window knows, None where it does not know it."""
        known = self._entries.get(conversation)
        return None if known is None else known.ready_us

    def next_us(self) -> int | None:
        """When the next entry is ready or must be read, None where nothing waits."""
        self._drop_stale()
        first_us = self._heap[0].ready_us if self._heap else None
        if self._is_reading:
            return first_us  # What else the log holds is asked for once this page is here.
        # Whatever the log still holds cannot be due before the cursor.
        page_us = self.cursor.due_us if self.cursor is not None else None
        instants = (first_us, page_us, self.reread_us)
        return min((instant for instant in instants if instant is not None), default=None)

    def peek(self, now_us: int) -> Entry | None:
        """The first entry that is ready, or None."""
        self._drop_stale()
        return self._heap[0] if self._heap and self._heap[0].ready_us <= now_us else None

    def pop(self) -> Entry:
        """Takes the first entry off the agenda."""
        self._drop_stale()
        entry = heappop(self._heap)
        self.forget(entry.conversation)
        return entry

    def wants_page(self, now_us: int) -> bool:
        """Whether the log should be read now: more may be due, and little is left here or nothing of it is ready."""
        if self._is_reading:
            return False
        if self.reread_us is not None and self.reread_us <= now_us:
            self._reread()
        if self.cursor is None or self.cursor.due_us > now_us:
            return False
        # However many wait here for later: while none of them is ready, those that the log holds may be.
        return len(self._entries) - self.deferred < self.fresh_max // 2 or self.peek(now_us) is None

    def entries(self) -> list[Entry]:
        """All that is kept, earliest first: for people who ask."""
        return sorted(self._entries.values())

    def _put(self, conversation: int, ready_us: int, stored_us: int, host: int | None) -> None:
        self._order += 1
        entry = Entry(ready_us, self._order, conversation, stored_us, host)
        self._entries[conversation] = entry
        self.deferred += entry.is_deferred
        heappush(self._heap, entry)

    def _drop_stale(self) -> None:
        while self._heap and self._entries.get(self._heap[0].conversation) is not self._heap[0]:
            heappop(self._heap)

    def _reread(self) -> None:
        self.cursor = _earlier(self.cursor, Cursor(due_us=self.reread_from_us, stream=0))
        self.reread_us = None

    def _lead_no_further(self) -> None:
        """The page is through: where memory was cut meanwhile, it may have been read too early to hold what went."""
        if self._cut is not None:
            self.cursor = _earlier(self.cursor, self._cut)
            self._cut = None

    def _keep_bounds(self) -> None:
        """Cuts to the bounds once they are exceeded by half, so that cutting stays rare."""
        if len(self._entries) - self.deferred > self.fresh_max * 3 // 2:
            self._cut_fresh()
        if self.deferred > self.deferred_max * 3 // 2:
            self._cut_deferred()
        if len(self._heap) > 4 * len(self._entries) + 64:
            self._heap = list(self._entries.values())
            heapify(self._heap)

    def _cut_fresh(self) -> None:
        fresh = sorted(entry for entry in self._entries.values() if not entry.is_deferred)
        for entry in fresh[self.fresh_max :]:
            self.forget(entry.conversation)
        cut = Cursor(due_us=fresh[self.fresh_max].stored_us, stream=0)
        if self._is_reading:
            self._cut = _earlier(self._cut, cut)
        else:
            self.cursor = _earlier(self.cursor, cut)

    def _cut_deferred(self) -> None:
        # What is ready before the log would say so goes last: nothing else remembers that instant.
        held = sorted(
            (entry for entry in self._entries.values() if entry.is_deferred),
            key=lambda entry: (entry.ready_us > entry.stored_us, entry),
        )
        dropped = held[self.deferred_max :]
        for entry in dropped:
            self.forget(entry.conversation)
        from_us = min(entry.stored_us for entry in dropped)
        at_us = min(entry.ready_us for entry in dropped)
        self.reread_from_us = from_us if self.reread_us is None else min(from_us, self.reread_from_us)
        self.reread_us = at_us if self.reread_us is None else min(at_us, self.reread_us)


def _earlier(one: Cursor | None, other: Cursor) -> Cursor:
    """The one that has read less; None has read everything."""
    return other if one is None or (other.due_us, other.stream) < (one.due_us, one.stream) else one
