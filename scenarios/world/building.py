"""What a simulated daemon is built from: the actors' surroundings, and a channel for each lane.

This file answers for the wiring, as adapters/daemon.py does in production. It must never start anything.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from actors.system import System
from actors.world import World
from adapters.channels.push_devices import PushDevices
from core.ports import Chance, Channel, Clock, Log
from scenarios.world.books import Books, Handed
from scenarios.world.channel import Alone, AskableChannel, Author, SimulatedChannel
from scenarios.world.ground import Ground
from scenarios.world.meeting import Meeting
from scenarios.world.naming import key_of
from scenarios.world.nature import can_tell
from scenarios.world.recorded import chance_of

if TYPE_CHECKING:
    from scenarios.wire.wiring import Wire

# What a sound run never says: a channel that raised, a conversation whose events make no sense.
_ALARMS: Final = {"send_bug", "conversation_parked"}
_ALONE: Final = Alone()


class Witness:
    """Listens for what must not happen."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def note(self, name: str, /, **values: str | int | float | None) -> None:
        """One thing that happened."""
        if name in _ALARMS:
            self._books.alarms.append(f"{name}: {', '.join(f'{key} {value}' for key, value in values.items())}")


def world_of(ground: Ground, log: Log, clock: Clock, zones: dict[str, ZoneInfo]) -> World:
    """What the actors stand on."""
    return World(
        log=log,
        clock=clock,
        secrets=ground.secrets,
        witness=Witness(ground.books),
        chance_of=partial(_chance, ground),
        zone_of=zones.__getitem__,
        release="simulated",
    )


def _chance(ground: Ground, seed: int) -> Chance:
    return chance_of(ground.scenario.answered, ground.parts.chance_of(seed), partial(key_of, ground.durable))


def channels_of(
    ground: Ground,
    system: System,
    clock: Clock,
    *,
    now_us: Callable[[], int],
    tell: Callable[[Handed, Meeting], None],
    author: Author = _ALONE,
    wire: "Wire | None" = None,
) -> dict[str, Channel]:
    """A channel to the simulated other side of each lane. `tell` hears of what it took."""
    made: dict[str, Channel] = {}
    for lane in ground.settings.lanes:
        kind: Callable[..., Channel] = AskableChannel if can_tell(ground.scenario, lane) else SimulatedChannel
        if wire is not None and lane.name in ground.scenario.wired:
            kind = wire.channel_of(lane, clock)
        channel = ground.parts.channel_of(
            kind(
                lane,
                nature=ground.nature,
                books=ground.books,
                borders=ground.borders,
                durable=ground.durable,
                subject_of=ground.subject_of,
                clock=clock,
                now_us=now_us,
                tell=tell,
                author=author,
            )
        )
        if lane.channel == "push":
            # Without any device in the file, users are taken for devices, as by a sandbox.
            has_devices = bool(ground.scenario.devices)
            channel = PushDevices(channel, devices=system.devices, pushes=system.pushes, takes_users=not has_devices)
        made[lane.name] = channel
    return made
