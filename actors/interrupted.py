"""Attempts that a former process left open: what became of them is unknown, once they can be under way no more.

This file answers for none of them being resolved while whoever began it may still send, and for all of them being
resolved at the first instant at which nobody can. It must never hold up anything else meanwhile: only their own
conversations wait for them, and their places in limits stay taken.
"""

import heapq
from collections.abc import Sequence
from typing import Final

from actors.governor import Permit
from actors.roster import Roster
from actors.scheduler import Scheduler
from actors.sender import LOG_TROUBLE, NONSENSE
from core.message import Message, fold
from core.policies import MINUTE_US, SECOND_US
from core.ports import Clock, Log, Witness
from core.records import Head, MessageFilter

# As many as former processes had in flight, and of how many messages one question asks.
_INTERRUPTED_MAX: Final = 1_000_000
_AT_ONCE: Final = 256
_AGAIN_US: Final = SECOND_US
# How far the clocks of two machines may lie apart: far more than those that are kept in time ever do.
_APART_US: Final = MINUTE_US

# When it is surely over, stream, head, and the place that it takes in limits (None where its lane is gone).
_Open = tuple[int, int, Head, Permit | None]


class Interrupted:
    """Who resolves them. Made before anybody asks whether an attempt may be under way."""

    def __init__(self, *, log: Log, clock: Clock, witness: Witness, former_start_us: int) -> None:
        """`former_start_us` is when the process before this one began."""
        self._log = log
        self._clock = clock
        self._witness = witness
        # What began before is of a process whose end nobody has seen. Where the former one stopped in order, that is
        # what it had found open itself: it may have gone before that was over.
        self._began_us = clock.now_us()
        shared_us = former_start_us if log.inbox is not None else 0
        self._unseen_us = shared_us if log.is_exclusive else clock.now_us()
        # Looked at in the order in which they are over; as many as were in flight.
        self._open: list[_Open] = []

    def may_be_under_way(self, message: Message) -> bool:
        """Whether an attempt that nobody here answers for may still send."""
        return message.started_us <= self._unseen_us and self._over_us(message) > self._clock.now_us()

    def _over_us(self, message: Message) -> int:
        """When an attempt is surely over. Its deadline is by the clock of whoever began it, and ours may be ahead.

        From when we began it has no longer than it ever had; nor is it there once its deadline is over by more than
        clocks may differ.
        """
        whole_us = message.deadline_us - message.started_us
        return max(message.deadline_us, min(self._began_us + whole_us, message.deadline_us + _APART_US))

    async def resolve(self, roster: Roster, scheduler: Scheduler) -> int:
        """Has each attempt that is surely over called ambiguous by its conversation, and keeps the others in mind.

        Answers how many there are.
        """
        heads = await self._log.heads(MessageFilter(status=("sending",)), limit=_INTERRUPTED_MAX)
        heads.reverse()
        # Where nothing can be under way nothing need be read for it: each conversation reads what it resolves.
        for start in range(0, len(heads), _AT_ONCE):
            few = heads[start : start + _AT_ONCE]
            known = await self._read(few) if self._unseen_us else {}
            for head in few:
                message = known.get(head.stream)
                if message is not None and self.may_be_under_way(message):
                    heapq.heappush(self._open, (self._over_us(message), head.stream, head, scheduler.taken(head)))
                    continue
                try:
                    await roster.wake(head.conversation, head.tenant).settle(head.stream)
                except NONSENSE as error:
                    self._park(head, error)
        return len(heads)

    async def _read(self, heads: Sequence[Head]) -> dict[int, Message]:
        """These messages; where one of them cannot be read its conversation says so, and those beside it are there."""
        try:
            recorded = await self._log.events_of_many([head.stream for head in heads])
            return {stream: fold(events) for stream, events in recorded.items()}
        except NONSENSE:
            if len(heads) == 1:
                return {}
        middle = len(heads) // 2
        return {**await self._read(heads[:middle]), **await self._read(heads[middle:])}

    async def run(self, roster: Roster, scheduler: Scheduler) -> None:
        """Resolves the others when their time has come; ends with the last of them."""
        while self._open:
            over_us, stream, head, permit = self._open[0]
            await self._clock.sleep_until(over_us)
            actor = roster.wake(head.conversation, head.tenant)
            is_parked, sent_us = False, None
            try:
                # It may have sent until then, and no later.
                sent_us = await actor.settle(stream)
            except NONSENSE as error:
                self._park(head, error)
                is_parked = True
            except LOG_TROUBLE as error:
                self._witness.note("interrupted_refused", message=stream, error=type(error).__name__)
                await self._clock.sleep_until(self._clock.now_us() + _AGAIN_US)
                continue
            heapq.heappop(self._open)
            scheduler.over(permit, sent_us)
            if not is_parked:
                scheduler.remind(actor)

    def _park(self, head: Head, error: Exception) -> None:
        self._witness.note("conversation_parked", conversation=head.conversation, error=str(error))
