"""The memory of long limits: hand-overs of hours and days, kept as a snapshot so that a restart reads minutes.

This file answers for saving the governor's long windows at least once a minute while they change, and for bringing them
back. Short windows are not its business: they are read back from the log's last minutes.
"""

from collections.abc import Collection
from typing import Final

import msgspec

from actors.governor import READ_BACK_US, Governor, Left
from core.errors import CorruptLog, StreamParked
from core.events import AttemptFailed, AttemptStarted, AttemptTaken, LaneChanged
from core.ids import GOVERNOR
from core.policies import MINUTE_US, Limits
from core.ports import Clock, Log
from core.records import Snapshot

_SAVE_EVERY_US: Final = MINUTE_US
# What tells of a hand-over, and of a message that has left the lane through which it went.
_TELLING: Final = (AttemptTaken.__name__, AttemptFailed.__name__, LaneChanged.__name__)


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
        self._governor.remember(await self._left_since(since_us), kept=kept, kept_us=kept_us)

    async def _left_since(self, since_us: int) -> list[Left]:
        """Every hand-over recorded since an instant, in the lane through which it went."""
        recorded = await self._log.recorded_since(since_us, _TELLING)
        heads = await self._log.heads_by(sorted({entry.stream for entry in recorded}))
        # A message that stayed where it was is in the lane of all its attempts. Few do not.
        lanes = await self._lanes_of({entry.stream for entry in recorded if isinstance(entry.event, LaneChanged)})
        return [
            Left(head=head, lane=lanes.get((entry.stream, event.attempt), head.lane), sent_us=event.sent_at_us)
            for entry in recorded
            if isinstance(event := entry.event, AttemptTaken | AttemptFailed)
            and event.sent_at_us is not None
            and (head := heads.get(entry.stream)) is not None
        ]

    async def _lanes_of(self, moved: Collection[int]) -> dict[tuple[int, int], str]:
        """The lane of each attempt of messages that went through several."""
        try:
            known = await self._log.events_of_many(sorted(moved))
        except (CorruptLog, StreamParked):
            known = {}  # One waits for a person or a newer release, which must not keep all others from starting.
        return {
            (entry.stream, entry.event.attempt): entry.event.lane
            for entries in known.values()
            for entry in entries
            if isinstance(entry.event, AttemptStarted)
        }

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
