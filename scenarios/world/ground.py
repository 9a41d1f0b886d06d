"""What outlives the daemon in a run: the durable log, the world's books, the plan of what is still to happen.

This file answers for a run's state over all lives of the daemon. It must never hold anything of a life itself: loops,
tasks, clocks and actors are gone after each crash.
"""

from collections.abc import Callable, Collection
from typing import Final, Literal

import msgspec

from actors.system import System
from adapters.chance import KeyedChance
from core.contents import read
from core.conversation import Conversation
from core.message import Message
from core.policies import MINUTE_US
from core.ports import Chance, Channel, Clock, Log
from core.settings import Settings
from eventstore.disk import Disk
from eventstore.durable import Durable
from eventstore.memory import MemoryLog
from scenarios.draws import Draws
from scenarios.file.arriving import Request, requests_of
from scenarios.file.scenario import Scenario
from scenarios.file.tables import Fault
from scenarios.laws.finding import Finding
from scenarios.world.books import Books, Told
from scenarios.world.borders import Borders
from scenarios.world.choosing import Subject
from scenarios.world.clock import Timepiece
from scenarios.world.nature import Nature
from scenarios.world.randomness import SimulatedSecrets

# How often memory is looked into while something happens, and for how long after the last arrival.
_LOOKS: Final = 4
_LOOKS_BEYOND_US: Final = 2 * MINUTE_US

EndedBy = Literal["crash", "stop", "trouble", "bug", "end"]


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What the daemon is built from. The defaults are sound; tests plant a broken part to see a law fail."""

    log_of: Callable[[Durable, Disk], Log] = MemoryLog
    channel_of: Callable[[Channel], Channel] = lambda channel: channel
    clock_of: Callable[[Clock], Clock] = lambda clock: clock
    chance_of: Callable[[int], Chance] = KeyedChance
    settings_of: Callable[[Settings], Settings] = lambda settings: settings
    started: Callable[[System], None] = lambda _system: None


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """One life of the daemon, from its start to its end, in log time. `ready_us` is None where it never got there,
    `stopping_us` where it was not asked to stop.
    """

    began_us: int
    ready_us: int | None
    stopping_us: int | None
    ended_us: int
    ended_by: EndedBy
    where: str = ""


class Present(msgspec.Struct, frozen=True, kw_only=True):
    """The life that is under way. It must hold nothing of its loop: after a crash this is all that is left of it."""

    timepiece: Timepiece
    began_us: int
    ready_us: int | None = None
    stopping_us: int | None = None


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What an awake conversation held in memory at an instant, and how many events the log held of each stream then."""

    at_us: int
    conversation: Conversation
    open: dict[int, Message]
    versions: dict[int, int]


class Ground:
    """One run's state. Instants are true time, in microseconds since the start, unless they say otherwise."""

    def __init__(self, scenario: Scenario, seed: int, parts: Parts, crash_at: Collection[int] = ()) -> None:
        self.scenario = scenario
        self.parts = parts
        self.draws = Draws(seed)
        self.durable = Durable()
        self.books = Books()
        self.borders = Borders(crash_at)
        self.secrets = SimulatedSecrets(self.draws)
        self.nature = Nature(scenario, self.draws)
        self.settings = parts.settings_of(scenario.settings)
        self.clock_steps = sorted(
            (fault.at_us, fault.clock_us) for fault in scenario.faults if fault.clock_us is not None
        )
        # Calls and orders that are still to be made; whatever a crash interrupts stays here.
        requests = [one for arrive in scenario.arrivals for one in requests_of(arrive, scenario.start_us, self.draws)]
        requests.sort(key=lambda request: (request.at_us, request.key, request.nth))
        self.unfinished = {(request.key, request.nth): request for request in requests}
        self.calling: dict[tuple[str, int], Request] = {}
        self.orders = sorted(scenario.operators, key=lambda operator: operator.at_us)
        self.ends = sorted(
            (fault for fault in scenario.faults if fault.daemon is not None), key=lambda fault: fault.at_us
        )
        self.bodies = {request.key: request.body for request in requests}
        self.subjects = {request.key: self._subject(request) for request in requests if request.nth == 1}
        self.keyed = frozenset(request.key for request in requests if request.has_key)
        self.streams: dict[str, int] = {}
        last_us = max((request.at_us for request in requests), default=0)
        self.looks = sorted(
            self.draws.integer("look", number, below=last_us + _LOOKS_BEYOND_US) for number in range(_LOOKS)
        )
        self.down_us: int | None = None
        self.lives: list[Life] = []
        self.present: Present | None = None
        self.memories: list[Memory] = []
        self.findings: list[Finding] = []

    def told(self, told: Told) -> None:
        """A client has its answer."""
        self.books.told.append(told)
        if told.stream is not None:
            self.streams[told.key] = told.stream

    def life_ended(self, by: EndedBy, now_us: int) -> None:
        """The daemon is gone: half of what was under way is lost, and whoever called it hears nothing."""
        assert self.present is not None, "a life that ends has begun"
        self.lives.append(
            Life(
                began_us=self.present.began_us,
                ready_us=self.present.ready_us,
                stopping_us=self.present.stopping_us,
                ended_us=self.present.timepiece.at(now_us),
                ended_by=by,
                where=self.borders.crashed_at if by == "crash" else "",
            )
        )
        self.borders.crashed_at = ""
        self.books.lose_in_transit(now_us, self.draws)
        for request in self.calling.values():
            if not request.has_key:
                # It cannot know whether it was heard, and has no key under which to ask again.
                self.told(Told(key=request.key, nth=request.nth, at_us=now_us, what="unknown"))
                del self.unfinished[request.key, request.nth]
        self.calling.clear()

    def next_end(self, now_us: int) -> Fault | None:
        """The next crash or stop that the scenario asks for; those of a time at which nothing ran are passed over."""
        while self.ends and self.ends[0].at_us < now_us:
            self.ends.pop(0)
        return self.ends[0] if self.ends else None

    def _subject(self, request: Request) -> Subject:
        submission = read(request.body)
        lanes = self.scenario.settings.lanes
        lane = submission.lane or next(lane.name for lane in lanes if lane.channel == submission.channel)
        return Subject(
            key=request.key,
            lane=lane,
            channel=submission.channel,
            tenant=request.tenant,
            to=submission.subject,
            host=submission.host,
            content=submission.content,
        )
