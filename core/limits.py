"""Limits that hold in every window: when a scope has room, in exact numbers.

A scope (a lane, a tenant in it, a recipient, a webhook host) keeps the instants of its last hand-overs and how many
permits are out. A slot is taken at the permit and stays busy until one window after the hand-over, so no window of the
length, wherever it starts, can hold more than the count. Pure bookkeeping: the governor in actors/ does the asking.
"""

from bisect import insort
from collections.abc import Iterable
from typing import Final

import msgspec

from core.policies import Limits, Quota

# "Room, but not before somebody gives back what is out": no instant can be named.
UNKNOWN: Final = -1


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """What one scope has to keep: quotas (each exact in every window) and how many permits may be out."""

    quotas: tuple[Quota, ...] = ()
    concurrency: int | None = None

    @property
    def window_us(self) -> int:
        """The longest window: how long an instant matters."""
        return max((quota.window_us for quota in self.quotas), default=0)

    @property
    def is_free(self) -> bool:
        """Whether it bounds nothing."""
        return not self.quotas and self.concurrency is None


class Scope:
    """The hand-overs of one scope within its longest window, and its permits.

    `out` permits are in flight (concurrency); `unsent` of them have not been handed over yet and still hold a slot of
    every window to come.
    """

    __slots__ = ("bound", "out", "sent_us", "unsent")

    def __init__(self, bound: Bound) -> None:
        self.bound = bound
        self.out = 0
        self.unsent = 0
        self.sent_us: list[int] = []

    def room_at(self) -> int:
        """The earliest instant with room for one more (0: at once), UNKNOWN when a permit must come back first."""
        bound = self.bound
        if bound.concurrency is not None and self.out >= bound.concurrency:
            return UNKNOWN
        earliest_us = 0
        for quota in bound.quotas:
            # What is not handed over yet will be, at an unknown instant from now on: it takes the newest slots.
            left = quota.count - self.unsent
            if left <= 0:
                return UNKNOWN
            if len(self.sent_us) >= left:
                earliest_us = max(earliest_us, self.sent_us[-left] + quota.window_us)
        return earliest_us

    def take(self) -> None:
        """One permit goes out."""
        self.out += 1
        self.unsent += 1

    def handed_over(self, sent_us: int) -> None:
        """A permit that is out was used at `sent_us`: from here its slot has an instant."""
        assert self.unsent > 0, "a hand-over without a permit"
        self.unsent -= 1
        self.note(sent_us)

    def spare(self) -> None:
        """Nothing will be handed over under a permit that is out: its slot is free, though somebody is still busy."""
        assert self.unsent > 0, "a slot was spared that nobody held"
        self.unsent -= 1

    def give_back(self, *, unused: bool) -> None:
        """A permit comes back; `unused` where nothing was handed over under it."""
        assert self.out > 0, "a permit came back that was never out"
        self.out -= 1
        if unused:
            self.unsent -= 1

    def note(self, sent_us: int) -> None:
        """Counts a hand-over, and forgets those that no window reaches any more."""
        if not self.bound.quotas:
            return
        insort(self.sent_us, sent_us)
        horizon_us = self.sent_us[-1] - self.bound.window_us
        if self.sent_us[0] < horizon_us:
            keep = next((n for n, instant in enumerate(self.sent_us) if instant >= horizon_us), len(self.sent_us))
            del self.sent_us[:keep]

    def is_idle(self, now_us: int) -> bool:
        """Whether forgetting the scope would change nothing."""
        return self.out == 0 and (not self.sent_us or self.sent_us[-1] + self.bound.window_us <= now_us)

    def under(self, bound: Bound) -> "Scope":
        """The same hand-overs and permits under another bound: which of several quotas has no room, for who asks."""
        scope = Scope(bound)
        scope.out, scope.unsent, scope.sent_us = self.out, self.unsent, self.sent_us
        return scope

    def used(self, quota: Quota, now_us: int) -> int:
        """How much of a quota's present window is taken, permits that are out included."""
        return self.unsent + sum(1 for instant in self.sent_us if instant > now_us - quota.window_us)


def _quotas(rate: Quota | None, burst: int | None) -> Iterable[Quota]:
    if rate is None:
        return
    yield rate
    if burst is not None and burst < rate.count:
        # So many back to back, then the rate's own pace: an exact window of the burst's share of the time.
        yield Quota(count=burst, window_us=-(-rate.window_us * burst // rate.count))


def lane_bound(limits: Limits) -> Bound:
    """What the lane as a whole has to keep; the gap between two is a quota of one."""
    gap = (Quota(count=1, window_us=limits.gap_us),) if limits.gap_us else ()
    return Bound(quotas=(*_quotas(limits.lane, limits.burst), *gap), concurrency=limits.concurrency)


def tenant_bound(limits: Limits) -> Bound:
    """What each tenant has to keep within the lane."""
    return Bound(quotas=tuple(_quotas(limits.tenant, limits.burst)))


def recipient_bound(limits: Limits) -> Bound:
    """What each conversation has to keep within the lane."""
    return Bound(quotas=tuple(_quotas(limits.recipient, limits.burst)))


def host_bound(limits: Limits) -> Bound:
    """What each webhook host has to keep within the lane."""
    return Bound(concurrency=limits.host_concurrency)
