"""A message that ended undelivered is followed by its fallback on another channel, exactly one for each.

This file answers for a fallback beginning whatever is killed in between: what a message owes stands on its head, and
the new one's idempotency key is made of the first one's id. It must never begin before the first has concluded.
"""

from typing import Final

from actors.bell import Bell
from actors.errands import Errands
from actors.intake import Intake
from core import events as e
from core import ids
from core.contents import Submission, unsealed_fallbacks
from core.errors import AppendUnknown, CorruptLog, Invalid, NotFound, Refused
from core.message import Message, fold
from core.policies import SECOND_US
from core.ports import Clock, Log, Witness
from core.records import MessageFilter
from core.sealing import unseal

# Messages that owe a fallback, read in one go.
_PAGE: Final = 500
_AGAIN_US: Final = SECOND_US


class Fallbacks:
    """The one who starts fallbacks. It reads what is owed from the log, so it remembers nothing itself."""

    def __init__(self, *, log: Log, clock: Clock, errands: Errands, intake: Intake, witness: Witness) -> None:
        self._log = log
        self._clock = clock
        self._errands = errands
        self._intake = intake
        self._witness = witness
        self._bell = Bell(clock)

    def noticed(self, message: Message) -> None:
        """A message ended, and may owe its fallback."""
        if message.owes:
            self._bell.ring()

    async def run(self) -> None:
        """Starts every fallback that is owed, until cancelled."""
        while True:
            wake_us: int | None = None
            try:
                await self._pay_all()
            except (Refused, AppendUnknown) as error:
                self._witness.note("fallback_refused", error=type(error).__name__)
                wake_us = self._clock.now_us() + _AGAIN_US
            await self._bell.wait(wake_us)

    async def _pay_all(self) -> None:
        while heads := await self._log.heads(MessageFilter(owes=True), limit=_PAGE, oldest_first=True):
            for head in heads:
                await self._pay(fold(await self._log.events_of(head.stream)))

    async def _pay(self, message: Message) -> None:
        """Accepts the fallback of one message, then records that it did."""
        event: e.Event
        try:
            submission = await self._submission(message)
            receipt = await self._intake.accept(message.tenant, submission)
            event = e.FallbackStarted(message=receipt.id, channel=submission.channel)
        except Invalid as invalid:
            event = e.FallbackRefused(code=f"invalid:{invalid.at}")
        except (CorruptLog, NotFound):
            event = e.FallbackRefused(code="content_gone")

        def decide(present: Message, _now_us: int) -> tuple[e.Event, ...]:
            return (event,) if present.owes else ()

        await self._errands.change(None, message.id, decide)
        self._witness.note("fallback", message=message.id, event=type(event).__name__)

    async def _submission(self, message: Message) -> Submission:
        sealed = await self._log.sealed_of(message.id)
        if sealed is None:
            raise NotFound("the vault holds nothing of the message")
        private = unseal(sealed, message.commitment)
        fallbacks = unsealed_fallbacks(private.fallbacks)
        if not fallbacks:
            raise NotFound("the vault holds no fallback of the message")
        first, *rest = fallbacks
        return Submission(
            channel=first.channel,
            to=first.to,
            content=first.content,
            host=first.host,
            subject=first.to,
            idempotency_key=f"fallback/{ids.encode('msg', message.id)}",
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
            request=b"fallback",
            fallbacks=tuple(rest),
            cause=message.id,
            caused_by=ids.kind_of(message.channel),
        )
