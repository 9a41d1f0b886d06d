"""A lane as its ring sees it, the plain way: rows that wait, permits that are out, and who truly has room.

This file answers for doing to a ring what the scheduler does to it, and for saying whom the ring has left waiting
though nothing holds them. It must never look into the ring to find out.
"""

from collections.abc import Iterator

import msgspec

from core.agenda import AgendaWindow, Cursor, Entry
from core.limits import UNKNOWN, Bound, Scope
from core.policies import Quota
from core.records import AgendaRow
from core.turns import Ring


class Peer(msgspec.Struct, kw_only=True):
    """One conversation of the lane; it has one attempt in flight at most."""

    tenant: str
    priority: int
    host: int | None
    dues_us: list[tuple[int, int]]
    is_flying: bool = False


class Out(msgspec.Struct, kw_only=True):
    """One permit that is out, and whether anything was handed over under it."""

    conversation: int
    entry: Entry
    is_used: bool = False


class Gates:
    """Room by real scopes: a quota a tenant, one a conversation, attempts in flight and a throttle a host."""

    def __init__(self, *, tenant: Quota | None, peer: Quota | None, host_out_max: int) -> None:
        self._bounds = [Bound(quotas=() if quota is None else (quota,)) for quota in (tenant, peer)]
        self._host_bound = Bound(concurrency=host_out_max)
        self._tenants: dict[str, Scope] = {}
        self._peers: dict[int, Scope] = {}
        self._hosts: dict[int, Scope] = {}
        self.throttled_us: dict[int, int] = {}
        # Hosts whose breaker has its probe out.
        self.probed: set[int] = set()

    def tenant_room_at(self, tenant: str) -> int:
        """When the tenant may start one more."""
        return self._tenants.setdefault(tenant, Scope(self._bounds[0])).room_at()

    def peer_room_at(self, conversation: int) -> int:
        """When the conversation may start one more."""
        return self._peers.setdefault(conversation, Scope(self._bounds[1])).room_at()

    def host_room_at(self, host: int, now_us: int) -> int:
        """When one more may start towards the host."""
        room_us = self._hosts.setdefault(host, Scope(self._host_bound)).room_at()
        if room_us == UNKNOWN or host in self.probed:
            return UNKNOWN
        return max(room_us, self.throttled_us.get(host, 0))

    def scopes(self, conversation: int, peer: Peer) -> Iterator[Scope]:
        """Every scope that an attempt of the conversation falls under."""
        yield self._tenants.setdefault(peer.tenant, Scope(self._bounds[0]))
        yield self._peers.setdefault(conversation, Scope(self._bounds[1]))
        if peer.host is not None:
            yield self._hosts.setdefault(peer.host, Scope(self._host_bound))


