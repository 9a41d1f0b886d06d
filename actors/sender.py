"""One attempt from permit to close: wake, begin, send, conclude.

This file answers for the linear path of an attempt. Whatever a channel does becomes one outcome; an outcome is recorded
even where the store is failing at that moment, by trying until it recovers. It must never send what is not durably
begun, nor once another process may be the one that acts, nor forget what was sent.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final, Literal

import anyio
from msgspec.structs import replace

from actors.conversation import ConversationActor
from actors.deadlines import Deadlines
from actors.governor import Governor, Permit
from actors.lane import LaneActor
from actors.parcels import Parcels
from actors.roster import Roster
from actors.surroundings import Attempt, Inquiry
from core.conclusions import Flight
from core.errors import AppendUnknown, CorruptLog, Impossible, Refused, StreamConflict, StreamParked
from core.message import Message
from core.outcomes import Ambiguous, Hold, Outcome, Permanent, Rate, Taken, Transient, name_of
from core.policies import SECOND_US
from core.ports import Channel, Clock, LooksUp, Parcel, Witness

# How often a failing store is asked again to take an outcome.
_AGAIN_FIRST_US: Final = SECOND_US // 10
_AGAIN_MOST_US: Final = 5 * SECOND_US

# A channel keeps its deadline itself and knows best what a timeout means; one that does not is cut off so much later.
_OVERDUE_US: Final = 5 * SECOND_US

# What something left for in any case.
_LEFT: Final = (Taken, Ambiguous)
# How long a provider may take to say what became of an attempt.
_INQUIRY_US: Final = 20 * SECOND_US

# What the log may answer while it is in trouble; anything else is a bug and ends the attempt's task.
LOG_TROUBLE: Final = (Refused, AppendUnknown, StreamConflict)

# What the log may hold that makes no sense to this release: it stops one conversation, and waits for a person.
NONSENSE: Final = (CorruptLog, Impossible, StreamParked)

# Why a permit's conversation cannot be asked what it wants: try it again soon, or leave it to a person.
Trouble = Literal["again", "parked"]


class Departure:
    """When an attempt's first byte left: the channel calls it, the governor's slots start there."""

    __slots__ = ("_clock", "_governor", "_left", "_permit", "sent_us", "started_us")

    def __init__(self, permit: Permit, governor: Governor, clock: Clock, left: Callable[[], None]) -> None:
        self._permit = permit
        self._governor = governor
        self._clock = clock
        self._left = left
        self.started_us = clock.now_us()
        self.sent_us: int | None = None

    def __call__(self) -> None:
        """The first byte leaves now; later calls change nothing."""
        if self.sent_us is None:
            self.sent_us = self._clock.now_us()
            self._governor.handed_over(self._permit, self.sent_us)
            self._left()

    def flight(self, outcome: Outcome) -> Flight:
        """The attempt as it ended just now."""
        if isinstance(outcome, _LEFT):
            self()  # Something left in any case; a channel that saw no instant counts from its answer.
        return Flight(outcome=outcome, sent_us=self.sent_us, took_us=self._clock.now_us() - self.started_us)


class Sender:
    """Carries attempts out. One instance serves every lane; each call of `carry` is one permit's life."""

    def __init__(
        self,
        *,
        roster: Roster,
        parcels: Parcels,
        governor: Governor,
        clock: Clock,
        witness: Witness,
        may_send: Callable[[], bool],
    ) -> None:
        """`may_send` says whether this process surely still is the one that acts."""
        self._may_send = may_send
        self._roster = roster
        self._parcels = parcels
        self._governor = governor
        self._clock = clock
        self._witness = witness
        self._overdue = Deadlines()
        self.channels: Mapping[str, Channel] = {}
        self.siblings_of: Callable[[LaneActor], list[LaneActor]] = lambda _: []

    async def carry(
        self, permit: Permit, lane: LaneActor, moved: Callable[[ConversationActor], None]
    ) -> ConversationActor | Trouble:
        """Uses the permit if anything is due. Answers with the conversation, or why nothing can be said of it.

        `moved` hears of what may let another attempt start long before this one is over: it has begun, it has left, or
        nothing will leave.
        """
        actor = self._roster.wake(permit.conversation, permit.tenant)
        channel = self.channels.get(permit.lane)
        if channel is None:
            return "again"  # A reload is taking the lane away just now; nothing has begun.
        try:
            # Asked at each attempt, where `isinstance` would compare the whole of the port.
            attempt = await actor.begin(permit.lane, can_ask=hasattr(channel, "look_up"))
        except LOG_TROUBLE as error:
            self._witness.note("begin_refused", conversation=permit.conversation, error=type(error).__name__)
            return "again"
        except NONSENSE as error:
            return self._parked(permit, error)
        if attempt is None:
            return actor
        if isinstance(attempt, Inquiry):
            # Nothing leaves under this permit, so it keeps nobody waiting for its place in a window.
            self._governor.spare(permit)
            moved(actor)
            return await self._inquire(permit, actor, attempt, channel)
        moved(actor)
        departure = Departure(permit, self._governor, self._clock, lambda: moved(actor))
        flight = await self._fly(actor, attempt, departure, channel)
        if flight is None:
            return await self._withheld(permit, actor, attempt)
        try:
            await self._insist(lambda: actor.conclude(attempt, flight))
            if not lane.saw_well(flight.outcome, permit):
                await self._insist(lambda: lane.saw(flight.outcome, permit))
                if isinstance(flight.outcome, Rate) and flight.outcome.scope == "account":
                    await self._spread(lane, flight.outcome, permit)
        except NONSENSE as error:
            return self._parked(permit, error)
        self._tell(permit, attempt, flight)
        return actor

    async def _inquire(
        self, permit: Permit, actor: ConversationActor, inquiry: Inquiry, channel: Channel
    ) -> ConversationActor | Trouble:
        """Asks a provider what became of an attempt, and has the answer recorded. Sends nothing."""
        message = inquiry.message
        try:
            await actor.answered(inquiry, await self._look_up(message, channel))
        except LOG_TROUBLE as error:
            # Our own trouble is no reason to guess: the doubt stands, and its turn comes again. Until then it counts as
            # being asked about, or others of its conversation would have it asked about again at once, without end.
            fault = type(error).__name__
            self._witness.note("inquiry_refused", message=message.id, channel=message.channel, error=fault)
            await self._clock.sleep_until(self._clock.now_us() + SECOND_US)
        except NONSENSE as error:
            return self._parked(permit, error)
        finally:
            actor.stopped_asking(inquiry)
        return actor

    async def _look_up(self, message: Message, channel: Channel) -> Taken | None:
        """What the provider knows of it; None for whatever keeps it from telling: then the policy decides."""
        if not isinstance(channel, LooksUp):
            return None
        try:
            parcel = await self._parcels.of(message, message.attempt)
            if parcel is None:
                return None
            others = await self._parcels.ids_of_others(message)
            parcel = replace(parcel, deadline_us=self._clock.now_us() + _INQUIRY_US, ids_of_others=others)
            with anyio.move_on_after((_INQUIRY_US + _OVERDUE_US) / SECOND_US):
                return await channel.look_up(parcel, message.started_us)
            self._witness.note("look_up_overdue", lane=message.lane, message=message.id)
        except Refused:
            raise
        except CorruptLog as error:
            self._witness.note("look_up_corrupt", message=message.id, error=str(error))
        except Exception as bug:  # A channel's bug must not lose the message: nothing is known, as before.
            self._witness.note("look_up_bug", lane=message.lane, message=message.id, error=type(bug).__name__)
        return None

    async def _spread(self, lane: LaneActor, outcome: Rate, permit: Permit) -> None:
        """What an account's limiter refused, no lane of that account sends."""
        for sibling in self.siblings_of(lane):
            await self._insist(partial(sibling.saw, outcome, permit))

    async def _withheld(
        self, permit: Permit, actor: ConversationActor, attempt: Attempt
    ) -> ConversationActor | Trouble:
        """Has it recorded that nothing was sent because another process may act by now: it is due again at once."""
        self._witness.note("send_withheld", message=attempt.message.id, channel=attempt.message.channel)
        try:
            await self._insist(lambda: actor.abort(attempt, "lease"))
        except NONSENSE as error:
            return self._parked(permit, error)
        # Of its lane it took nothing: another may be the probe.
        permit.has_begun = False
        return actor

    def _parked(self, permit: Permit, error: Exception) -> Trouble:
        """One stream that makes no sense parks its conversation, never the others."""
        self._witness.note("conversation_parked", conversation=permit.conversation, error=str(error))
        return "parked"

    async def _fly(
        self, actor: ConversationActor, attempt: Attempt, departure: Departure, channel: Channel
    ) -> Flight | None:
        """How the attempt ended; None where it was withheld."""
        try:
            outcome = await self._send(attempt, departure, channel)
            return None if outcome is None else departure.flight(outcome)
        except anyio.get_cancelled_exc_class():
            # We are stopping: what has left is of unknown fate, what has not left was never sent.
            with anyio.CancelScope(shield=True):
                await self._leave(actor, attempt, departure)
            raise

    async def _leave(self, actor: ConversationActor, attempt: Attempt, departure: Departure) -> None:
        try:
            if departure.sent_us is None:
                await actor.abort(attempt, "stopping")
            else:
                await actor.conclude(attempt, departure.flight(Ambiguous(code="stopped")))
        except LOG_TROUBLE as error:
            # It stays open in the log, where the next start finds it; waiting for the store could take for ever.
            message, fault = attempt.message, type(error).__name__
            self._witness.note("left_open", message=message.id, channel=message.channel, error=fault)

    async def _send(self, attempt: Attempt, departure: Departure, channel: Channel) -> Outcome | None:
        """What the attempt came to; None where it was withheld."""
        try:
            parcel = await self._parcels.of(attempt.message, attempt.number)
            if parcel is None:
                return Permanent(code="content_gone", unasked=True)
            # Asked last, since whatever is waited for may take longer than the right to send lasts.
            if not self._may_send():
                return None
            outcome = await self._answered(parcel, departure, channel)
            if outcome is not None:
                return outcome
            message = attempt.message
            self._witness.note("send_overdue", lane=message.lane, channel=message.channel, message=message.id)
            return Transient(code="overdue") if departure.sent_us is None else Ambiguous(code="overdue")
        except CorruptLog:
            return Permanent(code="content_corrupt", unasked=True)
        except Refused as error:
            # Our own trouble is nobody's failure: it uses up no attempt, and says nothing about the other side.
            message, fault = attempt.message, type(error).__name__
            self._witness.note("content_refused", message=message.id, channel=message.channel, error=fault)
            return Hold(code="store_unavailable", after_us=SECOND_US, unasked=True)
        except Exception as bug:  # A channel's bug must not lose the message: it is an outcome like any other.
            name, message = type(bug).__name__, attempt.message
            self._witness.note("send_bug", lane=message.lane, channel=message.channel, message=message.id, error=name)
            code = f"internal:{name}"
            return Transient(code=code) if departure.sent_us is None else Ambiguous(code=code)

    async def _answered(self, parcel: Parcel, departure: Departure, channel: Channel) -> Outcome | None:
        """What a channel answers; None where it has forgotten its deadline."""
        bound = self._overdue.within((parcel.deadline_us + _OVERDUE_US - self._clock.now_us()) / SECOND_US)
        try:
            with bound:
                return await channel.send(parcel, departure)
        except TimeoutError:
            if bound.is_over:
                return None
            raise

    async def _insist(self, record: Callable[[], Awaitable[None]]) -> None:
        """Records what has happened outside, however long the store is in trouble."""
        wait_us = _AGAIN_FIRST_US
        while True:
            try:
                return await record()
            except LOG_TROUBLE as error:
                self._witness.note("record_again", error=type(error).__name__, after_us=wait_us)
            await self._clock.sleep_until(self._clock.now_us() + wait_us)
            wait_us = min(2 * wait_us, _AGAIN_MOST_US)

    def _tell(self, permit: Permit, attempt: Attempt, flight: Flight) -> None:
        self._witness.note(
            "attempt",
            lane=permit.lane,
            channel=attempt.message.channel,
            outcome=name_of(flight.outcome),
            code=flight.outcome.code,
            message=attempt.message.id,
            attempt=attempt.number,
            took_us=flight.took_us,
        )
