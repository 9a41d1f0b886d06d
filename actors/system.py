"""The actors as one: recovery, then work, then a clean stop.

This file answers for the order of things at start and at stop. Everything that waits runs inside `run`; whatever fails
there ends it, and the process with it, because the log is the truth and a restart reads it again.
"""

from collections.abc import Mapping

import anyio
from anyio.abc import TaskStatus

from actors.arrivals import Arrivals
from actors.chains import Chains
from actors.devices import Devices
from actors.diary import Diary
from actors.endings import Endings
from actors.errands import Errands
from actors.explaining import Explainer
from actors.failover import Failover
from actors.fallbacks import Fallbacks
from actors.governor import Governor
from actors.hooks import Hooks, LeftNews
from actors.intake import Intake
from actors.interrupted import Interrupted
from actors.keys import Keys
from actors.lane import LaneActor
from actors.lanes import Lanes
from actors.long_windows import LongWindows
from actors.parcels import Parcels
from actors.plans import Plans
from actors.pushes import Pushes
from actors.receipts import Receipts
from actors.redrives import Redrives
from actors.roster import Roster
from actors.scheduler import Scheduler
from actors.sender import LOG_TROUBLE, Sender
from actors.shadows import Shadows
from actors.stale_devices import StaleDevices
from actors.surroundings import Surroundings
from actors.taking_in import Answer, TakingIn
from actors.terms import TermsBook
from actors.world import World as World
from core import events as e
from core.ids import INSTALLATION, Mint
from core.message import Message
from core.policies import Policy
from core.ports import Channel
from core.records import Alias, Recorded
from core.settings import Settings


