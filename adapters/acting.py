"""The daemon while it acts: the actors over the log that is this daemon's, and the channels that they send through.

This file answers for wiring them, for a reload, and for giving everything back. It must never listen for anybody, nor
ask whether it may act: whoever gives it the log has settled that.
"""

from pathlib import Path

import msgspec

from actors.system import System, World
from adapters.chance import KeyedChance, SystemSecrets
from adapters.clock import SystemClock
from adapters.config.loading import Config
from adapters.installation import check_key, first_admin_key
from adapters.reloading import Channels
from adapters.starting import CannotStart, builder, zone_finder
from adapters.telemetry import Telemetry
from adapters.web.answering import Answering
from adapters.web.desks import Side, acting
from core.ids import INSTALLATION, Mint
from core.ports import Log


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What a process has from its start to its end, whether it acts or stands by. `url` is its own, from this machine.

    `place` is the log's as people read it, `slot` this process' own among the daemons that share it.
    """

    secrets: SystemSecrets
    telemetry: Telemetry
    release: str
    place: str
    url: str
    slot: int


def world_of(log: Log, clock: SystemClock, ground: Ground, mint: Mint | None = None) -> World:
    """What the actors stand on, over this log. `mint` is what this process has minted ids with before."""
    return World(
        log=log,
        clock=clock,
        secrets=ground.secrets,
        witness=ground.telemetry,
        chance_of=KeyedChance,
        zone_of=zone_finder(ground.telemetry),
        release=ground.release,
        slot=ground.slot,
        mint=mint,
    )


class Acting:
    """Made by `open`; its `system` is run by whoever opens it, and `close` follows once nothing runs any more."""

    def __init__(self, system: System, world: World, channels: Channels, answering: Answering | None) -> None:
        self.system = system
        self._world = world
        self._channels = channels
        self._answering = answering

    @classmethod
    async def open(cls, log: Log, ground: Ground, config: Config, mint: Mint | None = None) -> "Acting":
        """The actors over this log; nothing is written yet. Raises CannotStart, and StoreRefused for another key.

        `mint` is what this process has minted ids with before, while it stood by.
        """
        check_key(ground.secrets, await log.events_of(INSTALLATION), store=ground.place)
        clock = SystemClock(floor_us=log.newest()[1])
        if clock.behind_us():
            ground.telemetry.say("warning", "warning", {"words": _behind(clock)})
        world = world_of(log, clock, ground, mint)
        system = await System.open(world, config.settings, {})
        channels = Channels(builder(system, clock, ground.secrets, ground.release), config)
        system.use(channels.now)
        # Where a log is shared, others hand on what they cannot answer.
        answering = Answering(ground.url, secrets=ground.secrets, witness=ground.telemetry) if log.inbox else None
        return cls(system, world, channels, answering)

    def side(self) -> Side:
        """What answers behind the door."""
        return acting(self.system, self._world)

    def answer_others(self) -> None:
        """Makes the calls that other daemons hand on, from here on: this daemon's own door answers by itself."""
        if self._answering is not None:
            self.system.answer_with(self._answering.answer)

    def leave_others(self) -> None:
        """Takes no more such calls: they wait for the daemon that acts next."""
        self.system.answer_with(None)

    async def first_admin_key(self, data: Path) -> Path | None:
        """Makes the first key of a new log; the file that it is in, None where there is one already."""
        try:
            return await first_admin_key(self.system.keys, data)
        except OSError as error:
            raise CannotStart(f"The first admin key cannot be written into {data}: {error}.") from None

    async def reload(self, config: Config) -> None:
        """Goes on under this configuration. Raises CannotStart, Refused or AppendUnknown, and goes on as before."""
        self._channels.adopt(config)
        await self.system.reload(config.settings, self._channels.now)

    async def close(self) -> None:
        """Gives back every connection."""
        await self._channels.close()
        if self._answering is not None:
            await self._answering.close()


def _behind(clock: SystemClock) -> str:
    return (
        f"The machine's clock is {clock.behind_us() / 1_000_000:g} s behind the last event of the log. Time goes on at"
        " half speed until the clock has caught up; set it right."
    )
