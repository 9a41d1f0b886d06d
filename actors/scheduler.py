"""The scheduler: the agenda of every lane, and the one task that turns due work into permits.

This file answers for when something is tried. It sleeps until the next instant that matters or until somebody rings;
it holds no task, timer or poll for a waiting message. Order within a conversation is not its business, nor is what an
attempt comes to.
"""

import asyncio
from collections.abc import Collection
from functools import partial
from typing import Final, Literal

import anyio
import anyio.lowlevel
import msgspec
from anyio.abc import TaskGroup

from actors.bell import Bell
from actors.conversation import ConversationActor
from actors.governor import Governor, Permit
from actors.lane import LaneActor
from actors.lane_agenda import LaneAgenda, LaneGate
from actors.long_windows import LongWindows
from actors.roster import Roster
from actors.sender import LOG_TROUBLE, Sender, Trouble
from core.agenda import AgendaWindow, Cursor, Entry
from core.errors import Refused
from core.limits import UNKNOWN
from core.message import Message
from core.policies import SECOND_US
from core.ports import Clock, Log, Witness
from core.records import AgendaGroup, Head
from core.settings import Bounds
from core.turns import Ring

# After trouble with the log, the work at hand is looked at again this much later.
_TROUBLE_PAUSE_US: Final = SECOND_US
# While another process may be the one that acts, nothing is granted; whether it is so is looked at this often.
_LEASE_PAUSE_US: Final = SECOND_US
# Permits given in one go before other tasks get their turn.
_GRANTS_AT_ONCE: Final = 64


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """A permit on its way to a worker, with the entry it was given for."""

    permit: Permit
    agenda: LaneAgenda
    priority: int
    entry: Entry