class LaneWorld:
    """Everything that waits for one lane, and the ring that has to give each its turn."""

    def __init__(self, gates: Gates, *, page_rows: int = 3, deferred_max: int = 2) -> None:
        self.gates = gates
        self.page_rows = page_rows
        self.deferred_max = deferred_max
        self.ring = Ring(gates, lambda: self._window(is_complete=True), self._read_page)
        self.now_us = 1
        self.peers: dict[int, Peer] = {}
        self.out: list[Out] = []
        self.pages: list[tuple[str, AgendaWindow, list[AgendaRow]]] = []
        self._streams = 0

    def _window(self, *, is_complete: bool) -> AgendaWindow:
        return AgendaWindow(fresh_max=self.page_rows, deferred_max=self.deferred_max, is_complete=is_complete)

    def _read_page(self, tenant: str, priority: int, window: AgendaWindow) -> None:
        cursor = window.start_reading()
        rows = [
            AgendaRow(due_us=due_us, stream=stream, conversation=number, host=peer.host)
            for number, peer in self.peers.items()
            if (peer.tenant, peer.priority) == (tenant, priority)
            for due_us, stream in peer.dues_us
            if (due_us, stream) > (cursor.due_us, cursor.stream)
        ]
        rows.sort(key=lambda row: (row.due_us, row.stream))
        self.pages.append((tenant, window, rows[: self.page_rows]))

    # -- what happens

    def arrive(self, conversation: int, peer: Peer, *, in_us: int, is_stored: bool = False) -> None:
        """A message is accepted; one that `is_stored` lies in the log alone, from before a restart."""
        known = self.peers.setdefault(conversation, peer)
        self._streams += 1
        known.dues_us = sorted([*known.dues_us, (self.now_us + in_us, self._streams)])
        if is_stored:
            return
        known_us = self.ring.window(known.tenant, known.priority).ready_us_of(conversation)
        if known_us is None or self.now_us + in_us < known_us:
            self._remind(conversation, self.now_us + in_us)

    def restart(self) -> None:
        """What the log holds is on nobody's agenda yet."""
        for tenant, priority in sorted({(peer.tenant, peer.priority) for peer in self.peers.values() if peer.dues_us}):
            window = self._window(is_complete=False)
            first_us = min(
                peer.dues_us[0][0]
                for peer in self.peers.values()
                if peer.dues_us and (peer.tenant, peer.priority) == (tenant, priority)
            )
            window.cursor = Cursor(due_us=first_us, stream=0)
            self.ring.add_window(tenant, priority, window)

    def grant(self) -> Out | None:
        """The next permit goes out, if the ring has anybody for it."""
        taken = self.ring.take(self.now_us)
        if taken is None:
            return None
        tenant, priority, entry = taken
        peer = self.peers[entry.conversation]
        assert (tenant, priority) == (peer.tenant, peer.priority)
        assert self.binding(entry.conversation) is None, "a permit was given where there was no room"
        out = Out(conversation=entry.conversation, entry=entry)
        for scope in self.gates.scopes(out.conversation, peer):
            scope.take()
        self.out.append(out)
        if peer.is_flying or not peer.dues_us or peer.dues_us[0][0] > self.now_us:
            self.come_back(self.out.index(out))
        else:
            peer.is_flying = True
        return out

    def hand_over(self, which: int) -> None:
        """The first byte of an attempt leaves."""
        out = self.out[which]
        if not out.is_used:
            out.is_used = True
            self.ring.left(self.peers[out.conversation].tenant)
            for scope in self.gates.scopes(out.conversation, self.peers[out.conversation]):
                scope.handed_over(self.now_us)

    def come_back(self, which: int, *, retry_in_us: int | None = None) -> None:
        """An attempt is over, with a message delivered or due again; one that never began changes nothing."""
        out = self.out.pop(which)
        peer = self.peers[out.conversation]
        if peer.host is not None:
            self.gates.probed.discard(peer.host)
        for scope in self.gates.scopes(out.conversation, peer):
            scope.give_back(unused=not out.is_used)
        if peer.is_flying and not any(other.conversation == out.conversation for other in self.out):
            peer.is_flying = False
            _, stream = peer.dues_us.pop(0)
            if retry_in_us is not None:
                peer.dues_us = sorted([*peer.dues_us, (self.now_us + retry_in_us, stream)])
        self.ring.came_back(peer.tenant, peer.host, self.now_us, unused=not out.is_used)
        if peer.dues_us and not peer.is_flying:
            self._remind(out.conversation, peer.dues_us[0][0])

    def bring_page(self) -> bool:
        """The page that was asked for first comes, if there is one."""
        if not self.pages:
            return False
        tenant, window, rows = self.pages.pop(0)
        window.loaded(rows, is_last=len(rows) < self.page_rows)
        self.ring.has_read(tenant)
        return True

    def settle(self) -> int:
        """Grants all that can be granted at this instant, and answers how much that was; nothing comes back yet."""
        granted = 0
        for _ in range(20 * (sum(len(peer.dues_us) for peer in self.peers.values()) + 10)):
            if self.grant() is not None:
                granted += 1
            elif not self.bring_page():
                return granted
        raise AssertionError(f"the ring never comes to rest at {self.now_us}")

    def _remind(self, conversation: int, due_us: int) -> None:
        peer = self.peers[conversation]
        self.ring.remind(peer.tenant, peer.priority, Entry(due_us, 0, conversation, due_us, peer.host))

    # -- the truth

    def binding(self, conversation: int) -> int | None:
        """When the conversation has room everywhere, UNKNOWN until something comes back, None where it has it now."""
        peer = self.peers[conversation]
        rooms = [self.gates.tenant_room_at(peer.tenant), self.gates.peer_room_at(conversation)]
        if peer.host is not None:
            rooms.append(self.gates.host_room_at(peer.host, self.now_us))
        if UNKNOWN in rooms:
            return UNKNOWN
        return max(rooms) if max(rooms) > self.now_us else None

    def waiting(self) -> Iterator[tuple[int, int]]:
        """(conversation, when it could start) of all that wait for time alone; now or earlier means it could have."""
        for number, peer in self.peers.items():
            if peer.is_flying or not peer.dues_us:
                continue
            room_us = self.binding(number)
            if room_us != UNKNOWN:
                yield number, max(peer.dues_us[0][0], room_us or 0)
