"""What outlives the daemon in a run: the durable log, the world's books, the plan of what is still to happen.

This file answers for a run's state over all lives of the daemon. It must never hold anything of a life itself: loops,
tasks, clocks and actors are gone after each crash.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import lru_cache
from typing import Final, Literal

import msgspec

from actors.system import System
from adapters.chance import KeyedChance
from adapters.hooks.sources import Opened
from core.contents import read
from core.conversation import Conversation
from core.message import Message
from core.policies import MINUTE_US
from core.ports import Chance, Channel, Clock, Door, Log
from core.settings import Settings
from eventstore.disk import Disk
from eventstore.durable import Durable
from eventstore.memory import MemoryLog
from scenarios.draws import Draws
from scenarios.file.arriving import Request, requests_of
from scenarios.file.scenario import Scenario
from scenarios.file.sides import Fault
from scenarios.laws.finding import Finding
from scenarios.loop.nodes import NodeLoop
from scenarios.loop.virtual import VirtualLoop
from scenarios.world.books import Books, Told
from scenarios.world.borders import Borders
from scenarios.world.choosing import Subject
from scenarios.world.clock import Timepiece
from scenarios.world.explaining import Foretold
from scenarios.world.hooking import post_of, sources_of, subjects_in
from scenarios.world.naming import after, key_of, named
from scenarios.world.nature import Nature
from scenarios.world.randomness import SimulatedSecrets
from scenarios.world.remembering import RememberedDurable
from scenarios.world.shared import InMemory, Shared
from scenarios.world.tellings import Telling, of_accounts, of_people
from scenarios.world.wishing import planned, wishes_of

# How often memory is looked into while something happens, and for how long after the last arrival.
_LOOKS: Final = 4
_LOOKS_BEYOND_US: Final = 2 * MINUTE_US

# The worlds of one file say much the same, seed after seed: so many requests are read but once.
_READ_MAX: Final = 4_096
_read = lru_cache(_READ_MAX)(read)

EndedBy = Literal["crash", "stop", "trouble", "replaced", "bug", "end"]


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What the daemon is built from. The defaults are sound; tests plant a broken part to see a law fail.

    `opened` gets each life's system before it recovers, `started` once it has. `opening` surrounds a life of the log;
    `may_touch` are modules that may leave the simulation for it. `steps_max` is far more than a scenario takes that
    gets anywhere, and little enough to be told within minutes.

    Of several daemons, `cluster_of` is their database, `acting` makes the log of whoever begins to act what it is, and
    `door_of` the door of one that stands by. `nodes` is their loop, and `loop` that of one alone.
    """

    log_of: Callable[[Durable, Disk], Log] = MemoryLog
    channel_of: Callable[[Channel], Channel] = lambda channel: channel
    clock_of: Callable[[Clock], Clock] = lambda clock: clock
    chance_of: Callable[[int], Chance] = KeyedChance
    settings_of: Callable[[Settings], Settings] = lambda settings: settings
    opened: Callable[[System], None] = lambda _system: None
    started: Callable[[System], None] = lambda _system: None
    opening: Callable[[Log], AbstractAsyncContextManager[object]] = nullcontext
    cluster_of: Callable[[Durable], Shared] = InMemory
    acting: Callable[[Log], Log] = lambda log: log
    door_of: Callable[[Door], Door] = lambda door: door
    loop: type[VirtualLoop] = VirtualLoop
    nodes: type[NodeLoop] = NodeLoop
    may_touch: tuple[str, ...] = ()
    steps_max: int = 20_000_000


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """One life of the daemon, from its start to its end, in log time. `ready_us` is None where it never got there,
    `stopping_us` where it was not asked to stop. Of several daemons it is the time for which one of them, on `machine`,
    acts.
    """

    began_us: int
    ready_us: int | None
    stopping_us: int | None
    ended_us: int
    ended_by: EndedBy
    where: str = ""
    machine: int = 1


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
        self.durable = RememberedDurable()
        self.books = Books()
        self.borders = Borders(crash_at, [fault for fault in scenario.faults if fault.boundary is not None])
        self.secrets = SimulatedSecrets(self.draws)
        self.nature = Nature(scenario, self.draws)
        self.settings = parts.settings_of(scenario.settings)
        self.clock_steps = scenario.clock_steps()
        self._sources = sources_of(scenario.hooks)
        # Calls and orders that are still to be made; whatever a crash interrupts stays here.
        requests = [one for arrive in scenario.arrivals for one in requests_of(arrive, scenario.start_us, self.draws)]
        requests.sort(key=lambda request: (request.at_us, request.key, request.nth))
        self.unfinished = {(request.key, request.nth): request for request in requests}
        self.calling: dict[tuple[str, int], Request] = {}
        self.orders = sorted(scenario.operators, key=lambda operator: operator.at_us)
        self.ends = sorted(
            (one for one in scenario.faults if one.daemon in {"crash", "stop"} and one.boundary is None),
            key=lambda fault: fault.at_us,
        )
        self.freezes = sorted(
            (fault for fault in scenario.faults if fault.daemon == "freeze"), key=lambda fault: fault.at_us
        )
        self.bodies = {request.key: request.body for request in requests}
        self.subjects = {
            subject.key: subject for request in requests if request.nth == 1 for subject in self._subjects(request)
        }
        self.keyed = {key for request in requests if request.has_key for key in (request.updates or (request.key,))}
        self.forged = {key for request in requests if request.forged for key in request.updates}
        self.streams: dict[str, int] = {}
        # What the outside is still to tell, and whoever it tells of is still to answer.
        told = (*of_accounts(scenario), *of_people(scenario, list(self.subjects.values()), self.draws))
        self.tellings = {(telling.key, telling.nth): telling for telling in told}
        self.wished = tuple(wishes_of(scenario, self.draws))
        self.wishes = {(wish.key, wish.nth): wish for wish in self.wished}
        for subject, body in planned(scenario):
            self.subjects[subject.key] = subject
            self.bodies[subject.key] = body
            self.keyed.add(subject.key)
        last_us = max((request.at_us for request in requests), default=0)
        self.looks = sorted(
            self.draws.integer("look", number, below=last_us + _LOOKS_BEYOND_US) for number in range(_LOOKS)
        )
        self.down_us: int | None = None
        self.lives: list[Life] = []
        self.present: Present | None = None
        self.memories: list[Memory] = []
        self.foretold, self.findings = list[Foretold](), list[Finding]()

    def subject_of(self, stream: int, to: str) -> Subject:
        """A message as selectors see it. One to a device is for the token that the device has now."""
        key = key_of(self.durable, stream)
        subject = self.subjects[named(key)]
        if subject.key == key:
            return subject
        return msgspec.structs.replace(subject, key=key, to=to if "@" in key else subject.to)

    def told(self, told: Told) -> None:
        """A client has its answer."""
        self.books.told.append(told)
        if told.stream is not None:
            self.streams[told.key] = told.stream

    def expect(self, telling: Telling) -> None:
        """Something is going to be told."""
        self.tellings[telling.key, telling.nth] = telling
        post = telling.post
        if post is not None and post.forged:
            self.forged.update(post.updates)
        if post is not None and post.updates[0] not in self.subjects:
            for subject in subjects_in(self.opened(post.source), post):
                self.subjects[subject.key] = subject
                self.bodies[subject.key] = post.body
                self.keyed.add(subject.key)

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
        self.lose_in_transit(now_us)
        for request in self.calling.values():
            if not request.has_key:
                # It cannot know whether it was heard, and has no key under which to ask again.
                self.told(Told(key=request.key, nth=request.nth, at_us=now_us, what="unknown"))
                del self.unfinished[request.key, request.nth]
        self.calling.clear()

    def lose_in_transit(self, now_us: int, *, node: int = 0) -> None:
        """A process is gone: half of what it had under way is lost, and nobody will tell anything of that."""
        self.books.lose_in_transit(now_us, self.draws, node=node)
        lost = {(handed.stream, handed.attempt) for handed in self.books.handed if handed.arrives_us is None}
        self.tellings = {key: telling for key, telling in self.tellings.items() if telling.handed not in lost}

    def next_end(self, now_us: int) -> Fault | None:
        """The next crash or stop that the scenario asks for; those of a time at which nothing ran are passed over."""
        while self.ends and self.ends[0].at_us < now_us:
            self.ends.pop(0)
        return self.ends[0] if self.ends else None

    def wall_us(self, now_us: int) -> int:
        """What the machine's wall clock shows."""
        assert self.present is not None, "somebody is there to look at it"
        return self.present.timepiece.wall_us(now_us)

    def opened(self, source: str) -> Opened:
        """A source of hooks."""
        found = self._sources.named(source)
        assert found is not None, f"no source of hooks is called {source}"
        return found

    def _subjects(self, request: Request) -> Iterator[Subject]:
        """The message of a request, then those that may take its place; or the updates of a hook."""
        if request.hook:
            yield from subjects_in(self.opened(request.hook), post_of(request))
            return
        asked = _read(request.body)
        lane = asked.failover[0] if asked.failover else asked.lane
        yield Subject(
            key=request.key,
            lane=lane or self._default_lane(asked.channel),
            channel=asked.channel,
            tenant=request.tenant,
            to=asked.subject,
            host=asked.host,
            content=asked.content,
        )
        key = request.key
        for other in asked.fallbacks:
            key = after(key)
            yield Subject(
                key=key,
                lane=other.lane or self._default_lane(other.channel),
                channel=other.channel,
                tenant=request.tenant,
                to=other.to,
                host=other.host,
                content=other.content,
            )

    def _default_lane(self, channel: str) -> str:
        return next(lane.name for lane in self.scenario.settings.lanes if lane.channel == channel)
