"""Lanes as a daemon that stands by knows them: what the log tells of each, and nothing of what is out there.

This file answers for new messages beginning in a lane that is up, under the policy that is in force. It must never
record anything of a lane: that is the acting daemon's.
"""

from msgspec.structs import replace

from actors.sender import NONSENSE
from core.lane_life import LaneLife
from core.ports import Log, Witness
from core.settings import Lane, Settings


class FollowedLanes:
    """The configured lanes, as far as the log tells."""

    def __init__(self, settings: Settings, *, log: Log, witness: Witness) -> None:
        self._log = log
        self._witness = witness
        self._lives: dict[str, LaneLife] = {}
        # The versions at which lanes were found that make no sense: it is said once.
        self._parked: dict[str, int] = {}
        self.adopt(settings)

    def adopt(self, settings: Settings) -> None:
        """Goes on with these lanes."""
        self._settings = settings
        self._lanes = {lane.name: lane for lane in settings.lanes}

    def settings(self) -> Settings:
        """The settings with the policy that is in force in each lane."""
        return replace(self._settings, lanes=tuple(self._in_force(lane) for lane in self._settings.lanes))

    def _in_force(self, lane: Lane) -> Lane:
        known = self._lives.get(lane.name)
        return lane if known is None else known.in_force(lane)

    @property
    def paused(self) -> set[str]:
        """Lanes that let nothing out until they are resumed."""
        return {name for name, life in self._lives.items() if life.paused_by is not None}

    @property
    def names(self) -> set[str]:
        """Every lane that is configured, or that the log has known here."""
        return self._lanes.keys() | self._lives.keys()

    def first_up(self, lanes: tuple[str, ...]) -> str:
        """The first of these lanes that lets something out; the first of all where none does."""
        return next((name for name in lanes if self._is_up(name)), lanes[0])

    def _is_up(self, name: str) -> bool:
        known = self._lives.get(name)
        return known is None or known.down_since_us is None

    async def look_again(self) -> bool:
        """Knows what the log tells by now; answers whether that is news. Raises Refused where it cannot be read."""
        is_news = False
        for head in await self._log.heads_of_kind("lane"):
            lane, known = self._lanes.get(head.lane), self._lives.get(head.lane)
            if lane is None or (known is not None and known.version >= head.version):
                continue
            if self._parked.get(head.lane) == head.version:
                continue
            if known is None:
                known = LaneLife(lane, head.stream)
            try:
                known.replay(await self._log.events_of(head.stream, after_version=known.version))
            except NONSENSE as error:
                # It is taken for what it was; the acting daemon says what is wrong with it.
                self._witness.note("lane_parked", lane=head.lane, error=str(error))
                self._parked[head.lane] = head.version
                continue
            self._lives[head.lane] = known
            is_news = True
        return is_news