class Scheduler:
    """Who is due when, for every lane. `run` works until its task group is cancelled."""

    def __init__(
        self,
        *,
        log: Log,
        clock: Clock,
        governor: Governor,
        roster: Roster,
        sender: Sender,
        long_windows: LongWindows,
        witness: Witness,
        bounds: Bounds,
    ) -> None:
        self._log = log
        self._clock = clock
        self._governor = governor
        self._roster = roster
        self._sender = sender
        self._long_windows = long_windows
        self._witness = witness
        self._bounds = bounds
        self._bell = Bell(clock)
        # When the one task looks again by itself, None for at a ring only. Nobody wakes it for what is later.
        self._looks_us: int | None = None
        self._agendas: dict[str, LaneAgenda] = {}
        # Lanes that messages came for and that are not configured here: as many as other daemons have.
        self._missing: set[str] = set()
        # As long as there are permits out, which concurrency bounds. A queue of asyncio's costs a fifth of a stream.
        self._granted: asyncio.Queue[Grant] = asyncio.Queue()
        self._idle_workers = 0
        self._group: TaskGroup | None = None
        self._is_granting = True
        self._in_flight = 0
        self._finished: Bell | None = None

    # -- lanes

    def serve(self, lane: LaneActor) -> None:
        """Takes a lane on; one that is served already goes on as it is."""
        name = lane.lane.name
        if name in self._agendas:
            return
        self._missing.discard(name)
        gate = LaneGate(self._governor, lane)

        def read_page(tenant: str, priority: int, window: AgendaWindow) -> None:
            group = AgendaGroup(lane=name, tenant=tenant, priority=priority, due_us=0)
            assert self._group is not None, "pages are read while the scheduler runs"
            self._group.start_soon(self._read_page, group, window, window.start_reading())

        self._agendas[name] = LaneAgenda(lane, gate, Ring(gate, lambda: self._window(is_complete=True), read_page))

    async def load(self, lanes: Collection[str]) -> None:
        """Learns what waits in the log for lanes that were not served so far; entries are read as their time comes."""
        for group in await self._log.agenda_groups():
            agenda = self._agendas.get(group.lane)
            if agenda is None:
                self._miss(group.lane)
            if agenda is None or group.lane not in lanes:
                continue
            window = self._window(is_complete=False)
            window.cursor = Cursor(due_us=group.due_us, stream=0)
            agenda.ring.add_window(group.tenant, group.priority, window)

    def _window(self, *, is_complete: bool) -> AgendaWindow:
        bounds = self._bounds
        return AgendaWindow(
            fresh_max=bounds.agenda_window_max, deferred_max=bounds.deferred_max, is_complete=is_complete
        )

    def _miss(self, lane: str) -> None:
        if lane not in self._missing:
            self._missing.add(lane)
            self._witness.note("lane_missing", lane=lane)

    # -- reminders

    def arrived(self, message: Message) -> None:
        """A message was accepted: its conversation wants its lane no later than the message is due."""
        agenda = self._agendas.get(message.lane)
        if agenda is None:
            self._miss(message.lane)
            return
        if message.due_us is None:
            return
        window = agenda.ring.window(message.tenant, message.priority)
        known_us = window.ready_us_of(message.conversation)
        if known_us is None or message.due_us < known_us:
            entry = Entry(message.due_us, 0, message.conversation, message.due_us, message.host)
            agenda.ring.remind(message.tenant, message.priority, entry)
            self._look_by(message.due_us)

    def remind(self, actor: ConversationActor) -> None:
        """Puts on the agenda what a conversation itself says that it wants."""
        # It is awake, and may be idle before anything is due.
        idle_us = self._clock.now_us() + self._bounds.idle_us
        self._look_by(_earlier(self._put(actor), idle_us))

    def _put(self, actor: ConversationActor) -> int | None:
        """Answers from when on it wants anything, None where it wants nothing."""
        first_us: int | None = None
        for due in actor.dues():
            agenda = self._agendas.get(due.lane)
            if agenda is not None:
                entry = Entry(due.due_us, 0, actor.state.id, due.stored_us, due.host)
                agenda.ring.remind(actor.state.tenant, due.priority, entry)
                first_us = _earlier(first_us, due.due_us)
        return first_us

    def _look_by(self, instant_us: int | None) -> None:
        """Something may be due at an instant, None for never: the one task has to look no later."""
        if instant_us is not None and (self._looks_us is None or instant_us < self._looks_us):
            self._bell.ring()

    def look_into(self, message: Head | Message) -> None:
        """Something may have happened to a message, and nobody can tell: its conversation finds out now."""
        agenda = self._agendas.get(message.lane)
        if agenda is not None:
            entry = Entry(self._clock.now_us(), 0, message.conversation, 0, message.host)
            agenda.ring.remind(message.tenant, message.priority, entry)
            self._bell.ring()

    def taken(self, head: Head) -> Permit | None:
        """A former process may still send this: its place in limits is taken. None where nobody serves its lane."""
        if head.lane not in self._agendas:
            return None
        return self._governor.take(head.lane, head.tenant, head.conversation, head.host)

    def over(self, permit: Permit | None, sent_us: int | None) -> None:
        """It cannot send any more, and may have sent until `sent_us` (None: now): for a window from then it counts."""
        if permit is not None:
            now_us = self._clock.now_us()
            self._governor.handed_over(permit, now_us if sent_us is None else sent_us)
            self._governor.give_back(permit, now_us)
            self._agendas[permit.lane].ring.came_back(permit.tenant, permit.host, now_us, unused=False)
            self._bell.ring()

    @property
    def in_flight(self) -> int:
        """How many permits are out."""
        return self._in_flight

    def ring(self) -> None:
        """Something changed that may make room: a lane was resumed."""
        self._bell.ring()

    def limits_changed(self) -> None:
        """Lanes go on under other limits: nobody rests until an instant that the old ones named."""
        for agenda in self._agendas.values():
            agenda.ring.look_at_all()
        self._bell.ring()

    # -- the one task

    async def run(self) -> None:
        """Grants what is due, then sleeps until the next instant that matters."""
        async with anyio.create_task_group() as group:
            self._group = group
            while True:
                now_us = self._clock.now_us()
                wake_us = self._grant_due(now_us)
                tidy_us = _earlier(self._roster.sweep(now_us), self._keep_windows(group, now_us))
                if wake_us is not None and wake_us <= now_us:
                    await anyio.lowlevel.checkpoint()
                else:
                    # Whoever is awake for it may be idle by then.
                    idle_us = now_us + self._bounds.idle_us if self._in_flight else None
                    self._looks_us = _earlier(_earlier(wake_us, tidy_us), idle_us)
                    await self._bell.wait(self._looks_us)

    def _keep_windows(self, group: TaskGroup, now_us: int) -> int | None:
        """Has the long limit windows saved when that is due. Answers when it is due next."""
        due_us = self._long_windows.due_us()
        if due_us is None or due_us > now_us:
            return due_us
        self._long_windows.begin(now_us)
        group.start_soon(self._save_windows)
        return None

    async def _save_windows(self) -> None:
        try:
            await self._long_windows.save()
        except LOG_TROUBLE as error:
            # The next minute's snapshot holds the same and more.
            self._witness.note("windows_refused", error=type(error).__name__)

    async def finish(self, until_us: int) -> None:
        """Starts nothing more and waits for what is in flight, no longer than until an instant."""
        self._is_granting = False
        bell = self._finished = Bell(self._clock)
        while self._in_flight and self._clock.now_us() < until_us:
            await bell.wait(until_us)

    def _grant_due(self, now_us: int) -> int | None:
        """Gives permits to what is due and has room. Answers when to look again, None for at the next ring."""
        if not self._log.may_send():
            return now_us + _LEASE_PAUSE_US if self._is_granting else None
        wake_us: int | None = None
        for name, agenda in self._agendas.items():
            if not self._is_granting:
                return None
            wake_us = _earlier(wake_us, self._grant_lane(name, agenda, now_us))
        return wake_us

    def _grant_lane(self, name: str, agenda: LaneAgenda, now_us: int) -> int | None:
        next_us = agenda.ring.next_us()
        if next_us is None or next_us > now_us:
            # Most lanes, most of the time: whether there would be room is nobody's question yet.
            agenda.is_full = False
            return next_us
        for _ in range(_GRANTS_AT_ONCE):
            if agenda.ring.is_reading():
                return None
            room_us = agenda.gate.lane_room_at(now_us)
            agenda.is_full = room_us == UNKNOWN
            if agenda.is_full:
                return None
            if room_us > now_us:
                next_us = agenda.ring.next_us()
                return None if next_us is None else max(room_us, next_us)
            taken = agenda.ring.take(now_us)
            if taken is None:
                return None if agenda.ring.is_reading() else agenda.ring.next_us()
            self._grant(name, agenda, taken, now_us)
        return now_us

    def _grant(self, name: str, agenda: LaneAgenda, taken: tuple[str, int, Entry], now_us: int) -> None:
        tenant, priority, entry = taken
        permit = self._governor.take(name, tenant, entry.conversation, entry.host)
        permit.is_probe = agenda.lane.took(entry.host, now_us)
        self._in_flight += 1
        self._granted.put_nowait(Grant(permit=permit, agenda=agenda, priority=priority, entry=entry))
        if not self._idle_workers:
            assert self._group is not None, "permits are given while the scheduler runs"
            self._group.start_soon(self._work)
        else:
            self._idle_workers -= 1

    # -- workers

    async def _work(self) -> None:
        """One worker: one attempt at a time, for ever. There are as many as attempts were ever in flight at once."""
        while True:
            grant = await self._granted.get()
            actor: ConversationActor | Trouble = "again"
            try:
                moved = partial(self._moved, grant)
                actor = await self._sender.carry(grant.permit, grant.agenda.lane, moved)
            finally:
                self._came_back(grant, actor)
            self._idle_workers += 1

    def _moved(self, grant: Grant, actor: ConversationActor) -> None:
        """An attempt has begun, or has left: its conversation may want another, and a limit knows when it has room.

        Or nothing will be sent under the permit, so that all of it but its being out is free for another.
        """
        permit, agenda = grant.permit, grant.agenda
        permit.has_begun = not permit.is_spared
        if permit.is_spared:
            self._not_begun(permit, agenda)
        # What its conversation may start beside it is on the agenda since it began; leaving frees its own limit only.
        is_news = not permit.is_sent or self._governor.counts_recipients(permit)
        if is_news and not actor.is_lost:
            self._look_by(self._put(actor))
        has_room = agenda.is_full and (permit.is_spared or self._governor.has_quotas(permit))
        if agenda.ring.left(permit.tenant) or has_room:
            self._bell.ring()

    def _came_back(self, grant: Grant, actor: ConversationActor | Trouble) -> None:
        """The attempt's permit is free again, and its conversation says when it is next due."""
        now_us = self._clock.now_us()
        permit, agenda = grant.permit, grant.agenda
        self._in_flight -= 1
        if self._finished is not None:
            self._finished.ring()
        self._governor.give_back(permit, now_us)
        if permit.is_probe and permit.has_begun:
            agenda.lane.probe_back(permit.host)
        if not permit.has_begun and not permit.is_spared:
            self._not_begun(permit, agenda)
        agenda.ring.came_back(permit.tenant, permit.host, now_us, unused=not permit.is_sent)
        if actor != "parked":
            self._remind_again(grant, actor, now_us)
        # Of this lane everybody may be due who waits: what held them up, up to now or until later, may be gone.
        self._look_by(_earlier(agenda.ring.next_us(), self._long_windows.due_us()))

    def _remind_again(self, grant: Grant, actor: ConversationActor | Literal["again"], now_us: int) -> None:
        """Its conversation says when it is next due; where it cannot, it is asked anew."""
        permit = grant.permit
        if isinstance(actor, ConversationActor) and actor.is_lost:
            actor = "again"
        if isinstance(actor, ConversationActor):
            self._look_by(self._put(actor))  # Its message may have moved, and this lane may have no room for long.
        if actor == "again" or actor is not self._roster.find(permit.conversation):
            # One that was put to sleep right after its attempt may not know the latest: it is asked anew.
            pause_us = _TROUBLE_PAUSE_US if actor == "again" else 0
            grant.agenda.ring.remind(permit.tenant, grant.priority, grant.entry._replace(ready_us=now_us + pause_us))

    def _not_begun(self, permit: Permit, agenda: LaneAgenda) -> None:
        """Under this permit no attempt begins: another may be the probe, or have its place in a ramp."""
        if permit.is_probe:
            agenda.lane.probe_back(permit.host)
        agenda.lane.spared(permit.host, self._clock.now_us())

    # -- pages of the log

    async def _read_page(self, group: AgendaGroup, window: AgendaWindow, cursor: Cursor) -> None:
        limit = self._bounds.agenda_window_max
        try:
            rows = await self._log.agenda_page(
                group.lane, group.tenant, group.priority, after=(cursor.due_us, cursor.stream), limit=limit
            )
        except Refused as error:
            self._witness.note("page_refused", lane=group.lane, error=type(error).__name__)
            self._read(group)
            await self._clock.sleep_until(self._clock.now_us() + _TROUBLE_PAUSE_US)
            window.failed()
        else:
            window.loaded(rows, is_last=len(rows) < limit)
        self._read(group)

    def _read(self, group: AgendaGroup) -> None:
        self._agendas[group.lane].ring.has_read(group.tenant)
        self._bell.ring()


def _earlier(one_us: int | None, other_us: int | None) -> int | None:
    if one_us is None:
        return other_us
    return one_us if other_us is None else min(one_us, other_us)
