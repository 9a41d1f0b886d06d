"""A conversation's actor: the only writer of its messages' streams after acceptance, and of its own.

This file answers for the turn: one command at a time decides, records and only then folds. It holds a bounded part of
the conversation's open messages; the rest is in the log. It must never carry on after an append of unknown result: it
forgets what it knew and reads the log again.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from actors.certainty import certain_or
from actors.pages import Page
from actors.turn import Turn
from core import conversation as c
from core import events as e
from core.errors import AppendUnknown, Forbidden, Refused, StreamConflict, TidingsError
from core.ids import shard_of
from core.message import Message, evolve, fold, head_of
from core.outcomes import Ambiguous
from core.policies import Policy
from core.ports import Chance, Clock, Log
from core.records import FIFO_LINE, LOOSE_LINE, Append, Draft, HeadChange, LinePage, Snapshot, Woken

# Events of its own stream after which a conversation keeps a snapshot. Most have a handful in all.
SNAPSHOT_EVERY: Final = 256

_LINES: Final = (FIFO_LINE, LOOSE_LINE)


Decide = Callable[[Message, int], tuple[e.Event, ...]]
"""What a person's wish comes to: (message, now) give events, or Forbidden where its state does not allow it."""


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What every conversation shares. `terms_of` gives policy, version and time zone for a message."""

    log: Log
    clock: Clock
    chance: Chance
    terms_of: Callable[[Message], c.Terms]
    window_max: int
    mail_max: int


class Attempt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An attempt whose intent is durable: it may be sent now."""

    message: Message
    number: int


