"""A daemon that stands by: it takes in what comes, durably, and leaves it to the one that acts.

This file answers for everything that such a daemon can do by itself: it knows peers, keys and lanes, and nothing of
what is due. It must never send, and never write an event.
"""

import asyncio
from typing import Final

import anyio
from anyio.abc import TaskStatus

from actors.errands import message_in
from actors.followed_erasures import FollowedErasures
from actors.followed_lanes import FollowedLanes
from actors.hooks import Brought, HookIntake, LeftNews
from actors.intake import Intake
from actors.keys import Keys
from actors.sender import NONSENSE
from actors.world import World
from core.errors import Refused
from core.ids import Mint
from core.message import Message
from core.policies import SECOND_US
from core.ports import Door, Secrets
from core.settings import Settings

# How long a new key, the end of one, a lane's pause or the end of an erasure may go unnoticed here.
_LOOK_US: Final = SECOND_US


class StandbyHooks(HookIntake):
    """The desk for hooks: news are left for whoever acts, which is as good as heeded for their sender."""

    def __init__(self, intake: Intake, door: Door, secrets: Secrets) -> None:
        super().__init__(intake)
        self._door = door
        self._news = LeftNews(secrets)

    async def heed(self, brought: Brought) -> None:
        """Has all news recorded for the daemon that acts. Raises Refused or AppendUnknown as the door does."""
        if brought.news:
            await self._door.leave(self._news.left_by(brought), tenant=brought.tenant)


class Standby:
    """What of a system is there while another daemon acts, for its door to hand out. `world.log` is for reading."""

    def __init__(self, world: World, settings: Settings, door: Door) -> None:
        self._world = world
        self._unready = ["the daemon does not know the log's keys yet"]
        self._lanes = FollowedLanes(settings, log=world.log, witness=world.witness)
        self.mint = world.mint if world.mint is not None else Mint(slot=world.slot, floor=world.log.newest()[0])
        self.intake = Intake(
            first_up=self._lanes.first_up,
            log=world.log,
            clock=world.clock,
            secrets=world.secrets,
            mint=self.mint,
            accept=door.accept,
            arrivals=None,
            settings=settings,
        )
        self._erasures = FollowedErasures(log=world.log, peers=self.intake.peers, witness=world.witness)
        self.hooks = StandbyHooks(self.intake, door, world.secrets)
        self.keys = Keys(log=world.log, clock=world.clock, secrets=world.secrets, mint=self.mint)
        self._active: frozenset[int] = frozenset()
        # One look at a time; they are numbered, so that each asker knows whether one has begun since.
        self._looking = asyncio.Lock()
        self._looks_begun = self._last_look = 0

    @classmethod
    async def open(cls, world: World, settings: Settings, door: Door) -> "Standby":
        """One that knows the log's keys as they are now. Raises Refused where the log cannot be read."""
        standby = cls(world, settings, door)
        await standby.look_again()
        return standby

    def adopt(self, settings: Settings) -> None:
        """Goes on under another configuration."""
        self._lanes.adopt(settings)
        self.intake.adopt(self._lanes.settings())

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Takes in until cancelled, and follows what the log says of keys and lanes."""
        self.intake.is_open, self._unready = True, []
        task_status.started()
        try:
            await self._follow()
        finally:
            self.intake.is_open, self._unready = False, ["the daemon does not stand by any more"]

    # -- what it can show

    @property
    def paused_lanes(self) -> set[str]:
        """Lanes that let nothing out until they are resumed."""
        return self._lanes.paused

    @property
    def lane_names(self) -> set[str]:
        """Every lane that is there or was there once."""
        return self._lanes.names

    async def message(self, tenant: str | None, stream: int) -> Message:
        """A message's present state, folded from the log. Raises NotFound where this tenant has none."""
        return await message_in(self._world.log, tenant, stream)

    def ready(self) -> list[str]:
        """Why new work cannot be taken now; empty when it can."""
        health, why = self._world.log.health()
        return [*self._unready, *([] if health == "ok" else [f"the store is failing: {why}"])]

    async def look_again(self) -> None:
        """Knows every key and lane as the log holds them by now. Raises Refused where it cannot be read.

        Whoever asks while others are looking shares the next look: anybody may ask, with a key that is none.
        """
        before = self._looks_begun
        async with self._looking:
            if self._last_look > before:
                return
            self._looks_begun = look = self._looks_begun + 1
            await self._look()
            self._last_look = look

    async def _look(self) -> None:
        log = self._world.log
        active = frozenset(head.stream for head in await log.heads_of_kind("sys", status="active"))
        for key in sorted(active ^ self._active):
            try:
                self.keys.replay(await log.events_of(key))
            except NONSENSE as error:
                # Of a newer release, most likely. It may have been revoked, so it opens nothing here.
                self.keys.forget(key)
                self._world.witness.note("key_parked", key=key, error=str(error))
        self._active = active
        await self._erasures.look_again()
        if await self._lanes.look_again():
            self.intake.adopt(self._lanes.settings())

    async def _follow(self) -> None:
        clock = self._world.clock
        while True:
            # Asked before looking, so that no commit is missed.
            changed = asyncio.ensure_future(self._world.log.changed())
            try:
                await self.look_again()
                await changed
            except Refused as error:
                self._world.witness.note("log_unread", error=type(error).__name__)
            finally:
                changed.cancel()
            await clock.sleep_until(clock.now_us() + _LOOK_US)
