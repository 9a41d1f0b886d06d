"""What people ask of messages, conversations and lanes that exist: mail to the one actor that may answer.

This file answers for finding the right actor and for refusing what a tenant may not see. Every change is decided by the
actor in its turn, recorded, and only then answered. `tenant` None stands for all tenants.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final

from actors.conversation import ConversationActor
from actors.governor import Governor
from actors.lane import LaneActor
from actors.roster import Roster
from actors.scheduler import Scheduler
from actors.standing import lane_state
from actors.surroundings import Decide
from core import events as e
from core.conversation import Conversation
from core.errors import AppendUnknown, Forbidden, NotFound, StreamConflict
from core.message import OPEN, Message, fold
from core.news import LaneNews, PeerNews, Receipt
from core.policies import SECOND_US
from core.ports import Clock, Log
from core.records import Alias, Head, MessageFilter
from core.views import ConversationState, LaneState

# Messages of one reference that one call cancels or moves: the caller repeats until none are left.
REFERENCE_MAX: Final = 10_000
# When a message is looked at again that waits in the inbox, as long as taking it in may last.
_TAKEN_IN_US: Final = (SECOND_US // 20, SECOND_US // 4, SECOND_US)
# Open messages of one conversation that are counted for people.
_COUNTED_MAX: Final = 10_000


class Errands:
    """The desk of the people who operate Tidings."""

    def __init__(
        self,
        *,
        log: Log,
        clock: Clock,
        roster: Roster,
        scheduler: Scheduler,
        governor: Governor,
        lane_actors: Mapping[str, LaneActor],
    ) -> None:
        self._log = log
        self._governor = governor
        self._clock = clock
        self._roster = roster
        self._scheduler = scheduler
        self.lane_actors = lane_actors

    # -- messages

    async def message(self, tenant: str | None, stream: int) -> Message:
        """A message's present state, folded from the log."""
        return await message_in(self._log, tenant, stream)

    async def cancel(self, tenant: str | None, stream: int, *, reason: str = "requested") -> Message:
        """Ends an open message undelivered; one in flight is cancelled unless that attempt is taken."""

        def decide(message: Message, _now_us: int) -> tuple[e.Event, ...]:
            if message.status not in OPEN:
                raise Forbidden(f"a message that is {message.status} cannot be cancelled, only an open one")
            return _cancelled(message, reason)

        return await self._change(await self._head(tenant, stream), decide)

    async def cancel_together(self, heads: Sequence[Head], *, reason: str) -> list[Message]:
        """The same of several of one conversation, in one commit; those that ended meanwhile stay as they are.

        One of which nothing can be recorded now keeps all the others from it.
        """

        def decide(message: Message, _now_us: int) -> tuple[e.Event, ...]:
            return _cancelled(message, reason) if message.status in OPEN else ()

        actor = self._roster.wake(heads[0].conversation, heads[0].tenant)
        try:
            messages = await actor.change_together([head.stream for head in heads], decide)
        except AppendUnknown:
            for head in heads:
                self._scheduler.look_into(head)
            raise
        self._scheduler.remind(actor)
        return messages

    async def redrive(self, tenant: str | None, stream: int, *, due_us: int = 0, job: int = 0) -> Message:
        """Puts a dead letter back on the agenda, due at `due_us` or now."""

        def decide(message: Message, now_us: int) -> tuple[e.Event, ...]:
            why_not = redrive_refused(message)
            if why_not is not None:
                raise Forbidden(why_not)
            return (e.MessageRedriven(due_us=max(now_us, due_us), job=job),)

        head = await self._head(tenant, stream)
        if head.status == "dead" and await self._log.sealed_of(stream) is None:
            raise Forbidden("the message's content was erased: nothing is left that could be sent")
        return await self._change(head, decide)

    async def reschedule(self, tenant: str | None, stream: int, send_at_us: int) -> Message:
        """Moves a message that has not been tried yet."""

        def decide(message: Message, now_us: int) -> tuple[e.Event, ...]:
            if message.status not in {"queued", "scheduled"} or message.attempt:
                raise Forbidden(f"a message that is {message.status} cannot be moved, only one not tried yet")
            if message.expires_us is not None and message.expires_us <= send_at_us:
                raise Forbidden("the message would expire before it is due")
            return (e.MessageRescheduled(due_us=max(now_us, send_at_us)),)

        return await self._change(await self._head(tenant, stream), decide)

    async def change(self, tenant: str | None, stream: int, decide: Decide) -> Message:
        """Has a message's own actor record what `decide` makes of it."""
        return await self._change(await self._head(tenant, stream), decide)

    async def tidy(self, stream: int) -> Message:
        """Has a message's own actor record what time alone has decided about it."""
        return await self._mailed(await self._head(None, stream), lambda actor: actor.tidy(stream))

    async def receive(self, stream: int, receipt: Receipt, lanes: Collection[str]) -> Message:
        """Has a message's own actor record what its provider told of it in one of these lanes."""
        return await self._mailed(await self._head(None, stream), lambda actor: actor.receive(stream, receipt, lanes))

    async def heard(self, tenant: str, conversation: int, news: PeerNews, *, name: Alias | None = None) -> None:
        """Has a conversation record what its peer did of its own accord, and the name under which it is found."""
        actor = self._roster.wake(conversation, tenant)
        await self._told(actor, actor.heard(news, () if name is None else (name,)))

    async def of_reference(self, tenant: str, reference: bytes) -> list[int]:
        """Open messages of a reference (its keyed hash), oldest first, at most REFERENCE_MAX."""
        wanted = MessageFilter(tenant=tenant, reference=reference, status=tuple(sorted(OPEN)))
        heads = await self._log.heads(wanted, limit=REFERENCE_MAX, oldest_first=True)
        return [head.stream for head in heads]

    # -- conversations

    async def conversation(self, tenant: str | None, conversation: int) -> ConversationState:
        """A conversation's present state."""
        owner, channel = await self._peer_of(tenant, conversation)
        state = await self._roster.wake(conversation, owner).look()
        wanted = MessageFilter(conversation=conversation, status=tuple(sorted(OPEN)))
        heads = await self._log.heads(wanted, limit=_COUNTED_MAX)
        return self._shown(state, channel, heads)

    async def reset(self, tenant: str | None, conversation: int) -> None:
        """Closes a conversation's circuit, or ends its pause."""
        owner, _ = await self._peer_of(tenant, conversation)
        actor = self._roster.wake(conversation, owner)
        await self._told(actor, actor.reset())

    async def release(self, tenant: str | None, conversation: int) -> int:
        """Lets held messages of a conversation go on, and ends its suppression; answers how many messages."""
        owner, _ = await self._peer_of(tenant, conversation)
        actor = self._roster.wake(conversation, owner)
        await self._told(actor, actor.restore())
        wanted = MessageFilter(conversation=conversation, status=("held",))
        heads = await self._log.heads(wanted, limit=_COUNTED_MAX, oldest_first=True)
        for head in heads:
            # Each goes on the agenda by itself: where the store fails halfway, those before it are durable and due.
            await self._change(head, _release)
        return len(heads)

    def _shown(self, state: Conversation, channel: str | None, heads: list[Head]) -> ConversationState:
        now_us = self._clock.now_us()
        until_us = state.circuit.open_until_us
        dues = [head.due_us for head in heads if head.due_us is not None]
        return ConversationState(
            id=state.id,
            tenant=state.tenant,
            channel=channel,
            circuit="closed" if until_us is None else "open" if until_us > now_us else "half_open",
            until_us=until_us,
            streak=state.circuit.streak,
            paused_until_us=state.paused_until_us if state.paused_until_us > now_us else None,
            attempts=sum(head.attempts for head in heads),
            next_due_us=max(min(dues), state.blocked_until_us) if dues else None,
            open=dict(Counter(head.status for head in heads)),
            suppressed=state.suppressed,
            suppressed_by=state.suppressed_by,
            strikes=state.strikes,
            window_until_us=state.window_until_us,
            refusals=state.refusals,
        )

    # -- lanes

    async def pause(self, lane: str) -> None:
        """Starts nothing more on a lane until it is resumed; what is in flight goes on."""
        await self._lane(lane).pause()

    async def resume(self, lane: str) -> None:
        """Lets a lane go on."""
        await self._lane(lane).resume()
        self._scheduler.ring()

    async def told(self, lane: str, news: LaneNews) -> None:
        """Has a lane heed what its provider said of its account; one that is not configured any more hears nothing."""
        actor = self.lane_actors.get(lane)
        if actor is not None:
            await actor.told(news)
            self._scheduler.ring()

    async def lanes(self, tenant: str | None = None) -> list[LaneState]:
        """Every configured lane's present state; what waits and is out is that of the tenant, or of all (None)."""
        tallies = await self._log.tallies(tenant)
        groups = [one for one in await self._log.agenda_groups() if tenant is None or one.tenant == tenant]
        now_us = self._clock.now_us()
        return [
            lane_state(actor, self._governor.lane(name), tallies, groups, now_us=now_us, is_whole=tenant is None)
            for name, actor in self.lane_actors.items()
            if actor.is_served
        ]

    @property
    def paused_lanes(self) -> set[str]:
        """Lanes that let nothing out until they are resumed."""
        return {name for name, actor in self.lane_actors.items() if actor.paused_by is not None}

    @property
    def lane_names(self) -> Collection[str]:
        """Every lane that is there or was there once."""
        return self.lane_actors.keys()

    def _lane(self, name: str) -> LaneActor:
        actor = self.lane_actors.get(name)
        if actor is None:
            raise NotFound(f"no lane is called {name!r}, expected one of: {', '.join(sorted(self.lane_actors))}")
        return actor

    # -- the actor that may answer

    async def _head(self, tenant: str | None, stream: int) -> Head:
        return await head_in(self._log, tenant, stream)

    async def _peer_of(self, tenant: str | None, conversation: int) -> tuple[str, str | None]:
        """Tenant and channel of a conversation; no channel where we never wrote to its peer, or they were forgotten."""
        peer: tuple[str, str | None] | None = await self._log.peer_of(conversation)
        if peer is None:
            head = await self._log.head_of(conversation)
            # Any stream's number may be asked for.
            if head is not None and head.kind == "conv":
                peer = head.tenant, None
        if peer is None or (tenant is not None and peer[0] != tenant):
            raise NotFound("there is no such conversation")
        return peer

    async def _told(self, actor: ConversationActor, records: Awaitable[object]) -> None:
        """Has a conversation record something of itself; what that sets free has its turn, though nobody can tell."""
        try:
            await records
        except AppendUnknown:
            for message in actor.open.values():
                self._scheduler.look_into(message)
            raise
        self._scheduler.remind(actor)

    async def _change(self, head: Head, decide: Decide) -> Message:
        return await self._mailed(head, lambda actor: actor.change(head.stream, decide))

    async def _mailed(self, head: Head, mail: Callable[[ConversationActor], Awaitable[Message]]) -> Message:
        waits_us = iter(_TAKEN_IN_US if self._log.inbox is not None else ())
        while True:
            actor = self._roster.wake(head.conversation, head.tenant)
            try:
                message = await mail(actor)
            except StreamConflict:
                # Another daemon took the message in a moment ago, and it has no event yet that another could follow.
                wait_us = next(waits_us, None)
                if wait_us is None:
                    raise
                await self._clock.sleep_until(self._clock.now_us() + wait_us)
            except AppendUnknown:
                self._scheduler.look_into(head)
                raise
            else:
                self._scheduler.remind(actor)
                return message


