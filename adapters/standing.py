"""The daemon while it stands by: it takes in for the one that acts, shows what the log holds, and hands the rest on.

This file answers for a daemon that takes nothing in before it knows that the log is kept under its own key. It must
never send, nor write an event.
"""

from typing import Final

import anyio
from anyio.abc import TaskStatus

from actors.diary import key_check_in
from actors.standing_by import Standby
from adapters.acting import Ground, world_of
from adapters.clock import SystemClock
from adapters.config.loading import Config
from adapters.installation import check_key
from adapters.starting import Node, check_lanes
from adapters.web.desks import Side
from core.errors import Refused
from core.ids import INSTALLATION
from core.ports import Clock, Door, Log

# How long the acting daemon's answer to a call is waited for.
ASK_WITHIN_S: Final = 15.0
# How soon the log is asked again where it could not be read.
_AGAIN_S: Final = 1.0


class Standing:
    """The side of a daemon that stands by. Made by `open`; `run` keeps it up to date."""

    def __init__(self, standby: Standby, *, log: Log, door: Door, clock: Clock, release: str) -> None:
        self.mint = standby.mint
        self._standby = standby
        self._log = log
        self._door = door
        self._clock = clock
        self._release = release

    @classmethod
    async def open(cls, node: Node, ground: Ground, config: Config) -> "Standing":
        """Beside the daemon that acts. Raises CannotStart where this one could not take over, Refused without a log."""
        log, clock = node.log_for_reading, SystemClock(floor_us=node.newest()[1])
        await check_lanes(config, clock, ground.release)
        standby = await Standby.open(world_of(log, clock, ground), config.settings, node.door)
        return cls(standby, log=log, door=node.door, clock=clock, release=ground.release)

    def side(self) -> Side:
        """What answers behind the door."""
        return Side(desk=self._standby, views=self._standby, log=self._log, clock=self._clock, stand=self)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Takes in and follows the log, until cancelled."""
        await self._standby.run(task_status=task_status)

    async def reload(self, config: Config) -> None:
        """Goes on under this configuration. Raises CannotStart where this daemon could not take over with it."""
        await check_lanes(config, self._clock, self._release)
        self._standby.adopt(config.settings)

    async def ask(self, request: bytes) -> bytes:
        """The acting daemon's answer. Raises StoreUnavailable where nobody acts, AppendUnknown where none came."""
        return await self._door.ask(request, within_s=ASK_WITHIN_S)

    async def look_again(self) -> None:
        """Has this daemon know of keys and lanes what the log holds by now. Raises Refused where it cannot be read."""
        await self._standby.look_again()


async def key_known(log: Log, ground: Ground) -> None:
    """Returns once the log shows that it is kept under this daemon's key.

    Raises StoreRefused where it is another one. A log that is about to be begun tells only then.
    """
    while True:
        try:
            recorded = await log.events_of(INSTALLATION)
        except Refused:
            recorded = []
        check_key(ground.secrets, recorded, store=ground.place)
        if key_check_in(recorded) is not None:
            return
        await anyio.sleep(_AGAIN_S)
