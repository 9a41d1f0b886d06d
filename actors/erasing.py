"""One conversation swept: what is open of it is cancelled, and what is private of it goes.

This file answers for no private row going while its message may still be sent, and for going through all of them as
often as it takes. It must never decide who is to be forgotten, nor remember anything from one sweep to the next.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Final

import anyio

from actors.errands import Errands
from actors.parcels import Parcels
from actors.sender import NONSENSE
from core.erasures import ERASED
from core.errors import Forbidden, NotFound, StreamConflict, TidingsError
from core.message import OPEN, fold
from core.policies import SECOND_US
from core.ports import Clock, Log, Witness
from core.records import Head, MessageFilter, Sealed
from core.sealing import unseal

# Messages looked at in one go: their private rows go in one commit.
_PAGE: Final = 256
# Messages that are cancelled in one commit, while nothing else happens in their conversation.
_CANCELLED_AT_ONCE: Final = 64
# Private rows read at once, each of them as large as a content may be.
_ROWS_AT_ONCE: Final = 16
# Messages that a push has come to, at most.
_PARTS_MAX: Final = 1_000
# How soon a message in flight is looked at again.
_AGAIN_US: Final = SECOND_US // 4

Swept = Callable[[Sequence[int], int], Awaitable[None]]
"""Makes durable that the private rows of these streams are gone, so many of which were open."""


class Sweeper:
    """Whoever goes through conversations."""

    def __init__(self, *, log: Log, clock: Clock, errands: Errands, parcels: Parcels, witness: Witness) -> None:
        self._log = log
        self._clock = clock
        self._errands = errands
        self._parcels = parcels
        self._witness = witness

    async def sweep(self, conversation: int, swept: Swept) -> None:
        """Cancels what is open, waits for what is in flight, and has the private rows of all of it go.

        Raises what the log answers where it is in trouble: then it may be done again.
        """
        wanted = MessageFilter(conversation=conversation)
        in_flight: list[int] = []
        while True:
            heads = await self._log.heads(wanted, limit=_PAGE, oldest_first=True)
            in_flight += await self._clear(heads, {head.stream for head in heads if head.status in OPEN}, swept)
            if len(heads) < _PAGE:
                break
            wanted = MessageFilter(conversation=conversation, after=heads[-1].stream)
        while in_flight:
            await self._clock.sleep_until(self._clock.now_us() + _AGAIN_US)
            found = await self._log.heads_by(in_flight[:_PAGE])
            in_flight = await self._clear(list(found.values()), set(in_flight), swept) + in_flight[_PAGE:]

    async def addresses_of_parts(self, conversation: int) -> set[str]:
        """Where the messages went that pushes of a conversation came to, as far as their private rows are there."""
        found: set[str] = set()
        after: int | None = None
        while True:
            wanted = MessageFilter(conversation=conversation, after=after)
            heads = await self._log.heads(wanted, limit=_PAGE, oldest_first=True)
            for head in heads:
                parts = await self._log.heads(MessageFilter(cause=head.stream, channel="push"), limit=_PARTS_MAX)
                found |= {address for part in parts if (address := await self._address_of(part.stream)) is not None}
            if len(heads) < _PAGE:
                return found
            after = heads[-1].stream

    async def _clear(self, heads: Sequence[Head], were_open: Collection[int], swept: Swept) -> list[int]:
        """Has the private rows of all go but those in flight, which it answers with."""
        out = await self._in_flight([head for head in heads if head.status in OPEN])
        ready = [head.stream for head in heads if head.stream not in out]
        kept = await self._kept(ready)
        if kept:
            ended = await self._log.heads_by([stream for stream in kept if stream in were_open])
            await swept(kept, sum(head.status == "cancelled" for head in ended.values()))
        for stream in ready:
            self._parcels.forget(stream)
        return [head.stream for head in heads if head.stream in out]

    async def _in_flight(self, heads: Sequence[Head]) -> set[int]:
        """Which of these are in flight still; all others of them are cancelled here."""
        found: set[int] = set()
        for first in range(0, len(heads), _CANCELLED_AT_ONCE):
            found |= await self._in_flight_together(heads[first : first + _CANCELLED_AT_ONCE])
        return found

    async def _in_flight_together(self, heads: Sequence[Head]) -> set[int]:
        try:
            messages = await self._errands.cancel_together(heads, reason=ERASED)
        except (StreamConflict, *NONSENSE):
            # One of them keeps the others from it, so each is looked at by itself.
            return {head.stream for head in heads if await self._is_out(head)}
        return {message.id for message in messages if message.in_flight}

    async def _is_out(self, head: Head) -> bool:
        """Whether a message that was open is in flight still; one that is not is cancelled here."""
        try:
            message = await self._errands.cancel(None, head.stream, reason=ERASED)
        except (Forbidden, NotFound):
            return False  # It ended by itself just now.
        except NONSENSE as error:
            # Without its content nothing is sent of it, whatever a newer release makes of its events.
            self._witness.note("erasure_parked", message=head.stream, error=str(error))
            return False
        return message.in_flight != 0

    async def _kept(self, streams: Sequence[int]) -> list[int]:
        """Those of which something private is kept."""
        found: list[int] = []
        for first in range(0, len(streams), _ROWS_AT_ONCE):
            together = streams[first : first + _ROWS_AT_ONCE]
            rows = await self._rows(together)
            found += [stream for stream in together if rows[stream] is not None]
        return found

    async def _rows(self, streams: Iterable[int]) -> dict[int, Sealed | None]:
        rows: dict[int, Sealed | None] = {}
        troubles: list[TidingsError] = []

        async def read(stream: int) -> None:
            try:
                rows[stream] = await self._log.sealed_of(stream)
            except TidingsError as error:
                troubles.append(error)

        async with anyio.create_task_group() as group:
            for stream in streams:
                group.start_soon(read, stream)
        # Not by way of the group, which would make another error of it.
        if troubles:
            raise troubles[0]
        return rows

    async def _address_of(self, stream: int) -> str | None:
        sealed = await self._log.sealed_of(stream)
        if sealed is None:
            return None
        try:
            return unseal(sealed, fold(await self._log.events_of(stream)).commitment).to
        except NONSENSE as error:
            self._witness.note("erasure_parked", message=stream, error=str(error))
            return None