async def message_in(log: Log, tenant: str | None, stream: int) -> Message:
    """A message's present state, folded from its events. Raises NotFound where this tenant has none."""
    await head_in(log, tenant, stream)
    return fold(await log.events_of(stream))


async def head_in(log: Log, tenant: str | None, stream: int) -> Head:
    """The head of a message. Raises NotFound where this tenant has none."""
    head = await log.head_of(stream)
    if head is None or head.kind != "msg" or (tenant is not None and head.tenant != tenant):
        raise NotFound("there is no such message")
    return head


def redrive_refused(message: Message) -> str | None:
    """Why a person may not have it tried again, None where they may."""
    if message.status != "dead":
        return f"a message that is {message.status} cannot be redriven, only a dead one"
    if message.fallback or message.owes_fallback:
        return "the message has a fallback on another channel, which takes its place"
    if any(told.status != "failed" for told in message.receipts):
        return "the message's provider says that it has it: sent again, it would arrive twice"
    return None


def _cancelled(message: Message, reason: str) -> tuple[e.Event, ...]:
    """What cancelling an open message comes to; nothing where that was asked for before."""
    if message.cancel is not None:
        return ()
    if message.in_flight:
        return (e.CancelRequested(reason=reason),)
    cancelled = e.MessageCancelled(reason=reason)
    if message.doubt_us is None:
        return (cancelled,)
    # Its last attempt may have arrived all the same; nobody waits for evidence any more.
    return e.AmbiguityResolved(attempt=message.attempt, resolution="fail", evidence="operator"), cancelled


def _release(message: Message, now_us: int) -> tuple[e.Event, ...]:
    if message.status != "held":
        return ()
    return (e.MessageReleased(due_us=now_us),)
