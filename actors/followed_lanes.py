"""Lanes as a daemon that stands by knows them: what the log tells of each, and nothing of what is out there.

This file answers for new messages beginning in a lane that is up, under the policy that is in force. It must never
record anything of a lane: that is the acting daemon's.
"""

from msgspec.structs import replace

from actors.lane import LaneActor
from actors.sender import NONSENSE
from core.ports import Clock, Log, Witness
from core.settings import Lane, Settings


class FollowedLanes:
    """The configured lanes, as far as the log tells."""

    def __init__(self, settings: Settings, *, log: Log, clock: Clock, witness: Witness) -> None:
        self._log = log
        self._clock = clock
        self._witness = witness
        self._actors: dict[str, LaneActor] = {}
        self.adopt(settings)

    def adopt(self, settings: Settings) -> None:
        """Goes on with these lanes."""
        self._settings = settings
        self._lanes = {lane.name: lane for lane in settings.lanes}

    def settings(self) -> Settings:
        """The settings with the policy that is in force in each lane."""
        return replace(self._settings, lanes=tuple(self._in_force(lane) for lane in self._settings.lanes))

    def _in_force(self, lane: Lane) -> Lane:
        known = self._actors.get(lane.name)
        return lane if known is None else known.in_force(lane)

    @property
    def paused(self) -> set[str]:
        """Lanes that let nothing out until they are resumed."""
        return {name for name, actor in self._actors.items() if actor.paused_by is not None}

    @property
    def names(self) -> set[str]:
        """Every lane that is configured, or that the log has known here."""
        return self._lanes.keys() | self._actors.keys()

    def first_up(self, lanes: tuple[str, ...]) -> str:
        """The first of these lanes that lets something out; the first of all where none does."""
        return next((name for name in lanes if self._is_up(name)), lanes[0])

    def _is_up(self, name: str) -> bool:
        known = self._actors.get(name)
        return known is None or known.down_since_us is None

    async def look_again(self) -> bool:
        """Knows what the log tells by now; answers whether that is news. Raises Refused where it cannot be read."""
        is_news = False
        for head in await self._log.heads_of_kind("lane"):
            lane, known = self._lanes.get(head.lane), self._actors.get(head.lane)
            if lane is None or (known is not None and known.version >= head.version):
                continue
            if known is None:
                known = LaneActor(lane, head.stream, log=self._log, clock=self._clock, witness=self._witness)
            try:
                known.replay(await self._log.events_of(head.stream, after_version=known.version))
            except NONSENSE as error:
                # It is taken for what it was; the acting daemon says what is wrong with it.
                self._witness.note("lane_parked", lane=head.lane, error=str(error))
                continue
            self._actors[head.lane] = known
            is_news = True
        return is_news
