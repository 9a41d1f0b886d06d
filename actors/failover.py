"""Failover of what waits: messages leave a lane that has let nothing out for too long, for one that does.

This file answers for nobody waiting behind a dead account where a policy or the message itself names another. What was
tried and failed moves on by itself (core/failover.py). It holds no task a message: while lanes are down, one task walks
over what is due in them, and over each message once, unless another lane comes up or goes down.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import anyio

from actors.bell import Bell
from actors.errands import Errands
from actors.lane import LaneActor
from actors.sender import LOG_TROUBLE, NONSENSE
from core import events as e
from core.errors import NotFound, TidingsError
from core.message import WAITING, Message
from core.policies import MINUTE_US, SECOND_US
from core.ports import Clock, Log, Witness
from core.records import AgendaRow

# Waiting messages of a lane that are looked at in one go, and how many of them are moved at once: they share commits.
_PAGE: Final = 500
_AT_ONCE: Final = 64
# After trouble with the log, a lane is walked over again this much later.
_AGAIN_US: Final = SECOND_US
# Larger than any id, and later than any instant.
_BEYOND: Final = (1 << 63) - 1


class _Walk:
    """How far one lane has been walked over, under the lanes that were up then, each with how often it had come up.

    By (tenant, priority): before which due instant everything was looked at, and when there is more to see.
    """

    __slots__ = ("looks_us", "seen_us", "up")

    def __init__(self, up: frozenset[tuple[str, int]]) -> None:
        self.up = up
        self.seen_us: dict[tuple[str, int], int] = {}
        self.looks_us: dict[tuple[str, int], int] = {}

    def look_from(self, group: tuple[str, int], due_us: int) -> None:
        """Something may be due in a group from an instant on, though that part of it was looked at."""
        self.seen_us[group] = min(due_us, self.seen_us.get(group, 0))
        self.looks_us[group] = min(due_us, self.looks_us.get(group, _BEYOND))


class Failover:
    """The one who moves messages from lanes that are down. `lanes` are the lanes' actors, as they come and go."""

    def __init__(
        self, *, log: Log, clock: Clock, errands: Errands, lanes: Mapping[str, LaneActor], witness: Witness
    ) -> None:
        self._log = log
        self._clock = clock
        self._errands = errands
        self._lanes = lanes
        self._witness = witness
        self._bell = Bell(clock)
        self._walks: dict[str, _Walk] = {}
        # Since when lanes that messages wait in are not there: they were not configured when we started.
        self._gone_us: dict[str, int] | None = None
        # When a lane behind its breaker is offered a message again.
        self._offers_us: dict[str, int] = {}

    # -- which lane

    def is_up(self, name: str) -> bool:
        """Whether a lane lets anything out."""
        lane = self._lanes.get(name)
        return lane is not None and lane.is_up

    def first_up(self, lanes: Sequence[str]) -> str:
        """Of the lanes of a failover the first that lets anything out; the very first where none does.

        Now and then one message goes to a lane whose breaker would let a probe out: with all of its messages gone to
        others, nothing else would show that it works again. If it fails, it goes on at once in the next one.
        """
        return next((name for name in lanes if self.is_up(name) or self._is_offered(name)), lanes[0])

    def _is_offered(self, name: str) -> bool:
        lane, now_us = self._lanes.get(name), self._clock.now_us()
        if lane is None or not lane.wants_probe(now_us) or self._offers_us.get(name, 0) > now_us:
            return False
        self._offers_us[name] = now_us + lane.policy.breaker.cooldown_us
        return True

    # -- what may make a difference

    def stirred(self) -> None:
        """A lane went down or came up."""
        self._bell.ring()

    def noticed(self, message: Message) -> None:
        """A message that may go through several lanes waits in one of them."""
        if message.status not in WAITING or message.due_us is None or len(message.lanes) < 2:
            return
        lane = self._lanes.get(message.lane)
        if lane is not None and lane.is_up:
            return
        walk = self._walks.get(message.lane)
        if walk is not None:
            walk.look_from((message.tenant, message.priority), message.due_us)
        # One that was offered to a breaker as its probe is left a moment to become it.
        if lane is None or not lane.wants_probe(self._clock.now_us()):
            self._bell.ring()

    # -- the one task

    async def run(self) -> None:
        """Moves what has waited long enough, until cancelled."""
        while True:
            try:
                wake_us = await self._leave_lanes()
            except LOG_TROUBLE as error:
                self._witness.note("failover_refused", error=type(error).__name__)
                wake_us = self._clock.now_us() + _AGAIN_US
            await self._bell.wait(wake_us)

    async def _leave_lanes(self) -> int | None:
        """Walks over every lane that is to be left; answers when there is more to do."""
        if self._gone_us is None:
            started_us = self._clock.now_us()
            waited_in = {group.lane for group in await self._log.agenda_groups()}
            self._gone_us = dict.fromkeys(sorted(waited_in - self._lanes.keys()), started_us)
        wake_us: int | None = None
        for name, leaves_us in list(self._to_leave(self._gone_us)):
            next_us = await self._walk_over(name) if leaves_us <= self._clock.now_us() else leaves_us
            wake_us = _earlier(wake_us, next_us)
        return wake_us

    def _to_leave(self, gone_us: dict[str, int]) -> Iterator[tuple[str, int]]:
        """Every lane that lets nothing out while another one might, and from when on its messages leave it."""
        for name, lane in self._lanes.items():
            gone_us.pop(name, None)
            if lane.down_since_us is None:
                self._walks.pop(name, None)
            elif self._others_up(name):
                yield name, lane.down_since_us + lane.policy.failover_after_us
        for name, since_us in gone_us.items():
            if self._others_up(name):
                yield name, since_us + MINUTE_US

    def _others_up(self, name: str) -> frozenset[tuple[str, int]]:
        """The lanes that may take over from one: those of its channel, as far as that is known."""
        left = self._lanes.get(name)
        return frozenset(
            (other, lane.rises)
            for other, lane in self._lanes.items()
            if lane.is_up and (left is None or lane.lane.channel == left.lane.channel)
        )

    # -- a walk over one lane

    async def _walk_over(self, lane: str) -> int | None:
        """Moves every message that is due and may leave; answers when the next of the others is due."""
        up, walk = self._others_up(lane), self._walks.get(lane)
        if walk is None or walk.up != up:
            walk = await self._begin_walk(lane, up)
        for group_key, looks_us in sorted(walk.looks_us.items()):
            if looks_us <= self._clock.now_us():
                await self._walk_group(lane, group_key, walk)
        return min(walk.looks_us.values(), default=None)

    async def _begin_walk(self, lane: str, up: frozenset[tuple[str, int]]) -> _Walk:
        # Known before the log is read, so that whatever is noticed meanwhile is looked at.
        walk = self._walks[lane] = _Walk(up)
        try:
            groups = await self._log.agenda_groups()
        except LOG_TROUBLE:
            del self._walks[lane]  # One that knows of no group would be over, and nobody would ever leave.
            raise
        for group in groups:
            if group.lane == lane:
                walk.look_from((group.tenant, group.priority), group.due_us)
        return walk

    async def _walk_group(self, lane: str, group: tuple[str, int], walk: _Walk) -> None:
        tenant, priority = group
        started_us, since_us = self._clock.now_us(), walk.seen_us[group]
        walk.seen_us[group], walk.looks_us[group] = started_us, _BEYOND
        after = since_us - 1, _BEYOND
        try:
            while True:
                rows = await self._log.agenda_page(lane, tenant, priority, after=after, limit=_PAGE)
                due = [row for row in rows if row.due_us <= self._clock.now_us()]
                await self._move_each(due)
                if len(due) < _PAGE:
                    break
                after = due[-1].due_us, due[-1].stream
        except LOG_TROUBLE:
            walk.look_from(group, since_us)
            raise
        later_us = rows[len(due)].due_us if len(due) < len(rows) else _BEYOND
        walk.looks_us[group] = min(later_us, walk.looks_us[group])
        if walk.looks_us[group] == _BEYOND:
            del walk.looks_us[group]

    async def _move_each(self, rows: Sequence[AgendaRow]) -> None:
        streams = [row.stream for row in rows]
        try:
            known = await self._log.events_of_many(streams)
        except NONSENSE:
            known = {}  # One of them makes no sense; each is asked by itself.
        # Those of one conversation have its turn one after another, and only so many may wait for it.
        lines: dict[int, list[int]] = {}
        for row in rows:
            if row.stream not in known or _has_ways(known[row.stream][0].event):
                lines.setdefault(row.conversation, []).append(row.stream)
        troubles: list[TidingsError] = []

        async def move(line: Sequence[int]) -> None:
            try:
                for stream in line:
                    await self._move(stream)
            except LOG_TROUBLE as trouble:
                troubles.append(trouble)

        movable = list(lines.values())
        for place in range(0, len(movable), _AT_ONCE):
            async with anyio.create_task_group() as group:
                for line in movable[place : place + _AT_ONCE]:
                    group.start_soon(move, line)
            if troubles:
                raise troubles[0]

    async def _move(self, stream: int) -> None:
        """Moves a message if it may go on elsewhere now; one in doubt once that is over."""
        try:
            message = await self._errands.change(None, stream, self._moved)
            if message.doubt_us is not None:
                await self._errands.tidy(stream)
        except NotFound:
            pass  # It was erased meanwhile.
        except NONSENSE as error:
            self._witness.note("failover_parked", message=stream, error=str(error))

    def _moved(self, message: Message, now_us: int) -> tuple[e.Event, ...]:
        if message.status not in WAITING or message.doubt_us is not None or self.is_up(message.lane):
            return ()
        if message.due_us is None or message.due_us > now_us:
            return ()
        lane = next((name for name in message.lanes if name != message.lane and self.is_up(name)), None)
        return () if lane is None else (e.LaneChanged(lane=lane, due_us=now_us, reason="down"),)


def _has_ways(accepted: e.Event) -> bool:
    """Whether a message may go on in another lane at all."""
    return isinstance(accepted, e.MessageAccepted) and len(accepted.lanes) > 1


def _earlier(one_us: int | None, other_us: int | None) -> int | None:
    if one_us is None:
        return other_us
    return one_us if other_us is None else min(one_us, other_us)
