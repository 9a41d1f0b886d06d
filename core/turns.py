"""Whose turn it is in a lane: tenants in a ring, each tenant's conversations by priority and due instant.

This file answers for fairness between tenants and for parking: work that a tenant, a recipient or a webhook host has
no room for steps aside, at no cost, until there is. Pure bookkeeping over agenda windows; limits are asked through
`Gate`.
"""

from collections import deque
from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from typing import Final, Protocol

from core.agenda import AgendaWindow, Entry
from core.limits import UNKNOWN

# Conversations parked behind one full host; more of them look again after a while.
HOST_QUEUE_MAX: Final = 1_000
HOST_QUEUE_FULL_US: Final = 5_000_000


class Gate(Protocol):
    """What the ring asks about room: an instant (now or earlier: there is room), or UNKNOWN until a permit is back."""

    def tenant_room_at(self, tenant: str) -> int:
        """When the tenant may start one more in this lane."""
        ...

    def peer_room_at(self, conversation: int) -> int:
        """When the conversation may start one more in this lane."""
        ...

    def host_room_at(self, host: int, now_us: int) -> int:
        """When one more may start towards a webhook host."""
        ...


class Ring:
    """The waiting work of one lane."""

    def __init__(
        self, gate: Gate, new_window: Callable[[], AgendaWindow], read_page: Callable[[str, int, AgendaWindow], None]
    ) -> None:
        """`read_page` is called for a window that needs more of the log; it must start reading before it returns."""
        self._gate = gate
        self._new_window = new_window
        self._read_page = read_page
        self._windows: dict[str, dict[int, AgendaWindow]] = {}
        self._active: deque[str] = deque()
        self._timers: list[tuple[int, int, str]] = []
        # Who was called into the ring since anybody was last taken, and whose work is known only once a page is here.
        self._called: list[str] = []
        self._unread: set[str] = set()
        # Where each tenant is: an instant in the timers, 0 for the ring, UNKNOWN until a permit comes back.
        self._where: dict[str, int] = {}
        self._timer_order = 0
        # Who waits for a host with no room, by conversation; hosts that may have room by now; and when others will.
        self._behind_host: dict[int, dict[int, tuple[str, int, Entry]]] = {}
        self._open_hosts: dict[int, None] = {}
        self._host_timers: list[tuple[int, int]] = []

    def window(self, tenant: str, priority: int) -> AgendaWindow:
        """The window of a tenant's priority; new ones are complete (nothing of it waits in the log)."""
        windows = self._windows.setdefault(tenant, {})
        window = windows.get(priority)
        if window is None:
            window = windows[priority] = self._new_window()
        return window

    def add_window(self, tenant: str, priority: int, window: AgendaWindow) -> None:
        """Puts a window that has to be read from the log first."""
        self._windows.setdefault(tenant, {})[priority] = window
        self.look_again(tenant)

    def windows(self) -> Iterator[tuple[str, int, AgendaWindow]]:
        """Every window with its tenant and priority."""
        for tenant, windows in self._windows.items():
            for priority, window in windows.items():
                yield tenant, priority, window

    def remind(self, tenant: str, priority: int, entry: Entry) -> None:
        """A conversation wants the lane."""
        window = self.window(tenant, priority)
        window.remind(entry.conversation, entry.ready_us, stored_us=entry.stored_us, host=entry.host)
        where = self._where.get(tenant)
        if where is None or where > entry.ready_us:
            self._wait(tenant, entry.ready_us)

    def look_again(self, tenant: str) -> None:
        """Something changed for a tenant (a permit came back): it is asked at the next turn."""
        if self._where.get(tenant) != 0:
            self._where[tenant] = 0
            self._active.append(tenant)
            self._called.append(tenant)

    def has_read(self, tenant: str) -> None:
        """A page is here, or could not be read: nobody waits for it any more."""
        self._unread.discard(tenant)
        self.look_again(tenant)

    def is_reading(self) -> bool:
        """Whether it is not known yet who is ready: nobody is taken until then, or who is known had all the turns."""
        return bool(self._unread)

    def look_at_all(self) -> None:
        """The limits themselves changed: tenants that rest until an instant are asked anew, which may be far sooner."""
        for tenant in [tenant for tenant, where in self._where.items() if where > 0]:
            self.look_again(tenant)

    def left(self, tenant: str) -> bool:
        """An attempt of this tenant has left. Answers whether the tenant waited for it: now it can tell until when."""
        if self._where.get(tenant) != UNKNOWN:
            return False
        self.look_again(tenant)
        return True

    def came_back(self, tenant: str, host: int | None, now_us: int, *, unused: bool) -> None:
        """A permit of this tenant, towards this host, came back: whoever waited for it may try."""
        where = self._where.get(tenant)
        # One that was never used frees its slot at once, sooner than any instant that was named before.
        if where == UNKNOWN or (unused and where is not None):
            self.look_again(tenant)
        if host is not None and host in self._behind_host:
            self._open_hosts[host] = None
            self._call_next(host, now_us)

    def next_us(self) -> int | None:
        """When somebody may be ready, 0 for at once, None where nobody waits for time."""
        if self._active or self._open_hosts:
            return 0
        while self._timers and self._where.get(self._timers[0][2]) != self._timers[0][0]:
            heappop(self._timers)
        instants = [heap[0][0] for heap in (self._timers, self._host_timers) if heap]
        return min(instants, default=None)

    def take(self, now_us: int) -> tuple[str, int, Entry] | None:
        """The next (tenant, priority, entry) that has room everywhere but in the lane itself, taken off the agenda."""
        while True:
            self._wake_due(now_us)
            self._read_ahead(now_us)
            if self._unread:
                return None
            taken = self._take_turn(now_us)
            if taken is not None or not self._ask_hosts(now_us):
                return taken

    def _read_ahead(self, now_us: int) -> None:
        """Has the pages read of who was called with nothing in memory that is ready, and may have some in the log."""
        for tenant in self._called:
            for priority, window in self._windows.get(tenant, {}).items():
                if window.peek(now_us) is None and window.wants_page(now_us):
                    self._unread.add(tenant)
                    self._read_page(tenant, priority, window)
        self._called.clear()

    def _take_turn(self, now_us: int) -> tuple[str, int, Entry] | None:
        while self._active:
            tenant = self._active[0]
            room_us = self._gate.tenant_room_at(tenant)
            if room_us == UNKNOWN:
                self._active.popleft()
                self._where[tenant] = UNKNOWN
                continue
            found = self._first_ready(tenant, now_us) if room_us <= now_us else None
            if found is None:
                self._active.popleft()
                del self._where[tenant]
                self._rest(tenant, room_us)
                continue
            priority, entry = found
            if self._has_room(tenant, priority, entry, now_us):
                self._active.rotate(-1)
                if entry.host is not None and entry.host in self._behind_host:
                    self._open_hosts[entry.host] = None  # There may be room for one more.
                return tenant, priority, entry
        return None

    def _ask_hosts(self, now_us: int) -> bool:
        """Nobody else can start, so a host that has room calls the next one who waits behind it, if there is one."""
        while self._open_hosts:
            host = next(iter(self._open_hosts))
            room_us = self._gate.host_room_at(host, now_us)
            if host in self._behind_host and room_us != UNKNOWN and room_us <= now_us:
                self._call_next(host, now_us)
                return True
            del self._open_hosts[host]
            if host in self._behind_host and room_us != UNKNOWN:
                heappush(self._host_timers, (room_us, host))
        return False

    def _call_next(self, host: int, now_us: int) -> None:
        """Who has waited longest behind a host takes part in the turns of its tenant again."""
        queue = self._behind_host[host]
        tenant, priority, entry = queue.pop(next(iter(queue)))
        if not queue:
            del self._behind_host[host]
        self.remind(tenant, priority, entry._replace(ready_us=now_us))

    def _first_ready(self, tenant: str, now_us: int) -> tuple[int, Entry] | None:
        windows = self._windows.get(tenant, {})
        for priority in sorted(windows, reverse=True):
            window = windows[priority]
            if window.wants_page(now_us):
                self._read_page(tenant, priority, window)
            if window.peek(now_us) is not None:
                return priority, window.pop()
        return None

    def _has_room(self, tenant: str, priority: int, entry: Entry, now_us: int) -> bool:
        """Whether peer and host have room; if not, the entry is parked where it will be found when they have."""
        peer_us = self._gate.peer_room_at(entry.conversation)
        if peer_us == UNKNOWN:
            return False  # One of its own is in flight, and its end puts the conversation back on the agenda.
        if peer_us > now_us:
            self._windows[tenant][priority].remind(
                entry.conversation, peer_us, stored_us=entry.stored_us, host=entry.host
            )
            return False
        if entry.host is None:
            return True
        host_us = self._gate.host_room_at(entry.host, now_us)
        if host_us != UNKNOWN and host_us <= now_us:
            return True
        if host_us == UNKNOWN:
            queue = self._behind_host.setdefault(entry.host, {})
            if entry.conversation in queue or len(queue) < HOST_QUEUE_MAX:
                queue[entry.conversation] = tenant, priority, entry
                return False
            host_us = now_us + HOST_QUEUE_FULL_US
        self._windows[tenant][priority].remind(entry.conversation, host_us, stored_us=entry.stored_us, host=entry.host)
        return False

    def _rest(self, tenant: str, room_us: int) -> None:
        """Nothing of the tenant can start now: it waits for its next entry or for room, whichever is later."""
        windows = self._windows.get(tenant, {})
        for priority in [p for p, w in windows.items() if w.is_empty]:
            del windows[priority]
        if not windows:
            self._windows.pop(tenant, None)
        instants = [instant for w in windows.values() if (instant := w.next_us()) is not None]
        if instants:
            self._wait(tenant, max(min(instants), room_us))
        else:
            self._where.pop(tenant, None)

    def _wait(self, tenant: str, until_us: int) -> None:
        if self._where.get(tenant) in (0, UNKNOWN):
            return
        until_us = max(until_us, 1)
        self._where[tenant] = until_us
        self._timer_order += 1
        heappush(self._timers, (until_us, self._timer_order, tenant))
        if len(self._timers) > 4 * len(self._where) + 64:
            self._timers = [(instant, 0, name) for name, instant in self._where.items() if instant > 0]
            heapify(self._timers)

    def _wake_due(self, now_us: int) -> None:
        while self._timers and self._timers[0][0] <= now_us:
            instant_us, _, tenant = heappop(self._timers)
            if self._where.get(tenant) == instant_us:
                self.look_again(tenant)
        while self._host_timers and self._host_timers[0][0] <= now_us:
            _, host = heappop(self._host_timers)
            self._open_hosts[host] = None
