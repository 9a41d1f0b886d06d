"""A push to a user hears how the messages for their devices end: it fails with the last, and arrives with the first.

This file answers for that word, told once by each of them that ended undelivered or surely arrived; what has not been
told yet stands on its head. A push is told nothing before it is `sent`: until then it may become more messages.
"""

from collections import Counter
from typing import Final

from actors.errands import Errands
from core import events as e
from core import receipts
from core.devices import DEVICES_MAX
from core.errors import NotFound
from core.message import OPEN, TAKEN, UNDELIVERED, Message
from core.ports import Log
from core.records import Head, MessageFilter

# One of these may still arrive, or has.
_HOPEFUL: Final = tuple(sorted((OPEN | TAKEN) - UNDELIVERED))


class Parts:
    """The one who tells pushes of their parts. What he keeps in mind is only whom to wait for."""

    def __init__(self, *, log: Log, errands: Errands) -> None:
        self._log = log
        self._errands = errands
        # Pushes that are not through themselves, though one of their parts has ended.
        self._awaited: set[int] = set()

    def awaits(self, message: Message) -> bool:
        """Whether this is a push that a part of it waited for, and that has ended itself: asked once for each."""
        if message.is_open or message.id not in self._awaited:
            return False
        self._awaited.discard(message.id)
        return True

    async def tell(self, part: Message) -> None:
        """Has the push hear of one of its parts, then has that part record it; nothing while the push is open."""
        if part.word is None or part.word == part.end_told:
            return
        # Before it is read: should it end right after that, whoever records its end finds that it is awaited.
        self._awaited.add(part.cause)
        try:
            push = await self._errands.message(None, part.cause)
        except NotFound:
            push = None  # It was erased: nobody has to hear anything.
        if push is not None and push.is_open:
            return
        self._awaited.discard(part.cause)
        if push is not None and push.status in TAKEN:
            await self._raise(push, part)
        await self._errands.change(None, part.id, _is_told)

    async def _raise(self, push: Message, part: Message) -> None:
        """Has the push record what its parts come to; mostly nothing, since others of them may still arrive."""
        status, code = part.word, part.code
        if status == "failed":
            wanted = MessageFilter(cause=push.id, channel=push.channel, status=_HOPEFUL)
            if await self._log.heads(wanted, limit=1):
                return
            wanted = MessageFilter(cause=push.id, channel=push.channel, status=tuple(sorted(UNDELIVERED)))
            code = _reason(await self._log.heads(wanted, limit=DEVICES_MAX))
        assert status is not None, f"message {part.id} owes no word to {push.id}"
        await self._errands.change(None, push.id, lambda present, _: receipts.told_by_part(present, status, code))


def _is_told(part: Message, _now_us: int) -> tuple[e.Event, ...]:
    return () if part.word is None or part.word == part.end_told else (e.EndTold(status=part.word),)


def _reason(ended: list[Head]) -> str:
    """What most of them ended with."""
    counted = Counter(head.code or head.status for head in ended)
    return min(counted, key=lambda code: (-counted[code], code), default="")