class System:
    """Every actor, wired. Made by `open`; `run` recovers, then works until `stop`."""

    def __init__(
        self, world: World, settings: Settings, channels: Mapping[str, Channel], diary: list[Recorded]
    ) -> None:
        self._world = world
        self._configured = self._settings = settings
        # Lanes that are served, and what waits in them was not read yet.
        self._unloaded: list[str] = []
        self._diary = Diary(diary, log=world.log, clock=world.clock, secrets=world.secrets)
        self._unready = ["the daemon has not recovered its log yet"]
        self._stopping = anyio.Event()
        self._stopped = anyio.Event()
        self._interrupted = Interrupted(
            log=world.log,
            clock=world.clock,
            witness=world.witness,
            former_start_us=self._diary.former_start_us,
        )
        self._mint = world.mint if world.mint is not None else Mint(slot=world.slot, floor=world.log.newest()[0])
        self._governor = Governor()
        self._terms = TermsBook(settings, world.zone_of)
        self._long_windows = LongWindows(self._governor, log=world.log, clock=world.clock)
        self._parcels = Parcels(world.log, bytes_max=settings.bounds.parcels_bytes_max)
        self._lanes = Lanes(
            log=world.log, clock=world.clock, mint=self._mint, witness=world.witness, stirred=self._stirred
        )
        self.shadows = Shadows(self._lanes.actors, witness=world.witness, is_up=self._is_up)
        self.shadows.changed = lambda: self._terms.cast(self.shadows.adopt())
        self._build_path(channels)
        self._open_doors()
        self._keep_devices()
        self._keep_plans()
        chains = Chains(world.log, self.plans.of_message)
        lanes = self._lanes.actors
        self.explainer = Explainer(self._surroundings, chains, governor=self._governor, lanes=lanes, roster=self.roster)

    def _build_path(self, channels: Mapping[str, Channel]) -> None:
        """What carries messages out: who is awake, who sends, who says when."""
        log, clock, witness, bounds = self._world.log, self._world.clock, self._world.witness, self._settings.bounds
        self._surroundings = Surroundings(
            names_of=self._names_of,
            noticed=self._noticed,
            unsure=self._unsure,
            may_be_under_way=self._interrupted.may_be_under_way,
            shadows=self.shadows,
            log=log,
            clock=clock,
            chance=self._world.chance_of(self._diary.seed),
            terms_of=self._terms.of,
            is_up=self._is_up,
            window_max=bounds.window_max,
            mail_max=bounds.mail_max,
        )
        self.roster = Roster(self._surroundings, awake_max=bounds.awake_max, idle_us=bounds.idle_us)
        self._sender = Sender(
            roster=self.roster,
            parcels=self._parcels,
            governor=self._governor,
            clock=clock,
            witness=witness,
            may_send=log.may_send,
        )
        self._sender.channels = channels
        self.scheduler = Scheduler(
            log=log,
            clock=clock,
            governor=self._governor,
            roster=self.roster,
            sender=self._sender,
            long_windows=self._long_windows,
            witness=witness,
            bounds=bounds,
        )

    def _open_doors(self) -> None:
        """Where requests come in: new messages, and what people ask of those that exist."""
        world = self._world
        log, clock, mint = world.log, world.clock, self._mint
        self.errands = Errands(
            log=log,
            clock=clock,
            roster=self.roster,
            scheduler=self.scheduler,
            governor=self._governor,
            lane_actors=self._lanes.actors,
        )
        self.failover = Failover(
            log=log, clock=clock, errands=self.errands, lanes=self._lanes.actors, witness=world.witness
        )
        self.endings = Endings(log=log, clock=clock, errands=self.errands, witness=world.witness)
        self._build_intake()
        self.receipts = Receipts(
            log=log,
            clock=clock,
            secrets=world.secrets,
            mint=mint,
            errands=self.errands,
            witness=world.witness,
            lanes_of=self._lanes.of_account,
        )
        self.hooks = Hooks(
            peers=self.intake.peers,
            intake=self.intake,
            receipts=self.receipts,
            errands=self.errands,
            witness=world.witness,
            acts=log.may_send,
        )
        self.fallbacks = Fallbacks(
            log=log, clock=clock, errands=self.errands, intake=self.intake, witness=world.witness
        )
        self._sender.siblings_of = self._lanes.siblings_of
        self.redrives = Redrives(log=log, clock=clock, mint=mint, errands=self.errands, witness=world.witness)
        self.keys = Keys(log=log, clock=clock, secrets=world.secrets, mint=mint)
        self._taking_in: TakingIn | None = None
        if log.inbox is not None:
            arrivals, hooks, witness = self._arrivals, self.hooks, world.witness
            news = LeftNews(world.secrets)
            self._taking_in = TakingIn(
                log.inbox, log=log, clock=clock, arrivals=arrivals, hooks=hooks, news=news, witness=witness
            )

    def _build_intake(self) -> None:
        """How a message that is durable gets on the agenda, and the door for those of this daemon."""
        world = self._world
        log, clock = world.log, world.clock
        self._arrivals = Arrivals(
            log=log,
            clock=clock,
            roster=self.roster,
            scheduler=self.scheduler,
            parcels=self._parcels,
            noticed=self._waits,
        )
        self.intake = Intake(
            first_up=self.failover.first_up,
            log=log,
            clock=clock,
            secrets=world.secrets,
            mint=self._mint,
            accept=log.accept,
            in_step=None if log.inbox is None else self._in_step,
            arrivals=self._arrivals,
            settings=self._settings,
        )

    async def _in_step(self) -> None:
        """What another daemon took in before may be of the same conversation, and leaves first."""
        assert self._taking_in is not None, "others take in where there is an inbox"
        await self._taking_in.caught_up()

    def _keep_plans(self) -> None:
        """Who knows what people are to be reminded of, and sees to it."""
        world = self._world
        self.plans = Plans(
            log=world.log,
            clock=world.clock,
            secrets=world.secrets,
            mint=self._mint,
            errands=self.errands,
            intake=self.intake,
            zone_of=world.zone_of,
            witness=world.witness,
            settings=self._settings,
        )

    def _keep_devices(self) -> None:
        """Who knows which devices a user has, and what a push to them comes to."""
        world = self._world
        log, clock, witness = world.log, world.clock, world.witness
        self.devices = Devices(
            log=log, clock=clock, secrets=world.secrets, mint=self._mint, witness=witness, settings=self._settings
        )
        self._stale_devices = StaleDevices(log=log, clock=clock, devices=self.devices, witness=witness)
        self.pushes = Pushes(log=log, devices=self.devices, errands=self.errands, intake=self.intake)

    # -- what follows from a message

    def _names_of(self, message: Message) -> tuple[Alias, ...]:
        """Under which names its provider's receipts will look for a message that was taken."""
        lane = self._lanes.actors.get(message.lane)
        return self.receipts.names_of(message) if lane is not None and lane.lane.has_receipts else ()

    def _noticed(self, message: Message) -> None:
        self.receipts.noticed(message)
        self.fallbacks.noticed(message)
        self._waits(message)

    def _waits(self, message: Message) -> None:
        self.failover.noticed(message)
        self.endings.noticed(message)

    def _unsure(self, message: Message) -> None:
        """It may be due in its lane from here on; its conversation will know."""
        self.scheduler.arrived(message)

    def _is_up(self, lane: str) -> bool:
        return self.failover.is_up(lane)

    def _stirred(self) -> None:
        """A lane went down or came up."""
        self.failover.stirred()
        self.scheduler.ring()

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
        """Keys and redrive jobs: few streams, each read whole."""
        for head in await self._world.log.heads_of_kind("sys"):
            if head.stream == INSTALLATION:
                continue
            recorded = await self._world.log.events_of(head.stream)
            if isinstance(recorded[0].event, e.KeyAdded):
                self.keys.replay(recorded)
            else:
                self.redrives.replay(head.tenant, recorded)
