"""What an awake conversation knows of itself, and the one way in which that becomes more: recorded, then folded.

This file answers for one append for a message and its conversation, and for nothing being known that is not durable. It
must never decide what is recorded, nor whose turn it is.
"""

from collections.abc import Sequence
from contextlib import suppress

import anyio

from actors.certainty import certain_or
from actors.lines import Lines
from actors.snapshots import keep_snapshot, wants_snapshot
from actors.surroundings import Surroundings
from core import conversation as c
from core import events as e
from core.errors import AppendUnknown, TidingsError
from core.ids import shard_of
from core.message import WAITING, Message, evolve, head_of
from core.records import Alias, Append, Draft, HeadChange


class Recording:
    """The memory of one conversation: its state, the beginning of its lines, and whether the log may hold more."""

    __slots__ = ("_lines", "_world", "is_lost", "shard", "state")

    def __init__(self, conversation: int, tenant: str, world: Surroundings, *, is_new: bool) -> None:
        self._world = world
        self.state = c.Conversation(id=conversation, tenant=tenant)
        self.shard = shard_of(tenant, conversation)
        self._lines = Lines(conversation, world.log, window_max=world.window_max, is_new=is_new)
        self.is_lost = not is_new

    async def _record(
        self, message: Message, events: tuple[e.Event, ...], own: tuple[e.Event, ...] = (), *, at_us: int
    ) -> Message:
        """One append for a message and the conversation; folded only once it is durable."""
        after, drafts = message, list[Draft]()
        for event in events:
            after = evolve(after, event, at_us)
            drafts.append(Draft(stream=after.id, version=after.version, event=event))
        names: tuple[Alias, ...] = ()
        heads: list[HeadChange] = []
        if drafts:
            was_lane = None if after.lane == message.lane else message.lane
            heads.append(HeadChange(head=head_of(after, self.shard), was=message.status, was_lane=was_lane))
            if after.provider_id != message.provider_id:
                names = self._world.names_of(after)
        notices = drafts and (names or _concerns_others(after))
        try:
            await self._commit(drafts, heads, own, at_us=at_us, names=names)
        except (AppendUnknown, anyio.get_cancelled_exc_class()):
            self._world.unsure(after)
            if notices:
                self._world.noticed(after)
            raise
        if notices:
            self._world.noticed(after)
        self._lines.keep(after)
        if own and wants_snapshot(self.state, len(own)):
            await keep_snapshot(self._world.log, self.state)
        return after

    async def _record_together(
        self, changes: Sequence[tuple[Message, tuple[e.Event, ...]]], *, at_us: int
    ) -> list[Message]:
        """One append for several messages, none of which gets another lane or a provider's id with it."""
        drafts, heads, told = list[Draft](), list[HeadChange](), list[Message]()
        for message, events in changes:
            after = message
            for event in events:
                after = evolve(after, event, at_us)
                drafts.append(Draft(stream=after.id, version=after.version, event=event))
            if events:
                heads.append(HeadChange(head=head_of(after, self.shard), was=message.status))
            told.append(after)
        changed = [after for after, (_, events) in zip(told, changes, strict=True) if events]
        try:
            await self._commit(drafts, heads, (), at_us=at_us)
        except (AppendUnknown, anyio.get_cancelled_exc_class()):
            for after in changed:
                self._world.unsure(after)
                self._notice(after)
            raise
        for after in changed:
            self._notice(after)
            self._lines.keep(after)
        return told

    def _notice(self, after: Message) -> None:
        if _concerns_others(after):
            self._world.noticed(after)

    async def _record_own(self, own: tuple[e.Event, ...], *, at_us: int, names: tuple[Alias, ...] = ()) -> None:
        """One append for the conversation alone."""
        await self._commit([], [], own, at_us=at_us, names=names)
        if wants_snapshot(self.state, len(own)):
            await keep_snapshot(self._world.log, self.state)

    async def _commit(
        self,
        drafts: list[Draft],
        heads: list[HeadChange],
        own: tuple[e.Event, ...],
        *,
        at_us: int,
        names: tuple[Alias, ...] = (),
    ) -> None:
        state = self.state
        for event in own:
            state = c.evolve(state, event, at_us)
            drafts.append(Draft(stream=state.id, version=state.version, event=event))
        if own:
            heads.append(HeadChange(head=c.head_of(state, self.shard), was=c.status_of(self.state)))
        if drafts:
            append = Append(
                shard=self.shard,
                tenant=state.tenant,
                at_us=at_us,
                drafts=tuple(drafts),
                heads=tuple(heads),
                aliases=names,
            )
            with certain_or(self._forget):
                await self._world.log.append(append)
            self.state = state

    def _forget(self) -> None:
        self.is_lost = True

    async def _look_ahead(self) -> None:
        """What memory ran out of is read now, so that what is wanted next is known.

        What was recorded stands, whatever reading comes to: the next turn will say so again.
        """
        with suppress(TidingsError):
            await self._lines.refill()


def _concerns_others(message: Message) -> bool:
    """Whether something may follow from a message's new state that its conversation does not see to.

    Of what stays as it was nobody has to hear: whoever only looked, or was refused, would look again for ever.
    """
    if message.status in WAITING and (message.lanes or message.ends_us is not None):
        return True
    return message.fans_out or message.owes
