"""The actors as one: recovery, then work, then a clean stop.

This file answers for the order of things at start and at stop. Everything that waits runs inside `run`; whatever fails
there ends it, and the process with it, because the log is the truth and a restart reads it again.
"""

from collections.abc import Mapping

import anyio
from anyio.abc import TaskStatus

from actors.lane import LaneActor
from actors.sender import LOG_TROUBLE
from actors.taking_in import Answer
from actors.wiring import Wired
from actors.world import World as World
from core import events as e
from core.erasures import STATUSES
from core.errors import StreamParked
from core.ids import INSTALLATION
from core.policies import Policy
from core.ports import Channel
from core.records import Recorded
from core.settings import Settings


class System(Wired):
    """The actors of a daemon while it acts. Made by `open`; `run` recovers, then works until `stop`."""

    def __init__(
        self, world: World, settings: Settings, channels: Mapping[str, Channel], diary: list[Recorded]
    ) -> None:
        super().__init__(world, settings, channels, diary)
        self._configured = settings
        # Lanes that are served, and what waits in them was not read yet.
        self._unloaded: list[str] = []
        self._unready = ["the daemon has not recovered its log yet"]
        self._stopping = anyio.Event()
        self._stopped = anyio.Event()

    @classmethod
    async def open(cls, world: World, settings: Settings, channels: Mapping[str, Channel]) -> "System":
        """The actors over a log: its diary is read, nothing is written yet. `channels` are by lane name."""
        return cls(world, settings, channels, await world.log.events_of(INSTALLATION))

    def use(self, channels: Mapping[str, Channel]) -> None:
        """Sends through these from here on: for those that ask the system itself, and so come after it."""
        self._sender.channels = channels

    def answer_with(self, answer: Answer | None) -> None:
        """Has what other daemons pass on carried out by this from here on; before, and with None, that waits."""
        if self._taking_in is not None:
            self._taking_in.answer = answer

    # -- life

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Recovers, says so, then works until `stop` has let everything in flight come to its end."""
        try:
            await self._recover()
            await self._work(task_status)
            await self._part()
        finally:
            self._stopped.set()

    async def _work(self, task_status: TaskStatus[None]) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(self.scheduler.run)
            group.start_soon(self._interrupted.run, self.roster, self.scheduler)
            group.start_soon(self._lanes.run)
            group.start_soon(self._arrivals.settle_doubts)
            group.start_soon(self.redrives.run)
            group.start_soon(self.receipts.run)
            group.start_soon(self.fallbacks.run)
            group.start_soon(self.failover.run)
            group.start_soon(self.endings.run)
            group.start_soon(self.plans.run)
            group.start_soon(self._stale_devices.run)
            group.start_soon(self.shadows.run)
            group.start_soon(self.erasures.run)
            if self._taking_in is not None:
                group.start_soon(self._taking_in.run)
            self.intake.is_open = True
            self._unready = []
            task_status.started()
            await self._stopping.wait()
            self.intake.is_open = False
            self._unready = ["the daemon is stopping"]
            await self.scheduler.finish(self._world.clock.now_us() + self._settings.bounds.stop_within_us)
            group.cancel_scope.cancel()

    async def _part(self) -> None:
        await self.shadows.part()
        try:
            await self._diary.stopped()
        except LOG_TROUBLE as error:
            # The next start takes it for a crash, which loses nothing; waiting for the store could take for ever.
            self._world.witness.note("stop_unrecorded", error=type(error).__name__)

    async def stop(self) -> None:
        """Takes nothing new, lets attempts in flight end within the bound, and returns when nothing runs any more."""
        self._stopping.set()
        await self._stopped.wait()

    def ready(self) -> list[str]:
        """Why new work cannot be taken now; empty when it can."""
        health, why = self._world.log.health()
        if health == "ok" and self._taking_in is not None:
            why = self._taking_in.trouble
        return [*self._unready, *([f"the store is failing: {why}"] if why else [])]

    async def reload(self, settings: Settings, channels: Mapping[str, Channel]) -> None:
        """Goes on under another configuration, or raises what the log does and goes on under the one it had.

        Every changed policy is an event with a version.
        """
        self._unloaded += await self._adopt(settings)
        self._configured = settings
        self._sender.channels = channels
        self._stale_devices.policy_changed()
        self.scheduler.limits_changed()
        # Where the log cannot be read just now, they are read by the next reload.
        if self._unloaded:
            await self.scheduler.load(self._unloaded)
            self._unloaded = []

    async def promote(self, lane: str) -> LaneActor:
        """Makes a lane's shadow its policy, from the next decision on."""
        await self.shadows.promote(lane)
        await self.reload(self._configured, self._sender.channels)
        return self._lanes.actors[lane]

    @property
    def policies(self) -> Mapping[str, Policy]:
        """Every policy by its name: the built-in ones, and those that are configured."""
        return self._settings.policies

    # -- recovery, in this order

    async def _recover(self) -> None:
        await self._diary.started(self._world.release)
        lanes = await self._adopt(self._settings)
        await self._read_sys()
        await self.receipts.recall()
        interrupted = await self._interrupted.resolve(self.roster, self.scheduler)
        self._world.witness.note("recovered", boot=self._diary.boot, interrupted=interrupted)
        await self._long_windows.recall()
        await self.scheduler.load(lanes)

    async def _adopt(self, settings: Settings) -> list[str]:
        """Goes on with these lanes; answers those that nobody has served so far.

        Lanes that are no longer configured keep their messages and wait.
        """
        named = await self._diary.adopt(settings.policies)
        actors = self._lanes.actors
        fresh = [lane.name for lane in settings.lanes if lane.name not in actors]
        self._settings = settings = await self._lanes.adopt(settings)
        for lane in settings.lanes:
            self._governor.adopt(lane.name, lane.policy.limits)
            self.scheduler.serve(actors[lane.name])
        self._terms.adopt(settings, self._lanes.versions(), named)
        self._terms.cast(self.shadows.adopt())
        self.intake.adopt(settings)
        self.plans.adopt(settings)
        self.devices.adopt(settings)
        return fresh

    async def _read_sys(self) -> None:
        """Keys and redrive jobs: few streams, each read whole. Erasures are gone on with by themselves."""
        for head in await self._world.log.heads_of_kind("sys"):
            if head.stream == INSTALLATION or head.status in STATUSES:
                continue
            try:
                recorded = await self._world.log.events_of(head.stream)
            except StreamParked as error:
                # A key with it may have been revoked, so it opens nothing; whatever else it is waits as well.
                self._world.witness.note("sys_parked", stream=head.stream, error=str(error))
                continue
            if isinstance(recorded[0].event, e.KeyAdded):
                self.keys.replay(recorded)
            else:
                self.redrives.replay(head.tenant, recorded)