class ConversationActor:
    """One awake conversation. Every method that changes something waits for its turn."""

    __slots__ = (
        "_flying",
        "_is_reading",
        "_late",
        "_pages",
        "_world",
        "is_lost",
        "open",
        "shard",
        "state",
        "turn",
        "used_us",
    )

    def __init__(self, conversation: int, tenant: str, world: Surroundings, *, is_new: bool = False) -> None:
        """`is_new`: nothing was ever recorded of it, so there is nothing to read."""
        self._world = world
        self.state = c.Conversation(id=conversation, tenant=tenant)
        self.shard = shard_of(tenant, conversation)
        self.open: dict[int, Message] = {}
        self._pages = {line: Page(beyond=not is_new) for line in _LINES}
        # Messages whose running attempt somebody in this process answers for.
        self._flying: set[int] = set()
        # Messages that arrived while the log was being read: the page may have missed them.
        self._late: tuple[Message, ...] = ()
        self._is_reading = False
        self.turn = Turn(world.mail_max)
        self.is_lost = not is_new
        self.used_us = 0

    # -- what it wants

    def dues(self) -> list[c.Due]:
        """When it next wants each lane."""
        if self._flying and all(message.line == FIFO_LINE for message in self.open.values()):
            return []  # The attempt in flight says it when it is over.
        return c.dues(self.state, self.open.values(), self._policy_of)

    @property
    def is_busy(self) -> bool:
        """Whether somebody has its turn, or an attempt of it is in flight: then it stays awake."""
        return self.turn.is_taken or bool(self._flying)

    # -- an attempt

    async def begin(self, lane: str) -> Attempt | None:
        """Records the intent to send what is due on `lane`. None where nothing is (any more)."""
        async with self.turn:
            while True:
                await self._recall()
                message, now_us = self._due_on(lane)
                if message is None:
                    return None
                attempt = await self._step(message, now_us)
                if attempt is not None:
                    await self._look_ahead(attempt.message.line)
                    return attempt

    async def _step(self, message: Message, now_us: int) -> Attempt | None:
        """Records what a due message comes to now; answers its attempt if it comes to one."""
        number, is_started = message.attempt + 1, False
        self._flying.add(message.id)
        try:
            await self._record_or_recall(message, self._next_step(message, now_us), now_us)
            fresh = self.open.get(message.id, message)
            is_started = fresh.in_flight == number
        finally:
            if not is_started:
                self._flying.discard(message.id)
        return Attempt(message=fresh, number=number) if is_started else None

    async def _record_or_recall(self, message: Message, event: e.Event, now_us: int) -> None:
        try:
            await self._record(message, (event,), at_us=now_us)
        except (AppendUnknown, StreamConflict):
            await self._recall()

    async def conclude(self, attempt: Attempt, flight: c.Flight) -> None:
        """Records what an attempt came to, and everything that follows from it."""
        async with self.turn:
            await self._recall()
            message = self.open.get(attempt.message.id)
            # Where an earlier call of unknown result had landed, the log already tells how it ended.
            if message is not None and message.in_flight == attempt.number:
                await self._conclude(message, flight)
            self._flying.discard(attempt.message.id)

    async def abort(self, attempt: Attempt) -> None:
        """Records that a started attempt sent nothing."""
        async with self.turn:
            await self._recall()
            message = self.open.get(attempt.message.id)
            if message is not None and message.in_flight == attempt.number:
                now_us = self._world.clock.now_us()
                await self._record(message, c.abort(message, now_us), at_us=now_us)
            self._flying.discard(attempt.message.id)

    async def _conclude(self, message: Message, flight: c.Flight) -> None:
        now_us = self._world.clock.now_us()
        policy = self._policy_of(message)
        chance = self._world.chance.draw("jitter", message.id, message.in_flight)
        decision = c.conclude(self.state, message, flight, policy, now_us=now_us, chance=chance)
        await self._record(message, decision.message, decision.conversation, at_us=now_us)

    def _due_on(self, lane: str) -> tuple[Message | None, int]:
        now_us = self._world.clock.now_us()
        due = next((due for due in self.dues() if due.lane == lane and due.due_us <= now_us), None)
        return (self.open[due.message] if due is not None else None), now_us

    def _next_step(self, message: Message, now_us: int) -> e.Event:
        """What a due message comes to now: its end where time alone has decided, else the attempt (or a deferral)."""
        terms = self._world.terms_of(message)
        return c.tidy(message, terms.policy, now_us) or c.begin(self.state, message, terms, now_us)

    # -- mail

    def arrived(self, message: Message) -> bool:
        """A message was durably accepted while this conversation was awake. Answers whether `dues` knows of it now."""
        if self.is_lost and not self.turn.is_taken:
            return False  # Its next turn reads the log, which holds the message.
        if self.is_lost or self._is_reading:
            self._late += (message,)
            return False
        if message.id not in self.open:  # A page may have brought it already, and more may have happened to it since.
            self._keep(message)
        return True

    async def change(self, stream: int, decide: Decide) -> Message:
        """Records what `decide` makes of a message's state at this instant; its errors change nothing."""
        async with self.turn:
            await self._recall()
            message = self.open.get(stream) or await self._read(stream)
            now_us = self._world.clock.now_us()
            return await self._record(message, decide(message, now_us), at_us=now_us)

    async def reset(self) -> None:
        """Closes the circuit by a person's word."""
        async with self.turn:
            await self._recall()
            now_us = self._world.clock.now_us()
            if self.state.circuit.is_closed and self.state.paused_until_us <= now_us:
                raise Forbidden("the circuit of this conversation is closed already")
            await self._commit([], [], (e.CircuitClosed(by="operator"),), now_us)

    async def settle(self, stream: int) -> None:
        """Resolves a message's attempt in doubt where nobody in this process answers for it."""
        async with self.turn:
            await self._recall()
            message = self.open.get(stream) or await self._read(stream)
            if message.in_flight and stream not in self._flying:
                await self._interrupted(message)

    async def look(self) -> c.Conversation:
        """Its state, read from the log where it was not awake."""
        async with self.turn:
            await self._recall()
            return self.state

    # -- record, then fold

    async def _record(
        self, message: Message, events: tuple[e.Event, ...], own: tuple[e.Event, ...] = (), *, at_us: int
    ) -> Message:
        """One append for a message and the conversation; folded only once it is durable."""
        after, drafts = message, []
        for event in events:
            after = evolve(after, event, at_us)
            drafts.append(Draft(stream=after.id, version=after.version, event=event))
        heads = [HeadChange(head=head_of(after, self.shard), was=message.status)] if drafts else []
        before = self.state
        await self._commit(drafts, heads, own, at_us)
        self._keep(after)
        if self.state.version // SNAPSHOT_EVERY > before.version // SNAPSHOT_EVERY:
            await self._keep_snapshot()
        return after

    async def _commit(self, drafts: list[Draft], heads: list[HeadChange], own: tuple[e.Event, ...], at_us: int) -> None:
        state = self.state
        for event in own:
            state = c.evolve(state, event, at_us)
            drafts.append(Draft(stream=state.id, version=state.version, event=event))
        if own:
            heads.append(HeadChange(head=c.head_of(state, self.shard), was=c.status_of(self.state)))
        if drafts:
            append = Append(
                shard=self.shard, tenant=state.tenant, at_us=at_us, drafts=tuple(drafts), heads=tuple(heads)
            )
            with certain_or(self._forget):
                await self._world.log.append(append)
            self.state = state

    def _forget(self) -> None:
        self.is_lost = True

    # -- what it keeps in memory

    def _policy_of(self, message: Message) -> Policy:
        return self._world.terms_of(message).policy

    def _keep(self, message: Message) -> None:
        """Takes a message's new state, within the bounds of what is kept of its line."""
        if not message.is_open or message.place is None:
            self.open.pop(message.id, None)
        elif message.in_flight or self._pages[message.line].holds(message):
            self.open[message.id] = message
            self._trim(message.line)
        else:
            self.open.pop(message.id, None)

    def _trim(self, line: int) -> None:
        most = self._world.window_max
        if len(self.open) <= 2 * most:
            return
        kept = sorted((m for m in self.open.values() if m.line == line and not m.in_flight), key=_rank)
        for message in kept[most:]:
            del self.open[message.id]
        if len(kept) > most:
            self._pages[line].ends_after(_rank(kept[most - 1]))

    async def _recall(self) -> None:
        """Reads the log where memory is gone or in doubt; attempts that nobody answers for become ambiguous."""
        if not self.is_lost:
            await self._refill()
            return
        self.open.clear()
        self._late = ()
        self._pages = {line: Page() for line in _LINES}
        await self._wake()
        await self._refill()
        for stream in self._flying - self.open.keys():
            # It may lie beyond the kept part of its line, but its outcome is on its way.
            message = await self._read(stream)
            if message.in_flight:
                self.open[stream] = message
        self.is_lost = False
        for message in list(self.open.values()):
            if message.in_flight and message.id not in self._flying:
                await self._interrupted(message)

    async def _wake(self) -> None:
        """Reads its own stream, from the newest snapshot on where it is a long one, and how its lines begin."""
        most = self._world.window_max
        self._is_reading = True
        try:
            woken = await self._world.log.woken(self.state.id, limit=most)
        finally:
            self._is_reading = False
        self.state = _replayed(woken, self.state)
        for line, read in woken.lines.items():
            self._take_in(read, self._pages[line])

    async def _keep_snapshot(self) -> None:
        """Saves a replay of what it has become; nothing rests on it, so trouble is left to the next one."""
        body = msgspec.msgpack.encode(self.state)
        snapshot = Snapshot(stream=self.state.id, version=self.state.version, body=body)
        with suppress(Refused, AppendUnknown):
            await self._world.log.save_snapshot(snapshot)

    async def _interrupted(self, message: Message) -> None:
        """The process that started this attempt is gone: its outcome is unknown, and it counts as sent just now."""
        now_us = self._world.clock.now_us()
        flight = c.Flight(outcome=Ambiguous(code="interrupted"), sent_us=now_us, took_us=now_us - message.started_us)
        await self._conclude(message, flight)

    async def _refill(self) -> None:
        """Reads the next part of a line whose kept part is used up."""
        for line in _LINES:
            while self._pages[line].beyond and not self._has_waiting(line):
                self._is_reading = True
                try:
                    await self._read_page(line, self._pages[line])
                finally:
                    self._is_reading = False
        late, self._late = self._late, ()
        for message in late:
            if message.id not in self.open:
                self._keep(message)

    async def _read_page(self, line: int, page: Page) -> None:
        most = self._world.window_max
        heads = await self._world.log.line_of(self.state.id, line, after=page.end, limit=most)
        events = await self._world.log.events_of_many([head.stream for head in heads])
        self._take_in(LinePage(heads=heads, events=events), page)

    def _take_in(self, read: LinePage, page: Page) -> None:
        page.read([(head.place or 0, head.stream) for head in read.heads], limit=self._world.window_max)
        for head in read.heads:
            if head.stream not in self.open:
                self.open[head.stream] = fold(read.events[head.stream])

    async def _look_ahead(self, line: int) -> None:
        """Others of a loose line may start beside the one that has begun, so what memory ran out of is read now."""
        if line == LOOSE_LINE:
            # The attempt has begun and must fly, whatever reading comes to: the next turn will say so again.
            with suppress(TidingsError):
                await self._refill()

    def _has_waiting(self, line: int) -> bool:
        return any(message.line == line and not message.in_flight for message in self.open.values())

    async def _read(self, stream: int) -> Message:
        return fold(await self._world.log.events_of(stream))


def _replayed(woken: Woken, known: c.Conversation) -> c.Conversation:
    if woken.snapshot is None:
        state = c.Conversation(id=known.id, tenant=known.tenant)
    else:
        state = msgspec.msgpack.decode(woken.snapshot.body, type=c.Conversation)
    for entry in woken.events:
        state = c.evolve(state, entry.event, entry.at_us)
    return state


def _rank(message: Message) -> tuple[int, int]:
    return message.place or 0, message.id
