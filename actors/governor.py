"""The one governor: leave to start an attempt, under limits that hold in every window.

This file answers for which scopes an attempt falls under and for their bookkeeping; the arithmetic is core/limits.py.
First sends and retries draw on the same scopes. It must never drop work: what has no room is told when.
"""

from collections.abc import Collection, Iterable
from typing import Final, TypeVar

import msgspec

from core.limits import Bound, Scope, host_bound, lane_bound, recipient_bound, tenant_bound
from core.policies import MINUTE_US, Limits
from core.records import Head

# What a restart reads back from the log itself; longer windows are kept as snapshots too (long_windows.py).
READ_BACK_US: Final = 10 * MINUTE_US

_SWEEP_AT_LEAST: Final = 1_024


class Permit:
    """Leave to start one attempt. It is out until it is given back, used (`has_begun`, then `is_sent`) or not.

    `is_spared`: whoever has it sends nothing, but is still busy with the provider.
    `is_probe`: it is the one that an open breaker let through.
    """

    __slots__ = ("conversation", "has_begun", "host", "is_probe", "is_sent", "is_spared", "lane", "scopes", "tenant")

    def __init__(self, *, lane: str, tenant: str, conversation: int, host: int | None, scopes: list[Scope]) -> None:
        self.lane = lane
        self.tenant = tenant
        self.conversation = conversation
        self.host = host
        self.scopes = scopes
        self.has_begun = False
        self.is_sent = False
        self.is_spared = False
        self.is_probe = False


