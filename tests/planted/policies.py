"""Bugs in keeping policies: waits that are too short, hours of the wrong zone, breakers that never try again."""
# ruff: noqa: SLF001 - what a daemon is made of is nobody's to choose, so it is taken from the inside

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from actors.endings import Endings
from actors.lane import LaneActor
from actors.redrives import Redrives
from actors.system import System
from core import events as e
from core.limits import UNKNOWN
from core.policies import SECOND_US, Policy
from core.records import Head
from scenarios.world.ground import Parts
from tests.planted.actors import ChangingActor, actors_of
from tests.planted.plant import Planted, world
from tests.promises import plants
from tests.promises.plants_forgetting import NamelessLog


class HurriedActor(ChangingActor):
    """Heeds Retry-After once, and then has lost patience."""

    __slots__ = ()

    def changed(self, event: e.Event, at_us: int) -> e.Event | None:
        if isinstance(event, e.AttemptFailed) and event.attempt > 1 and event.due_us is not None:
            return replace(event, due_us=min(event.due_us, at_us + SECOND_US))
        return event


class IdleEndings(Endings):
    """Ends nothing whose time is over: that is left to whoever comes by."""

    async def _end_each(self, heads: Sequence[Head]) -> bool:
        return True


class StubbornLane(LaneActor):
    """Lets nothing out once its breaker has opened, not even a probe."""

    def room_at(self, now_us: int) -> int:
        return UNKNOWN if self.breaker.open_until_us is not None else super().room_at(now_us)


class HastyRedrives(Redrives):
    """Puts dead letters back as fast as it can."""

    async def _move(self, messages: list[int], job: int) -> int:
        for message in messages:
            await self._errands.redrive(None, message, job=job)
        return len(messages)

    def _rest_us(self, stream: int) -> int:
        return 1


def _in_another_zone(policy: Policy) -> Policy:
    quiet = policy.quiet_hours
    return policy if quiet is None else replace(policy, quiet_hours=replace(quiet, zone="UTC"))


def _try_no_lane_again(system: System) -> None:
    for lane in system._lanes.actors.values():
        lane.__class__ = StubbornLane


def _end_nothing(system: System) -> None:
    system.endings.__class__ = IdleEndings


def _redrive_at_once(system: System) -> None:
    system.redrives.__class__ = HastyRedrives


POLICIES: Final[Mapping[str, Planted]] = {
    "whoever is forgotten may be written to again": Planted(
        parts=Parts(log_of=plants.log_of(NamelessLog)), file=world("forgotten_and_unwilling"), law=16
    ),
    "Retry-After is ignored from the second time on": Planted(
        parts=Parts(started=actors_of(HurriedActor)), file=world("retry_after"), law=5
    ),
    "quiet hours are those of another zone": Planted(
        parts=Parts(settings_of=plants.policies_of(_in_another_zone)), file=world("quiet_evening"), law=5
    ),
    "what is over waits for its turn to end": Planted(
        parts=Parts(started=_end_nothing), file=world("out_of_time"), law=5
    ),
    "a breaker never tries again": Planted(parts=Parts(started=_try_no_lane_again), file=world("short_outage"), law=12),
    "a redrive forgets its pace": Planted(parts=Parts(started=_redrive_at_once), file=world("paced_redrive"), law=5),
}
