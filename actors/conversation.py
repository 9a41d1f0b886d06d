"""A conversation's actor: the only writer of its messages' streams after acceptance, and of its own.

This file answers for the turn: one command at a time decides, records and only then folds. It holds a bounded part of
the conversation's open messages; the rest is in the log. It must never carry on after an append of unknown result: it
forgets what it knew and reads the log again.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from itertools import islice
from typing import Final

from msgspec.structs import replace

from actors.recording import Recording
from actors.snapshots import replayed
from actors.surroundings import Attempt, Decide, Inquiry, Surroundings
from actors.turn import Turn
from core import conclusions, peers, receipts, starts
from core import conversation as c
from core import events as e
from core.errors import AppendUnknown, Forbidden, StreamConflict
from core.message import Message
from core.news import PeerNews, Receipt
from core.outcomes import Taken
from core.policies import Policy
from core.records import FIFO_LINE, LOOSE_LINE, Alias

# No message in flight: one for all the conversations that are awake and idle.
_NONE: Final[frozenset[int]] = frozenset()


class ConversationActor(Recording):
    """One awake conversation. Every method that changes something waits for its turn."""

    __slots__ = ("_asking", "_flying", "turn", "used_us")

    def __init__(self, conversation: int, tenant: str, world: Surroundings, *, is_new: bool = False) -> None:
        """`is_new`: nothing was ever recorded of it, so there is nothing to read."""
        super().__init__(conversation, tenant, world, is_new=is_new)
        # Messages whose running attempt somebody in this process answers for.
        self._flying = _NONE
        # Messages about which their provider is being asked; None where none is, as almost always.
        self._asking: set[int] | None = None
        self.turn = Turn(world.mail_max)
        self.used_us = 0

    # -- what it wants

    @property
    def open(self) -> dict[int, Message]:
        """Its open messages, as far as they are kept in memory."""
        return self._lines.open

    @property
    def seen(self) -> Collection[Message]:
        """The same as everybody sees them: while its provider is asked about one, that is out there as far as known."""
        asking = self._asking
        if not asking:
            return self.open.values()
        return [replace(m, in_flight=m.attempt, status="sending") if m.id in asking else m for m in self.open.values()]

    def dues(self) -> list[c.Due]:
        """When it next wants each lane."""
        deciding = self.seen if self._asking else self._lines.deciding(self.state)
        if not deciding or (self._flying and all(message.line == FIFO_LINE for message in deciding)):
            return []  # The attempt in flight says it when it is over.
        return c.dues(self.state, deciding, self._policy_of)

    @property
    def is_busy(self) -> bool:
        """Whether somebody has its turn, or an attempt of it is in flight: then it stays awake."""
        return self.turn.is_taken or bool(self._flying) or bool(self._asking)

    # -- an attempt

    async def begin(self, lane: str, *, can_ask: bool = False) -> Attempt | Inquiry | None:
        """Records the intent to send what is due on `lane`. None where nothing is (any more).

        `can_ask`: the lane's provider can be asked what became of an attempt, and is before a doubt ends in vain.
        """
        async with self.turn:
            while True:
                await self._recall()
                message, now_us = self._due_on(lane)
                if message is None:
                    return None
                if can_ask and message.doubt_us is not None and message.doubt_us <= now_us:
                    self._asking = (self._asking or set()) | {message.id}
                    return Inquiry(message=message)
                attempt = await self._step(message, now_us)
                if attempt is not None:
                    return attempt

    async def _step(self, message: Message, now_us: int) -> Attempt | None:
        """Records what a due message comes to now; answers its attempt if it comes to one."""
        number, is_started = message.attempt + 1, False
        self._flying |= {message.id}
        try:
            await self._record_or_recall(message, self._next_step(message, now_us), now_us)
            fresh = self.open.get(message.id, message)
            is_started = fresh.in_flight == number
        finally:
            if not is_started:
                self._landed(message.id)
        if is_started and fresh.line == LOOSE_LINE:
            await self._look_ahead()  # Others of it may start beside this one.
        return Attempt(message=fresh, number=number) if is_started else None

    async def _record_or_recall(self, message: Message, events: tuple[e.Event, ...], now_us: int) -> None:
        before, terms = self.state, self._world.terms_of(message)
        try:
            await self._record(message, events, at_us=now_us)
        except (AppendUnknown, StreamConflict):
            await self._recall()
        else:
            if terms.shadow is not None:
                chance = self._chance_of(message)
                self._world.shadows.began(before, message, events, terms=terms, now_us=now_us, chance=chance)

    async def conclude(self, attempt: Attempt, flight: conclusions.Flight) -> None:
        """Records what an attempt came to, and everything that follows from it."""
        async with self.turn:
            await self._recall()
            message = self.open.get(attempt.message.id)
            # Where an earlier call of unknown result had landed, the log already tells how it ended.
            if message is not None and message.in_flight == attempt.number:
                await self._conclude(message, flight)
            self._landed(attempt.message.id)

    def _landed(self, stream: int) -> None:
        self._flying = self._flying - {stream} or _NONE

    async def abort(self, attempt: Attempt, reason: e.AbortReason) -> None:
        """Records that a started attempt sent nothing."""
        async with self.turn:
            await self._recall()
            message = self.open.get(attempt.message.id)
            if message is not None and message.in_flight == attempt.number:
                now_us = self._world.clock.now_us()
                await self._record(message, conclusions.abort(message, now_us, reason), at_us=now_us)
            self._landed(attempt.message.id)

    async def answered(self, inquiry: Inquiry, taken: Taken | None) -> None:
        """Records what a provider said about an attempt of unknown fate; None: nothing shows that it was taken."""
        async with self.turn:
            message, now_us = await self._recalled(inquiry.message.id)
            if message.doubt_us is None or message.attempt != inquiry.message.attempt:
                return
            events = self._tidied(message, now_us) if taken is None else receipts.found(message, taken)
            await self._record(message, events, at_us=now_us)

    def stopped_asking(self, inquiry: Inquiry) -> None:
        """Its provider is not being asked any more: a doubt that still stands has its turn again."""
        self._asking = (self._asking or set()) - {inquiry.message.id} or None

    async def _conclude(self, message: Message, flight: conclusions.Flight) -> None:
        now_us, terms, before = self._world.clock.now_us(), self._world.terms_of(message), self.state
        chance = self._world.chance.draw("jitter", message.id, message.in_flight)
        decision = conclusions.conclude(
            before,
            message,
            flight,
            terms.policy,
            now_us=now_us,
            chance=chance,
            is_up=self._world.is_up,
            has_receipts=terms.has_receipts,
        )
        await self._record(message, decision.message, decision.conversation, at_us=now_us)
        if terms.shadow is not None:
            told = self._world.shadows.concluded
            told(before, message, flight, decision, terms=terms, now_us=now_us, chance=chance)

    def _due_on(self, lane: str) -> tuple[Message | None, int]:
        now_us = self._world.clock.now_us()
        due = next((due for due in self.dues() if due.lane == lane and due.due_us <= now_us), None)
        return (self.open[due.message] if due is not None else None), now_us

    def _next_step(self, message: Message, now_us: int) -> tuple[e.Event, ...]:
        """What a due message comes to now: its end where time alone has decided, else the attempt (or a deferral)."""
        begins = starts.begin
        return self._tidied(message, now_us) or (begins(self.state, message, self._world.terms_of(message), now_us),)

    def _tidied(self, message: Message, now_us: int) -> tuple[e.Event, ...]:
        """What time alone has decided."""
        chance = self._chance_of(message)
        return starts.tidy(message, self._policy_of(message), now_us, chance=chance, is_up=self._world.is_up)

    def _chance_of(self, message: Message) -> float:
        """What spreads the wait that follows a vain doubt."""
        return 0.5 if message.doubt_us is None else self._world.chance.draw("doubt", message.id, message.attempt)

    # -- mail

    def is_spoken_for(self, message: Message) -> bool:
        """Whether a message changes nothing of when each lane is wanted: it stands behind another in its line."""
        # The one that is open for longest mostly stands before it. Only where it does not, all are looked at.
        longest = islice(self._lines.open.values(), 1)
        if c.is_spoken_for(message, longest):
            return True
        return c.is_spoken_for(message, self._lines.deciding(self.state))

    def arrived(self, message: Message) -> bool:
        """A message was durably accepted while this conversation was awake. Answers whether `dues` knows of it now."""
        if self.is_lost and not self.turn.is_taken:
            return False  # Its next turn reads the log, which holds the message.
        return self._lines.arrived(message, is_lost=self.is_lost)

    async def change(self, stream: int, decide: Decide) -> Message:
        """Records what `decide` makes of a message's state at this instant; its errors change nothing."""
        async with self.turn:
            message, now_us = await self._recalled(stream)
            return await self._mailed(message, decide(message, now_us), at_us=now_us)

    async def change_together(self, streams: Sequence[int], decide: Decide) -> list[Message]:
        """Records what `decide` makes of several messages, all in one commit; its errors change nothing."""
        async with self.turn:
            await self._recall()
            messages = [await self._lines.read(stream) for stream in streams]
            now_us = self._world.clock.now_us()
            after = await self._record_together([(one, decide(one, now_us)) for one in messages], at_us=now_us)
            await self._look_ahead()
            return after

    async def tidy(self, stream: int) -> Message:
        """Records what time alone has decided about a waiting message, for which there is no room."""
        async with self.turn:
            message, now_us = await self._recalled(stream)
            # While its provider is being asked, the answer decides: else it could be sent again though it is there.
            is_asked = self._asking is not None and stream in self._asking
            events = () if is_asked else self._tidied(message, now_us)
            return await self._mailed(message, events, at_us=now_us)

    async def receive(self, stream: int, receipt: Receipt, lanes: Collection[str]) -> Message:
        """Records what a provider told of a message in one of these lanes, and what that says of the peer."""
        async with self.turn:
            message, now_us = await self._recalled(stream)
            decision = receipts.receive(self.state, message, receipt, lanes)
            return await self._mailed(message, decision.message, decision.conversation, at_us=now_us)

    async def heard(self, news: PeerNews, names: tuple[Alias, ...] = ()) -> None:
        """Records what the peer did of its own accord, and under which names it is found from here on."""
        async with self.turn:
            await self._recall()
            now_us = self._world.clock.now_us()
            await self._record_own(peers.told_by_peer(self.state, news, now_us), at_us=now_us, names=names)

    async def reset(self) -> None:
        """Closes the circuit by a person's word."""
        async with self.turn:
            await self._recall()
            now_us = self._world.clock.now_us()
            if self.state.circuit.is_closed and self.state.paused_until_us <= now_us:
                raise Forbidden("the circuit of this conversation is closed already")
            await self._record_own((e.CircuitClosed(by="operator"),), at_us=now_us)

    async def restore(self) -> bool:
        """Ends a suppression by a person's word; answers whether there was one."""
        async with self.turn:
            await self._recall()
            if self.state.suppressed is None:
                return False
            now_us = self._world.clock.now_us()
            await self._record_own((e.PeerRestored(by="operator"),), at_us=now_us)
            return True

    async def settle(self, stream: int) -> int:
        """Resolves an attempt that nobody answers for. Answers since when the message is as it is then."""
        async with self.turn:
            await self._recall()
            message = await self._lines.read(stream)
            if message.in_flight and stream not in self._flying:
                await self._interrupted(message)
            return (await self._lines.read(stream)).changed_us

    async def hold(self, act: Callable[[c.Conversation], Awaitable[None]]) -> None:
        """Does something on its present state, in its turn: until that is over nothing more is recorded of it."""
        async with self.turn:
            await self._recall()
            await act(self.state)

    async def look(self) -> c.Conversation:
        """Its state, read from the log where it was not awake."""
        async with self.turn:
            await self._recall()
            return self.state

    async def _mailed(
        self, message: Message, events: tuple[e.Event, ...], own: tuple[e.Event, ...] = (), *, at_us: int
    ) -> Message:
        """What mail comes to; what is due next may be another message in another lane."""
        after = await self._record(message, events, own, at_us=at_us)
        await self._look_ahead()
        return after

    # -- what it remembers

    def _policy_of(self, message: Message) -> Policy:
        return self._world.terms_of(message).policy

    async def _recalled(self, stream: int) -> tuple[Message, int]:
        """A message's present state, and the present instant."""
        await self._recall()
        return await self._lines.read(stream), self._world.clock.now_us()

    async def _recall(self) -> None:
        """Reads the log where memory is gone or in doubt; attempts that nobody answers for become ambiguous."""
        if not self.is_lost:
            if not self._lines.is_ready:
                await self._lines.refill()
            return
        self.state = replayed(await self._lines.wake(), self.state)
        await self._lines.refill()
        # One may lie beyond the kept part of its line, but its outcome is on its way.
        await self._lines.recover(self._flying - self.open.keys())
        self.is_lost = False
        for message in list(self.open.values()):
            is_adrift = message.in_flight and message.id not in self._flying
            if is_adrift and not self._world.may_be_under_way(message):
                await self._interrupted(message)

    async def _interrupted(self, message: Message) -> None:
        """The process that started this attempt is gone: what became of it is unknown, unless it may be repeated."""
        now_us = self._world.clock.now_us()
        is_repeatable = self._world.terms_of(message).is_repeatable
        flight = conclusions.interrupted(message, now_us, is_repeatable=is_repeatable)
        await self._conclude(message, flight)
