"""Every lane's actor: which there are, which belong to one account, and what a configuration makes of them.

This file answers for a lane that the log knows going on where it was, and for one that is not configured any more
keeping its messages. A lane that cannot tell what became of its last append is looked at again before anybody asks: a
resumption that landed lets its messages go. What one lane does is its actor's own business (lane.py).
"""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from actors.bell import Bell
from actors.lane import LaneActor
from actors.sender import LOG_TROUBLE, NONSENSE
from core.ids import Mint
from core.policies import SECOND_US
from core.ports import Clock, Log, Witness
from core.settings import Lane, Settings

# After trouble with the log, lost lanes are looked at again this much later.
_AGAIN_US: Final = SECOND_US


class Lanes:
    """The lanes of this installation, by name; `stirred` hears that one of them went down or came up."""

    def __init__(self, *, log: Log, clock: Clock, mint: Mint, witness: Witness, stirred: Callable[[], None]) -> None:
        self._log = log
        self._clock = clock
        self._mint = mint
        self._witness = witness
        self._stirred = stirred
        self._bell = Bell(clock)
        self.actors: dict[str, LaneActor] = {}

    async def adopt(self, settings: Settings) -> Settings:
        """Goes on with these lanes; answers the settings with the policy that is in force in each.

        Lanes that are no longer configured keep their messages and wait. All of it happens, or nothing: where the log
        refuses any of it, every lane does what it did, and what was recorded so far is found again next time.
        """
        prepared: list[tuple[LaneActor, Lane, Lane]] = []
        for lane in settings.lanes:
            actor = self.actors.get(lane.name) or await self._actor(lane)
            prepared.append((actor, await actor.prepare(lane), lane))
        for actor, lane, configured in prepared:
            actor.use(lane, configured.policy)
            self.actors[lane.name] = actor
        for name in self.actors.keys() - {lane.name for lane in settings.lanes}:
            if self.actors[name].is_served:
                self.actors[name].retire(self._clock.now_us())
        return replace(settings, lanes=tuple(self.actors[lane.name].lane for lane in settings.lanes))

    async def run(self) -> None:
        """Has every lane that is lost find out where it stands, until cancelled."""
        while True:
            wake_us: int | None = None
            for actor in [actor for actor in self.actors.values() if actor.is_lost]:
                try:
                    await actor.look()
                except LOG_TROUBLE as error:
                    self._witness.note("lane_unread", lane=actor.lane.name, error=type(error).__name__)
                    wake_us = self._clock.now_us() + _AGAIN_US
                except NONSENSE as error:
                    # It keeps its messages until a person has looked at it, and the others go on.
                    self._witness.note("lane_parked", lane=actor.lane.name, error=str(error))
            await self._bell.wait(wake_us)

    def versions(self) -> dict[str, int]:
        """The version of the policy in force in each lane."""
        return {name: actor.policy_version for name, actor in self.actors.items()}

    def siblings_of(self, lane: LaneActor) -> list[LaneActor]:
        """The other lanes of the same account at a provider."""
        if not lane.lane.account:
            return []
        account = lane.lane.provider, lane.lane.account
        others = self.actors.values()
        return [other for other in others if other is not lane and (other.lane.provider, other.lane.account) == account]

    def of_account(self, name: str) -> tuple[str, ...]:
        """A lane and those that share its account at a provider."""
        lane = self.actors.get(name)
        return (name,) if lane is None else (name, *(other.lane.name for other in self.siblings_of(lane)))

    async def _actor(self, lane: Lane) -> LaneActor:
        """A lane's actor; one whose name the log knows goes on where it was."""
        known = [head.stream for head in await self._log.heads_of_kind("lane") if head.lane == lane.name]
        stream = known[0] if known else self._mint.next(self._clock.now_us())
        actor = LaneActor(lane, stream, log=self._log, clock=self._clock, witness=self._witness)
        actor.stirred, actor.lost = self._stirred, self._bell.ring
        if known:
            actor.replay(await self._log.events_of(stream))
        return actor
