"""Broken parts to plant that came with receipts, doubts, lanes that stand in for each other, fallbacks and devices.

As in plants.py, each is what such a bug looks like in life, and nothing of the production code is patched but what a
running daemon is made of.
"""
# ruff: noqa: ARG005, SLF001 - what a daemon is made of is nobody's to choose, so it is taken from the inside

from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import cast

from msgspec.structs import replace

from actors.conversation import ConversationActor
from actors.intake import Intake
from actors.system import System
from core import events as e
from core.contents import Submission
from core.conversation import Conversation
from core.errors import StoreUnavailable
from core.message import Message
from core.news import Receipt
from core.outcomes import Outcome, Transient
from core.ports import Channel, Log, Parcel
from core.records import Acceptance, Append, Repeated, Stored
from core.starts import begin
from tests.promises.plants import Through

# -- conversations that do not record what they should


def actors_of(kind: type[ConversationActor]) -> Callable[[System], None]:
    """Has every conversation of a daemon be of this kind."""

    def started(system: System) -> None:
        wake = system.roster.wake

        def woken(conversation: int, tenant: str, *, is_new: bool = False) -> ConversationActor:
            actor = wake(conversation, tenant, is_new=is_new)
            actor.__class__ = kind
            return actor

        system.roster.wake = woken  # type: ignore[method-assign]

    return started


class _Filtered(ConversationActor):
    """Leaves out some of what it should record."""

    __slots__ = ()
    left_out: tuple[type[e.Event], ...] = ()

    async def _record(
        self, message: Message, events: tuple[e.Event, ...], own: tuple[e.Event, ...] = (), *, at_us: int
    ) -> Message:
        kept, kept_own = (tuple(one for one in some if not isinstance(one, self.left_out)) for some in (events, own))
        return await super()._record(message, kept, kept_own, at_us=at_us)


class ResentfulActor(_Filtered):
    """Never forgets a refusal by its peer's limiter."""

    __slots__ = ()
    left_out = (e.PaceRestored,)


class SilentActor(_Filtered):
    """Says nothing of a doubt."""

    __slots__ = ()
    left_out = (e.ReconcileStarted,)


class DeafActor(_Filtered):
    """Notes what a provider tells, and draws no conclusion from it."""

    __slots__ = ()
    left_out = (e.AttemptProved,)


class PushyActor(ConversationActor):
    """Writes to whoever does not want it."""

    __slots__ = ()

    def _next_step(self, message: Message, now_us: int) -> tuple[e.Event, ...]:
        steps = super()._next_step(message, now_us)
        if isinstance(steps[0], e.MessageDead) and steps[0].reason == "suppressed":
            willing: Conversation = replace(self.state, unwanted=None, is_unreachable=False)
            return (begin(willing, message, self._world.terms_of(message), now_us),)
        return steps


# -- desks


def believe_failures(system: System) -> None:
    """Has a failure, once it was told, stand against all that is told later."""
    errands = system.errands
    receive = errands.receive

    async def received(stream: int, receipt: Receipt, lanes: Sequence[str]) -> Message:
        message = await errands.message(None, stream)
        if message.status == "failed" and receipt.status != "failed":
            return message
        return await receive(stream, receipt, lanes)

    errands.receive = received  # type: ignore[method-assign, assignment]


def drop_strays(system: System) -> None:
    """Has receipts for unknown messages be forgotten."""

    async def keep(lane: str, receipt: Receipt) -> None:
        """Nothing."""

    system.receipts._keep = keep  # type: ignore[method-assign]


def believe_all_lanes_up(system: System) -> None:
    """Has messages go on in whatever lane comes next."""
    system.failover.is_up = lambda name: True  # type: ignore[method-assign]


def begin_no_fallback(system: System) -> None:
    """Has nobody told of messages that owe a fallback."""
    system.fallbacks.noticed = lambda message: None  # type: ignore[method-assign]


def miss_a_device(system: System) -> None:
    """Has a push leave out every third device."""
    intake, asked = system.pushes._intake, count(1)

    class Skipping:
        async def accept(self, tenant: str, submission: Submission) -> None:
            if next(asked) % 3:
                await intake.accept(tenant, submission)

    system.pushes._intake = cast("Intake", Skipping())


# -- logs and channels


class ForgetfulOfFallbacksLog(Through):
    """Does not know a fallback again, and fails when the first is to name it."""

    def __init__(self, inner: Log) -> None:
        super().__init__(inner)
        self._log = inner
        self._failed: set[int] = set()

    def accept(self, acceptance: Acceptance) -> Awaitable[Stored | Repeated]:
        if acceptance.append.drafts[0].cause:
            acceptance = replace(acceptance, dedup=None)
        return self._log.accept(acceptance)

    def append(self, append: Append) -> Awaitable[None]:
        named = {draft.stream for draft in append.drafts if isinstance(draft.event, e.FallbackStarted)}
        if named - self._failed:
            self._failed |= named
            raise StoreUnavailable("once")
        return self._log.append(append)


class NamelessLog(Through):
    """Keeps no names."""

    def __init__(self, inner: Log) -> None:
        super().__init__(inner)
        self._log = inner

    def append(self, append: Append) -> Awaitable[None]:
        return self._log.append(replace(append, aliases=()))


class TokenTellingChannel(Through):
    """Says which token it could not reach."""

    def __init__(self, inner: Channel) -> None:
        super().__init__(inner)
        self._channel = inner

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        outcome = await self._channel.send(parcel, handed_over)
        return replace(outcome, code=f"no such {parcel.to}") if isinstance(outcome, Transient) else outcome
