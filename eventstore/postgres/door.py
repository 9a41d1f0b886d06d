"""The door of a daemon that stands by: the Door port over a database.

This file answers for whatever it took in being found by the daemon that acts, now or later. It must never write to the
log itself.
"""

from core.errors import StreamConflict
from core.records import Acceptance, Repeated, Stored
from eventstore.batches import check_inbox
from eventstore.postgres.asking import Asking
from eventstore.postgres.errands import Errands
from eventstore.postgres.gathering import Gathering
from eventstore.postgres.hints import LEFT, Hints
from eventstore.postgres.leaving import Note
from eventstore.postgres.line import Line
from eventstore.postgres.owning import Ownership
from eventstore.postgres.presence import Presence


class PostgresDoor:
    """What a daemon may do to the log while it stands by; it goes on for whoever came by before it acted."""

    def __init__(self, url: str, *, ownership: Ownership, presence: Presence, errands: Errands, hints: Hints) -> None:
        self._line = Line(url, ownership, "door")
        self._gathering = Gathering(self._line, ownership)
        self._asking = Asking(ownership.identity, errands, hints)
        self._hints = hints
        self._presence = presence

    async def accept(self, acceptance: Acceptance) -> Stored | Repeated:
        """Takes charge of a message: key, vault row, address and an inbox row in one commit; no event yet."""
        check_inbox(is_full=self._presence.is_inbox_full)
        answer = await self._gathering.put(acceptance)
        if isinstance(answer, StreamConflict | ValueError):
            raise answer
        self._hints.tell(LEFT)
        return answer

    async def leave(self, news: bytes, *, tenant: str) -> None:
        """What a hook told is durable, and the acting daemon will heed it."""
        check_inbox(is_full=self._presence.is_inbox_full)
        await self._left(Note(kind="news", tenant=tenant, number=self._asking.number(), body=news))

    async def ask(self, request: bytes, *, within_s: float) -> bytes:
        """The acting daemon's answer."""
        note = Note(kind="request", tenant="", number=self._asking.number(), body=request)
        return await self._asking.ask(note.number, lambda: self._left(note), within_s=within_s)

    async def close(self) -> None:
        """Takes no more, once what was taken is durable."""
        await self._gathering.close()
        await self._asking.close()
        await self._line.close()

    async def _left(self, note: Note) -> None:
        await self._gathering.put(note)
        self._hints.tell(LEFT)