class Left(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A hand-over that the log tells of: when, of which message, and in which lane that was."""

    head: Head
    lane: str
    sent_us: int


class LaneLimits:
    """The scopes of one lane: itself, its tenants, its recipients and its webhook hosts."""

    def __init__(self, limits: Limits) -> None:
        self.lane = Scope(Bound())
        self.tenants: dict[str, Scope] = {}
        self.peers: dict[int, Scope] = {}
        self.hosts: dict[int, Scope] = {}
        self.hand_overs = 0
        self._sweep_at = _SWEEP_AT_LEAST
        self.adopt(limits)

    def adopt(self, limits: Limits) -> None:
        """Goes on under other limits. What was counted so far counts on; a quota that is new begins empty."""
        self.limits = limits
        self.tenant_bound, self.peer_bound = tenant_bound(limits), recipient_bound(limits)
        self.host_bound = host_bound(limits)
        self.lane.bound = lane_bound(limits)
        # The longest window of any of its scopes: how far back a restart must look. Asked for at every turn.
        self.window_us = max(self.lane.bound.window_us, self.tenant_bound.window_us, self.peer_bound.window_us)
        _rebind(self.tenants, self.tenant_bound)
        _rebind(self.peers, self.peer_bound)
        _rebind(self.hosts, self.host_bound)

    def scopes_of(self, tenant: str, conversation: int, host: int | None) -> list[Scope]:
        """The scopes that an attempt falls under; those that bound nothing are left out."""
        scopes = [self.lane]
        if not self.tenant_bound.is_free:
            scopes.append(self.tenant(tenant))
        if not self.peer_bound.is_free:
            scopes.append(self.peer(conversation))
        if host is not None:
            scopes.append(_scope(self.hosts, host, self.host_bound))
        return scopes

    def tenant(self, name: str) -> Scope:
        """A tenant's scope in this lane."""
        return _scope(self.tenants, name, self.tenant_bound)

    def peer(self, conversation: int) -> Scope:
        """A recipient's scope in this lane."""
        return _scope(self.peers, conversation, self.peer_bound)

    def sweep(self, now_us: int) -> None:
        """Forgets scopes whose windows are empty, once there are many."""
        size = len(self.tenants) + len(self.peers) + len(self.hosts)
        if size < self._sweep_at:
            return
        _forget_idle(self.tenants, now_us)
        _forget_idle(self.peers, now_us)
        _forget_idle(self.hosts, now_us)
        self._sweep_at = max(_SWEEP_AT_LEAST, 2 * (len(self.tenants) + len(self.peers) + len(self.hosts)))


class Governor:
    """Permits for every lane. All instants are log time in microseconds."""

    def __init__(self) -> None:
        self._lanes: dict[str, LaneLimits] = {}

    def adopt(self, lane: str, limits: Limits) -> None:
        """A lane's limits from now on."""
        known = self._lanes.get(lane)
        if known is None:
            self._lanes[lane] = LaneLimits(limits)
        else:
            known.adopt(limits)

    def lane(self, name: str) -> LaneLimits:
        """The scopes of a lane."""
        return self._lanes[name]

    def lane_room_at(self, lane: str) -> int:
        """When the lane as a whole has room (0: at once), UNKNOWN until a permit comes back."""
        return self._lanes[lane].lane.room_at()

    def tenant_room_at(self, lane: str, tenant: str) -> int:
        """When the tenant has room in the lane."""
        limits = self._lanes[lane]
        scope = limits.tenants.get(tenant)
        return scope.room_at() if scope is not None and not limits.tenant_bound.is_free else 0

    def peer_room_at(self, lane: str, conversation: int) -> int:
        """When the recipient has room in the lane."""
        limits = self._lanes[lane]
        scope = limits.peers.get(conversation)
        return scope.room_at() if scope is not None and not limits.peer_bound.is_free else 0

    def host_room_at(self, lane: str, host: int) -> int:
        """When the webhook host has room in the lane."""
        scope = self._lanes[lane].hosts.get(host)
        return scope.room_at() if scope is not None else 0

    def take(self, lane: str, tenant: str, conversation: int, host: int | None) -> Permit:
        """A permit; the caller has seen that every scope has room."""
        scopes = self._lanes[lane].scopes_of(tenant, conversation, host)
        for scope in scopes:
            scope.take()
        return Permit(lane=lane, tenant=tenant, conversation=conversation, host=host, scopes=scopes)

    def handed_over(self, permit: Permit, sent_us: int) -> None:
        """The first byte of the attempt left at `sent_us`: from here its slots have an instant."""
        assert not permit.is_sent, "a permit is handed over once"
        permit.is_sent = True
        self._lanes[permit.lane].hand_overs += 1
        for scope in permit.scopes:
            scope.handed_over(sent_us)

    def spare(self, permit: Permit) -> None:
        """Nothing is sent under the permit: of the windows to come it takes nothing, of what is in flight its place."""
        permit.is_spared = True
        for scope in permit.scopes:
            scope.spare()

    def counts_recipients(self, permit: Permit) -> bool:
        """Whether the permit's lane counts hand-overs to each recipient."""
        return bool(self._lanes[permit.lane].peer_bound.quotas)

    def has_quotas(self, permit: Permit) -> bool:
        """Whether the permit's lane counts hand-overs, so that one of them may tell when there is room."""
        return bool(self._lanes[permit.lane].lane.bound.quotas)

    def give_back(self, permit: Permit, now_us: int) -> None:
        """The attempt is over, or never began."""
        for scope in permit.scopes:
            scope.give_back(unused=not permit.is_sent and not permit.is_spared)
        self._lanes[permit.lane].sweep(now_us)

    # -- after a restart

    @property
    def window_us(self) -> int:
        """The longest window of all lanes: how far back a restart must read."""
        return max((limits.window_us for limits in self._lanes.values()), default=0)

    def lanes_longer_than(self, span_us: int) -> dict[str, LaneLimits]:
        """Lanes with a window longer than that."""
        return {name: limits for name, limits in self._lanes.items() if limits.window_us > span_us}

    def long_hand_overs(self, span_us: int) -> int:
        """How many hand-overs those lanes have seen since the start: whether anything changed."""
        # Asked for at every turn of the scheduler.
        return sum(limits.hand_overs for limits in self._lanes.values() if limits.window_us > span_us)

    def remember(self, left: Iterable[Left], *, kept: Collection[str], kept_us: int) -> None:
        """Counts hand-overs that the log tells of, so that limits hold across a restart.

        The lanes in `kept` know those up to `kept_us` from their snapshot already.
        """
        for one in left:
            if one.lane not in self._lanes or (one.lane in kept and one.sent_us <= kept_us):
                continue
            head = one.head
            for scope in self._lanes[one.lane].scopes_of(head.tenant, head.conversation, head.host):
                scope.note(one.sent_us)


_Key = TypeVar("_Key", int, str)


def _scope(scopes: dict[_Key, Scope], key: _Key, bound: Bound) -> Scope:
    scope = scopes.get(key)
    if scope is None:
        scope = scopes[key] = Scope(bound)
    return scope


def _rebind(scopes: dict[_Key, Scope], bound: Bound) -> None:
    for scope in scopes.values():
        scope.bound = bound


def _forget_idle(scopes: dict[_Key, Scope], now_us: int) -> None:
    for key in [key for key, scope in scopes.items() if scope.is_idle(now_us)]:
        del scopes[key]
