"""Ends of messages that wait: each comes on time, whether its lane lets anything out or not.

This file answers for a message expiring, or giving way to its fallback, at the instant that was asked for. An end needs
no permit, since nothing leaves. It holds no task or timer a message: the log has an index of ends, and one task sleeps
until the next of them.
"""

from collections.abc import Collection, Sequence
from typing import Final

import anyio

from actors.bell import Bell
from actors.errands import Errands
from actors.sender import LOG_TROUBLE, NONSENSE
from core.errors import NotFound, TidingsError
from core.message import WAITING, Message
from core.policies import SECOND_US
from core.ports import Clock, Log, Witness
from core.records import Head

# Messages whose time is over, read in one go, and how many of them are ended at once: they share commits.
_PAGE: Final = 512
_AT_ONCE: Final = 64
# After trouble with the log, or with a message that could not end yet, what is over is looked at again this much later.
_AGAIN_US: Final = SECOND_US


class Endings:
    """The one who ends what is over."""

    def __init__(self, *, log: Log, clock: Clock, errands: Errands, witness: Witness) -> None:
        self._log = log
        self._clock = clock
        self._errands = errands
        self._witness = witness
        self._bell = Bell(clock)
        # Before this instant nothing that the log holds is over; None where nothing in it ever will be.
        self._next_us: int | None = 0

    def noticed(self, message: Message) -> None:
        """A message waits whose time may be over sooner than that of all others."""
        ends_us = message.ends_us
        if ends_us is None or message.status not in WAITING:
            return
        if self._next_us is None or ends_us < self._next_us:
            self._next_us = ends_us
            self._bell.ring()

    async def run(self) -> None:
        """Ends every message at its time, until cancelled."""
        while True:
            if self._next_us is not None and self._next_us <= self._clock.now_us():
                # Set first, so that whatever is noticed while the log is read brings it forward again.
                self._next_us = None
                self._sooner(await self._end_all())
            await self._bell.wait(self._next_us)

    def _sooner(self, next_us: int | None) -> None:
        if next_us is not None and (self._next_us is None or next_us < self._next_us):
            self._next_us = next_us

    async def _end_all(self) -> int | None:
        """Ends what is over; answers when there is more to do."""
        after: tuple[int, int] | None = None
        is_done = True
        try:
            while True:
                heads = await self._log.ending_messages(after=after, limit=_PAGE)
                over = [head for head in heads if (head.ends_us or 0) <= self._clock.now_us()]
                is_done &= await self._end_each(over)
                if len(over) < _PAGE:
                    break
                after = heads[-1].ends_us or 0, heads[-1].stream
        except LOG_TROUBLE as error:
            self._witness.note("endings_refused", error=type(error).__name__)
            return self._clock.now_us() + _AGAIN_US
        next_us = heads[len(over)].ends_us if len(over) < len(heads) else None
        if is_done:
            return next_us
        again_us = self._clock.now_us() + _AGAIN_US
        return again_us if next_us is None else min(next_us, again_us)

    async def _end_each(self, heads: Sequence[Head]) -> bool:
        """Answers whether all of them ended, but for those that wait for a person."""
        troubles: list[TidingsError] = []
        left: list[int] = []

        async def end(stream: int) -> None:
            try:
                message = await self._errands.tidy(stream)
                if message.status in WAITING and message.ends_us is not None:
                    left.append(stream)  # Its provider is being asked about it: the answer comes first.
            except NotFound:
                pass  # It was erased meanwhile.
            except NONSENSE as error:
                # It stays for a person, or a newer release; those behind it end in their time.
                self._witness.note("ending_parked", message=stream, error=str(error))
            except LOG_TROUBLE as trouble:
                troubles.append(trouble)

        async def end_line(streams: Sequence[int]) -> None:
            for stream in streams:
                await end(stream)

        for place in range(0, len(heads), _AT_ONCE):
            async with anyio.create_task_group() as group:
                for streams in _by_conversation(heads[place : place + _AT_ONCE]):
                    group.start_soon(end_line, streams)
            if troubles:
                raise troubles[0]
        return not left


def _by_conversation(heads: Sequence[Head]) -> Collection[Sequence[int]]:
    """Those of one conversation in their order: they have its turn one after another, and only so many wait for it."""
    found: dict[int | None, list[int]] = {}
    for head in heads:
        found.setdefault(head.conversation, []).append(head.stream)
    return found.values()
