"""A message that ended undelivered is followed by its fallback on another channel, exactly one for each.

This file answers for a fallback beginning whatever is killed in between: what a message owes stands on its head, and
the new one's idempotency key is made of the first one's id. It must never begin before the first has concluded. What a
push is owed by its parts is found by the same walk, and told in parts.py.
"""

from typing import Final

import anyio

from actors.bell import Bell
from actors.errands import Errands
from actors.intake import Acknowledgement, Intake
from actors.parts import Parts
from actors.sender import LOG_TROUBLE, NONSENSE
from core import events as e
from core import ids
from core.alternatives import Alternative, unsealed_fallbacks
from core.contents import Submission
from core.errors import CorruptLog, Invalid, NotFound, Overloaded, TidingsError
from core.message import Message, fold
from core.policies import SECOND_US
from core.ports import Clock, Log, Witness
from core.records import MessageFilter, Private
from core.sealing import unseal

# Messages that owe a fallback, read in one go, and how many are started at once: they share commits.
_PAGE: Final = 512
_AT_ONCE: Final = 64
_AGAIN_US: Final = SECOND_US


class Fallbacks:
    """The one who pays what is owed. It reads that from the log, so it remembers nothing itself."""

    def __init__(self, *, log: Log, clock: Clock, errands: Errands, intake: Intake, witness: Witness) -> None:
        self._log = log
        self._clock = clock
        self._errands = errands
        self._intake = intake
        self._parts = Parts(log=log, errands=errands)
        self._witness = witness
        self._bell = Bell(clock)

    def noticed(self, message: Message) -> None:
        """A message ended, and may owe something or be owed it."""
        if message.owes or self._parts.awaits(message):
            self._bell.ring()

    async def run(self) -> None:
        """Pays whatever is owed, until cancelled."""
        while True:
            try:
                is_paid = await self._pay_all()
            except LOG_TROUBLE as error:
                self._witness.note("fallback_refused", error=type(error).__name__)
                is_paid = False
            await self._bell.wait(None if is_paid else self._clock.now_us() + _AGAIN_US)

    async def _pay_all(self) -> bool:
        """Answers whether nothing is owed any more that could be paid: not to a push, nor by who waits for a person."""
        is_paid, after = True, 0
        while True:
            heads = await self._log.heads(MessageFilter(owes=True, after=after), limit=_PAGE, oldest_first=True)
            for place in range(0, len(heads), _AT_ONCE):
                is_paid &= await self._pay_each([head.stream for head in heads[place : place + _AT_ONCE]])
            if len(heads) < _PAGE:
                return is_paid
            after = heads[-1].stream

    async def _pay_each(self, streams: list[int]) -> bool:
        troubles: list[TidingsError] = []

        async def pay(stream: int) -> None:
            try:
                message = fold(await self._log.events_of(stream))
                await (self._pay(message) if message.owes_fallback else self._parts.tell(message))
            except NONSENSE as error:
                self._witness.note("fallback_parked", message=stream, error=str(error))
            except LOG_TROUBLE as trouble:
                troubles.append(trouble)

        async with anyio.create_task_group() as group:
            for stream in streams:
                group.start_soon(pay, stream)
        # A crowd before one conversation, or at the door, holds up nobody else.
        if serious := [trouble for trouble in troubles if not isinstance(trouble, Overloaded)]:
            raise serious[0]
        return not troubles

    async def _pay(self, message: Message) -> None:
        """Accepts the fallback of one message, then records that it did."""
        event = await self._begun(message)

        def decide(present: Message, _now_us: int) -> tuple[e.Event, ...]:
            # One that was accepted is a fact, whatever its provider has told of the first one meanwhile.
            is_news = not present.fallback and (present.owes_fallback or isinstance(event, e.FallbackStarted))
            return (event,) if is_news else ()

        await self._errands.change(None, message.id, decide)
        self._witness.note("fallback", message=message.id, event=type(event).__name__)

    async def _begun(self, message: Message) -> e.FallbackStarted | e.FallbackRefused:
        """Accepts the first of the fallbacks that can be; what each of them owes in turn are those behind it."""
        try:
            private = await self._private_of(message)
        except (CorruptLog, NotFound):
            return await self._begun_before(message) or e.FallbackRefused(code="content_gone")
        code, fallbacks = "none", unsealed_fallbacks(private.fallbacks)
        for place, first in enumerate(fallbacks):
            submission = _submission(message, private, first, fallbacks[place + 1 :])
            try:
                acknowledged = await self._intake.accept(message.tenant, submission)
            except Invalid as invalid:
                # Its lane or channel is not configured any more.
                code = f"invalid:{invalid.at}"
            else:
                return e.FallbackStarted(message=acknowledged.id, channel=await self._channel_of(acknowledged, first))
        return e.FallbackRefused(code=code)

    async def _begun_before(self, message: Message) -> e.FallbackStarted | None:
        """What an earlier life accepted in its place: it was killed before it said so, and the content went since."""
        # Newest first: all that a push came to for its devices was there before.
        for head in await self._log.heads(MessageFilter(cause=message.id), limit=1):
            if not fold(await self._log.events_of(head.stream)).is_part:
                return e.FallbackStarted(message=head.stream, channel=head.channel)
        return None

    async def _channel_of(self, acknowledged: Acknowledgement, first: Alternative) -> str:
        """The channel of what was accepted: before a crash that may have been another of the fallbacks."""
        if not acknowledged.duplicate:
            return first.channel
        head = await self._log.head_of(acknowledged.id)
        assert head is not None, f"message {acknowledged.id} was accepted, and has no head"
        return head.channel

    async def _private_of(self, message: Message) -> Private:
        sealed = await self._log.sealed_of(message.id)
        if sealed is None:
            raise NotFound("the vault holds nothing of the message")
        return unseal(sealed, message.commitment)


def _submission(message: Message, private: Private, first: Alternative, rest: tuple[Alternative, ...]) -> Submission:
    return Submission(
        channel=first.channel,
        to=first.to,
        content=first.content,
        host=first.host,
        subject=first.to,
        idempotency_key=ids.encode("msg", message.id),
        reference=private.reference,
        send_at_us=None,
        expires_at_us=None,
        lane=first.lane,
        order=None,
        priority=message.priority,
        on_ambiguous=None,
        policy=None,
        zone=message.zone,
        metadata=private.metadata,
        trace="",
        correlation=private.correlation,
        request=b"",
        fallbacks=rest,
        cause=message.id,
        caused_by=ids.kind_of(message.channel),
        key_of="fallback",
    )
