"""One lane as the scheduler sees it: who waits there, and whether there is room for them.

This file answers for asking the two who know about room, the governor and the lane itself, as one. It must never give a
permit.
"""

from actors.governor import Governor
from actors.lane import LaneActor
from core.limits import UNKNOWN
from core.turns import Ring


class LaneGate:
    """What one lane's ring asks about room: the governor's limits and the lane's own health."""

    def __init__(self, governor: Governor, lane: LaneActor) -> None:
        self._governor = governor
        self._lane = lane
        self._name = lane.lane.name

    def lane_room_at(self, now_us: int) -> int:
        """When the lane as a whole may start one more."""
        return _later(self._lane.room_at(now_us), self._governor.lane_room_at(self._name))

    def tenant_room_at(self, tenant: str) -> int:
        """When the tenant may start one more in this lane."""
        return self._governor.tenant_room_at(self._name, tenant)

    def peer_room_at(self, conversation: int) -> int:
        """When the conversation may start one more in this lane."""
        return self._governor.peer_room_at(self._name, conversation)

    def host_room_at(self, host: int, now_us: int) -> int:
        """When one more may start towards a webhook host."""
        return _later(self._lane.host_room_at(host, now_us), self._governor.host_room_at(self._name, host))


class LaneAgenda:
    """One lane as the scheduler sees it."""

    __slots__ = ("gate", "is_full", "lane", "ring")

    def __init__(self, lane: LaneActor, gate: LaneGate, ring: Ring) -> None:
        self.lane = lane
        self.gate = gate
        self.ring = ring
        # Whether it had no room, and nobody could say when there will be.
        self.is_full = False


def _later(one_us: int, other_us: int) -> int:
    return UNKNOWN if UNKNOWN in (one_us, other_us) else max(one_us, other_us)
