"""Every actor of a daemon, and who knows whom.

This file answers for the wires between actors: what each is built from, and whom a message's change concerns. Nothing
runs here; see system.py for the order of things in a daemon's life.
"""

from collections.abc import Mapping

from actors.arrivals import Arrivals
from actors.chains import Chains
from actors.devices import Devices
from actors.diary import Diary
from actors.endings import Endings
from actors.erasing import Sweeper
from actors.erasure_streams import ErasureStreams
from actors.erasures import Erasures
from actors.errands import Errands
from actors.explaining import Explainer
from actors.failover import Failover
from actors.fallbacks import Fallbacks
from actors.forgetting import Forgetting
from actors.governor import Governor
from actors.hooks import Hooks, LeftNews
from actors.intake import Intake
from actors.interrupted import Interrupted
from actors.keys import Keys
from actors.lanes import Lanes
from actors.long_windows import LongWindows
from actors.parcels import Parcels
from actors.plans import Plans
from actors.pushes import Pushes
from actors.receipts import Receipts
from actors.redrives import Redrives
from actors.roster import Roster
from actors.scheduler import Scheduler
from actors.sender import Sender
from actors.shadows import Shadows
from actors.stale_devices import StaleDevices
from actors.surroundings import Surroundings
from actors.taking_in import TakingIn
from actors.terms import TermsBook
from actors.world import World as World
from core.ids import Mint
from core.message import Message
from core.ports import Channel
from core.records import Alias, Recorded
from core.settings import Settings


class Wired:
    """Every actor, built and wired, over a log whose diary was read."""

    def __init__(
        self, world: World, settings: Settings, channels: Mapping[str, Channel], diary: list[Recorded]
    ) -> None:
        self._world = world
        self._settings = settings
        self._diary = Diary(diary, log=world.log, clock=world.clock, secrets=world.secrets)
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
        self._forget()
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

    def _forget(self) -> None:
        """Who sees to it that nothing private is kept of somebody."""
        world = self._world
        log, clock, peers = world.log, world.clock, self.intake.peers
        streams = ErasureStreams(log=log, clock=clock, secrets=world.secrets, mint=self._mint)
        sweeper = Sweeper(log=log, clock=clock, errands=self.errands, parcels=self._parcels, witness=world.witness)
        forgetting = Forgetting(
            log=log,
            clock=clock,
            streams=streams,
            sweeper=sweeper,
            peers=peers,
            roster=self.roster,
            devices=self.devices,
            plans=self.plans,
            in_step=None if log.inbox is None else self._in_step,
        )
        self.erasures = Erasures(
            log=log, clock=clock, streams=streams, forgetting=forgetting, peers=peers, witness=world.witness
        )

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
