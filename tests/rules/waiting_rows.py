"""A store's due rows and the conversations behind them, the plain way: what an agenda window is held against.

This file answers for who is truly due when, and for doing to a window what scheduler and conversations do to it. It
must never look into the window to find out.
"""

import msgspec

from core.agenda import AgendaWindow, Entry
from core.records import AgendaRow


class Row(msgspec.Struct, kw_only=True):
    """One waiting message: when it is due, since when it has its place, and when its time ends."""

    stream: int
    conversation: int
    first_due_us: int
    due_us: int
    expires_us: int | None


class Peer(msgspec.Struct, kw_only=True):
    """One conversation: whether it keeps order, until when something holds it, whether an attempt is out."""

    is_fifo: bool
    blocked_until_us: int = 0
    is_flying: bool = False


class Waiting:
    """Everything that waits, and the window that has to know of it in time."""

    def __init__(self, window: AgendaWindow, *, page_rows: int) -> None:
        self.window = window
        self.page_rows = page_rows
        self.now_us = 0
        self.rows: dict[int, Row] = {}
        self.peers: dict[int, Peer] = {}
        self.page: tuple[list[AgendaRow], bool] | None = None
        self.served = 0
        self._streams = 0

    # -- the truth

    def wants(self, conversation: int) -> tuple[int, int] | None:
        """(when it wants the lane, the due instant that the store shows behind that), None where it wants nothing."""
        peer = self.peers[conversation]
        rows = [row for row in self.rows.values() if row.conversation == conversation]
        if peer.is_flying or not rows:
            return None
        first = min(rows, key=lambda row: (row.first_due_us if peer.is_fifo else row.due_us, row.stream))
        wanted = [(max(first.due_us, peer.blocked_until_us), first.due_us)]
        wanted += [(row.expires_us, row.due_us) for row in rows if row.expires_us is not None]
        return min(wanted)

    def overdue(self) -> list[int]:
        """Conversations that want the lane now or wanted it before."""
        return [number for number in self.peers if (want := self.wants(number)) is not None and want[0] <= self.now_us]

    def next_us(self) -> int | None:
        """When the next conversation wants the lane."""
        wants = (self.wants(number) for number in self.peers)
        return min((want[0] for want in wants if want is not None), default=None)

    # -- what happens

    def arrive(self, conversation: int, *, is_fifo: bool, in_us: int, lives_us: int | None, is_awake: bool) -> None:
        """A message is accepted; an awake conversation speaks for itself, for others the message does."""
        self.peers.setdefault(conversation, Peer(is_fifo=is_fifo))
        due_us = self.now_us + in_us
        self._streams += 1
        self.rows[self._streams] = Row(
            stream=self._streams,
            conversation=conversation,
            first_due_us=due_us,
            due_us=due_us,
            expires_us=None if lives_us is None else due_us + lives_us,
        )
        if is_awake:
            self.speak(conversation)
            return
        known_us = self.window.ready_us_of(conversation)
        if known_us is None or due_us < known_us:
            self.window.remind(conversation, due_us, stored_us=due_us, host=None)

    def speak(self, conversation: int) -> None:
        """The conversation says what it wants, if anything."""
        want = self.wants(conversation)
        if want is not None:
            self.window.remind(conversation, want[0], stored_us=want[1], host=None)

    def ask_page(self) -> bool:
        """Begins to read a page where the window wants one; what it holds is what the store holds at this moment."""
        if self.page is not None or not self.window.wants_page(self.now_us):
            return False
        cursor = self.window.start_reading()
        after = (cursor.due_us, cursor.stream)
        beyond = sorted((row for row in self.rows.values() if (row.due_us, row.stream) > after), key=_place)
        page = [
            AgendaRow(due_us=row.due_us, stream=row.stream, conversation=row.conversation, host=None)
            for row in beyond[: self.page_rows]
        ]
        self.page = page, len(page) < self.page_rows
        return True

    def bring_page(self, *, is_whole: bool = True) -> None:
        """The page that was asked for comes, or could not be read."""
        if self.page is None:
            return
        (rows, is_last), self.page = self.page, None
        if is_whole:
            self.window.loaded(rows, is_last=is_last)
        else:
            self.window.failed()

    def serve(self, *, then: str = "deliver", after_us: int = 1) -> Entry | None:
        """The first ready entry gets its permit; what becomes of it is `deliver`, `retry`, `block` or `fly`."""
        if self.window.peek(self.now_us) is None:
            return None
        entry = self.window.pop()
        assert entry.ready_us <= self.now_us
        want = self.wants(entry.conversation)
        if want is not None and want[0] <= self.now_us:
            self.served += 1
            self._attempt(entry.conversation, then, after_us)
        self.speak(entry.conversation)
        return entry

    def land(self, conversation: int) -> None:
        """An attempt that was out comes to its end: delivered."""
        self.peers[conversation].is_flying = False
        self._attempt(conversation, "deliver", 1)
        self.speak(conversation)

    def _attempt(self, conversation: int, then: str, after_us: int) -> None:
        peer = self.peers[conversation]
        rows = [row for row in self.rows.values() if row.conversation == conversation]
        gone = [row for row in rows if row.expires_us is not None and row.expires_us <= self.now_us]
        if gone:
            del self.rows[gone[0].stream]
            return
        first = min(rows, key=lambda row: (row.first_due_us if peer.is_fifo else row.due_us, row.stream))
        match then:
            case "fly":
                peer.is_flying = True
            case "retry":
                first.due_us = self.now_us + after_us
            case "block":
                peer.blocked_until_us = self.now_us + after_us
            case _:
                del self.rows[first.stream]

    # -- until nothing more can be done now

    def settle(self) -> None:
        """Reads and serves until neither is possible at this instant, as the scheduler does."""
        # Each round removes a row, reads one page or takes an entry; a page may bring each row once more.
        for _ in range(20 * (len(self.rows) + len(self.peers) + 5)):
            self.bring_page()
            if not self.ask_page() and self.serve() is None:
                return
        raise AssertionError(f"the window never comes to rest at {self.now_us}: it has {self.window.entries()}")


def _place(row: Row) -> tuple[int, int]:
    return row.due_us, row.stream
