"""The memory of long limits: hand-overs of hours and days, kept as a snapshot so that a restart reads minutes.

This file answers for saving the governor's long windows at least once a minute while they change, and for bringing them
back. Short windows are not its business: they are read back from the log's last minutes.
"""

from collections.abc import Collection
from typing import Final

import msgspec

from actors.governor import HAND_OVERS, READ_BACK_US, Governor
from core.ids import GOVERNOR
from core.policies import MINUTE_US, Limits
from core.ports import Clock, Log
from core.records import Snapshot

_SAVE_EVERY_US: Final = MINUTE_US


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """Hand-overs up to `at_us`: instants by lane, by (lane, tenant) and by (lane, conversation).

    `lanes` tells the limits that each lane had then: under others it may have counted too little.
    """

    at_us: int
    lanes: list[tuple[str, Limits, list[int]]]
    tenants: list[tuple[str, str, list[int]]]
    peers: list[tuple[str, int, list[int]]]


class LongWindows:
    """Saves and recalls the governor's windows."""

    def __init__(self, governor: Governor, *, log: Log, clock: Clock) -> None:
        self._governor = governor
        self._log = log
        self._clock = clock
        self._saved_us = 0
        self._saved_count = 0
        self._version = 0

    def due_us(self) -> int | None:
        """When the next snapshot is due, None where nothing long has changed since the last."""
        if self._governor.long_hand_overs(READ_BACK_US) == self._saved_count:
            return None
        return self._saved_us + _SAVE_EVERY_US

    def begin(self, now_us: int) -> None:
        """Notes that what the windows hold now is being saved."""
        self._saved_us = now_us
        self._saved_count = self._governor.long_hand_overs(READ_BACK_US)

    async def save(self) -> None:
        """Keeps what the long windows hold now."""
        self._version += 1
        body = msgspec.msgpack.encode(self._kept(self._clock.now_us()))
        await self._log.save_snapshot(Snapshot(stream=GOVERNOR, version=self._version, body=body))

    async def recall(self) -> None:
        """Counts the hand-overs of the last windows: those of the snapshot, and those recorded since."""
        now_us, window_us = self._clock.now_us(), self._governor.window_us
        if not window_us:
            return
        since_us = now_us - window_us
        snapshot = await self._log.snapshot_of(GOVERNOR) if window_us > READ_BACK_US else None
        kept: Collection[str] = ()
        kept_us = 0
        if snapshot is not None:
            self._version = snapshot.version
            kept_us, kept = self._bring_back(msgspec.msgpack.decode(snapshot.body, type=Kept))
            if self._governor.lanes_longer_than(READ_BACK_US).keys() <= set(kept):
                since_us = max(since_us, min(kept_us, now_us - READ_BACK_US))
        recorded = await self._log.recorded_since(since_us, HAND_OVERS)
        heads = await self._log.heads_by(sorted({entry.stream for entry in recorded}))
        self._governor.remember(recorded, heads, kept=kept, kept_us=kept_us)

    def _kept(self, at_us: int) -> Kept:
        lanes = self._governor.lanes_longer_than(READ_BACK_US)
        return Kept(
            at_us=at_us,
            lanes=[(name, limits.limits, limits.lane.sent_us) for name, limits in lanes.items()],
            tenants=[(n, key, scope.sent_us) for n, limits in lanes.items() for key, scope in limits.tenants.items()],
            peers=[(n, key, scope.sent_us) for n, limits in lanes.items() for key, scope in limits.peers.items()],
        )

    def _bring_back(self, kept: Kept) -> tuple[int, Collection[str]]:
        """Counts what was kept of lanes whose limits are still the same; answers with its instant and those lanes."""
        lanes = self._governor.lanes_longer_than(READ_BACK_US)
        same = {name: lanes[name] for name, limits, _ in kept.lanes if name in lanes and lanes[name].limits == limits}
        for name, _, instants in kept.lanes:
            if name in same:
                same[name].lane.sent_us = list(instants)
        for name, tenant, instants in kept.tenants:
            if name in same:
                same[name].tenant(tenant).sent_us = list(instants)
        for name, peer, instants in kept.peers:
            if name in same:
                same[name].peer(peer).sent_us = list(instants)
        return kept.at_us, same.keys()
