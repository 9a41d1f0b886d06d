"""A lane's own actor: the only writer of its stream, and the watcher of its provider's health.

This file answers for pause, throttle, breaker and policy version of one lane. It records each change before it acts
on it; what it merely counts (the last outcomes) lives in memory.
"""

import hashlib
from collections import deque
from collections.abc import Callable
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from actors.certainty import certain_or
from actors.governor import Permit
from actors.turn import Turn
from core import events as e
from core.circuit import Breaker, cooldown_us
from core.conclusions import pause_us
from core.errors import Impossible
from core.ids import shard_of
from core.limits import UNKNOWN
from core.news import LaneNews
from core.outcomes import Config, Outcome, Rate, is_fault, is_unasked
from core.policies import Policy
from core.ports import Clock, Log, Witness
from core.records import NO_TENANT, Append, Draft, Head, HeadChange, Recorded
from core.settings import Lane
from core.shadow import Shadow, evolve

# 429 from so many conversations of one host within this time pauses the host (DESIGN: a host's limit, not a URL's).
HOST_REFUSALS: Final = 5
HOST_REFUSALS_WITHIN_US: Final = 10_000_000
# Hosts whose health is remembered; the one unheard of for longest is forgotten first.
HOSTS_MAX: Final = 10_000
# Callers that may wait to record something about one lane.
_CALLERS_MAX: Final = 4_096


class _Host:
    """What is known of one webhook host."""

    __slots__ = ("breaker", "refusals", "throttled_until_us")

    def __init__(self) -> None:
        self.breaker = Breaker()
        self.throttled_until_us = 0
        self.refusals: deque[tuple[int, int]] = deque()


class LaneActor:
    """One lane while the daemon runs. `room_at` is asked before every permit, so it never waits."""

    def __init__(self, lane: Lane, stream: int, *, log: Log, clock: Clock, witness: Witness) -> None:
        self.lane = lane
        self.stream = stream
        self.shard = shard_of(NO_TENANT, stream)
        self._log = log
        self._clock = clock
        self._witness = witness
        self._turn = Turn(_CALLERS_MAX)
        self._is_lost = False
        # Whether it is configured now: one that is not keeps its messages and waits.
        self.is_served = True
        self.version = 0
        self.policy_version = 0
        self.policy_body = b""
        self.shadow: Shadow | None = None
        # The configured policy, and the one that was configured when another one was promoted, each as a hash.
        self._configured = b""
        self._promoted_over = b""
        self.paused_by: Literal["operator", "config", "provider"] | None = None
        # Since when it lets nothing out but a probe, None while it is up.
        self.down_since_us: int | None = None
        # How often it has come up: who looked while it was down has to look again.
        self.rises = 0
        self.paused_code = ""
        self.throttled_until_us = 0
        self.breaker = Breaker()
        self._hosts: dict[int, _Host] = {}
        # Hears that the lane went down or came up, so that nobody has to look again and again.
        self.stirred: Callable[[], None] = lambda: None
        # Hears that the lane has to ask the log where it stands.
        self.lost: Callable[[], None] = lambda: None

    # -- what the scheduler asks

    def room_at(self, now_us: int) -> int:
        """When the lane itself allows a start: UNKNOWN while it is paused, not configured, or its probe is out."""
        if self.paused_by is not None or not self.is_served:
            return UNKNOWN
        room_us = self.breaker.room_at(now_us)
        return UNKNOWN if room_us is None else max(room_us, self.throttled_until_us)

    def host_room_at(self, host: int, now_us: int) -> int:
        """When a webhook host allows a start."""
        known = self._hosts.get(host)
        if known is None:
            return 0
        room_us = known.breaker.room_at(now_us)
        return UNKNOWN if room_us is None else max(room_us, known.throttled_until_us)

    def host_health(self, host: int) -> tuple[Breaker, int] | None:
        """A webhook host's breaker, and until when it is throttled, for who asks; None where nothing is known of it."""
        known = self._hosts.get(host)
        return None if known is None else (known.breaker, known.throttled_until_us)

    def took(self, host: int | None, now_us: int) -> bool:
        """A permit goes out; answers whether it is the probe of an open breaker."""
        # A webhook lane has no provider of its own: its other side are the hosts, each with its own breaker, so that
        # one broken host never stops the others.
        if host is None:
            return self.breaker.took(now_us)
        known = self._hosts.get(host)
        return known is not None and known.breaker.took(now_us)

    def probe_back(self, host: int | None) -> None:
        """The probe's permit came back, used or not: where it proved nothing, another may go."""
        breaker = self.breaker if host is None else self._host(host).breaker
        breaker.gave_back()

    def spared(self, host: int | None, now_us: int) -> None:
        """A permit came back under which no attempt had begun."""
        breaker = self.breaker if host is None else self._host(host).breaker
        breaker.spared(now_us)

    # -- what attempts tell

    async def saw(self, outcome: Outcome, permit: Permit) -> None:
        """Weighs an outcome; what follows from it (pause, throttle, breaker) is durable when this returns."""
        if is_unasked(outcome):
            return
        if not permit.is_probe and not is_fault(outcome) and not isinstance(outcome, Config | Rate):
            # Nothing can follow from it, so it waits for nobody.
            self._judge(permit.host, outcome, self._clock.now_us(), is_probe=False)
            return
        await self._record(lambda now_us: self._follows(outcome, permit, now_us))

    def _follows(self, outcome: Outcome, permit: Permit, now_us: int) -> list[e.Event]:
        if isinstance(outcome, Config):
            return [] if self.paused_by else [e.LanePaused(by="config", code=outcome.code)]
        if isinstance(outcome, Rate):
            return self._refused(outcome, permit.host, permit.conversation, now_us)
        return self._judge(permit.host, outcome, now_us, is_probe=permit.is_probe)

    def _judge(self, host: int | None, outcome: Outcome, now_us: int, *, is_probe: bool) -> list[e.Event]:
        rule, fault = self.lane.policy.breaker, is_fault(outcome)
        breaker = self.breaker if host is None else self._host(host).breaker
        host = host or 0
        if is_probe and breaker.open_until_us is not None:
            if not fault:
                return [e.BreakerClosed(host=host)]
            seen: tuple[int, int] | None = (1, 1)
        else:
            seen = breaker.saw(rule, fault=fault, now_us=now_us)
        if seen is None:
            return []
        openings = breaker.openings + 1
        until_us = now_us + cooldown_us(rule.cooldown_us, rule.ceiling_us, openings)
        return [e.BreakerOpened(until_us=until_us, faults=seen[0], outcomes=seen[1], openings=openings, host=host)]

    def _refused(self, outcome: Rate, host: int | None, conversation: int, now_us: int) -> list[e.Event]:
        until_us = now_us + pause_us(outcome.after_us, self.lane.policy)
        if outcome.scope != "pair":
            return [e.LaneThrottled(until_us=until_us, code=outcome.code)]
        if host is None:
            return []
        refusals = self._host(host).refusals
        refusals.append((now_us, conversation))
        while refusals[0][0] < now_us - HOST_REFUSALS_WITHIN_US:
            refusals.popleft()
        if len({peer for _, peer in refusals}) < HOST_REFUSALS:
            return []
        return [e.LaneThrottled(until_us=until_us, host=host, code=outcome.code)]

    def _host(self, host: int) -> _Host:
        known = self._hosts.pop(host, None) or _Host()
        self._hosts[host] = known
        if len(self._hosts) > HOSTS_MAX:
            del self._hosts[next(iter(self._hosts))]
        return known

    # -- what people ask

    async def pause(self) -> None:
        """Stops the lane until it is resumed. Pausing a paused lane changes nothing."""
        await self._record(lambda _: [e.LanePaused(by="operator")] if self.paused_by != "operator" else [])

    async def resume(self) -> None:
        """Lets a paused or throttled lane go on. Resuming a running lane changes nothing."""

        def decide(now_us: int) -> list[e.Event]:
            return [e.LaneResumed()] if self.paused_by is not None or self.throttled_until_us > now_us else []

        await self._record(decide)

    async def told(self, news: LaneNews) -> None:
        """Heeds a provider's word about its account: `down` pauses the lane, `up` ends what no person paused."""
        if news.state == "down":
            await self._record(lambda _: [] if self.paused_by else [e.LanePaused(by="provider", code=news.code)])
        elif news.state == "up":
            mended = {"provider", "config"}
            await self._record(lambda _: [e.LaneResumed(by="provider")] if self.paused_by in mended else [])
        else:
            self._witness.note("lane_alert", lane=self.lane.name, code=news.code)

    async def prepare(self, lane: Lane) -> Lane:
        """Records what a configuration changes, a policy as a new version; answers the lane as it will be.

        A policy that was promoted stays, for as long as the configured one is what it was then. Until `use` is called
        the lane does what it did.
        """
        lane = self.in_force(lane)
        await self._record(lambda _: self._adoption(lane))
        return lane

    def in_force(self, lane: Lane) -> Lane:
        """A lane as configured, under the policy that is in force for it."""
        if _digest(lane.policy) != self._promoted_over:
            return lane
        return replace(lane, policy=msgspec.json.decode(self.policy_body, type=Policy))

    def use(self, lane: Lane, configured: Policy) -> None:
        """Goes on as was prepared; `configured` is the policy that the configuration asks for."""
        self._configured = _digest(configured)
        self.lane, self.is_served = lane, True
        self._came_up()

    def _adoption(self, lane: Lane) -> list[e.Event]:
        events: list[e.Event] = [] if self.version else [e.LaneOpened(name=lane.name, channel=lane.channel)]
        body = msgspec.json.encode(lane.policy)
        if body != self.policy_body:
            events.append(e.PolicyAdopted(version=self.policy_version + 1, body=body))
        return events

    async def shadow_begins(self, name: str, policy: Policy) -> None:
        """Has a policy asked beside the lane's own; one that was asked so far is through."""
        began = e.ShadowBegan(name=name, body=msgspec.json.encode(policy))
        await self._record(lambda _: [began] if self.shadow is None else [e.ShadowEnded(by="successor"), began])

    async def shadow_told(self, sum_: e.ShadowTold) -> None:
        """Keeps what the shadow has come to."""
        await self._record(lambda _: [] if self.shadow is None else [sum_])

    async def shadow_ends(self) -> None:
        """Has the shadow asked no more."""
        await self._record(lambda _: [] if self.shadow is None else [e.ShadowEnded(by="operator")])

    async def promote(self) -> None:
        """Makes the shadow the lane's policy; in force once the configuration is adopted again."""

        def decide(_now_us: int) -> list[e.Event]:
            if self.shadow is None:
                return []
            body, version = msgspec.json.encode(self.shadow.policy), self.policy_version + 1
            return [e.PolicyPromoted(version=version, body=body, instead_of=self._configured)]

        await self._record(decide)

    def retire(self) -> None:
        """It is not configured any more: it keeps its messages and lets nothing out."""
        self.is_served = False
        self._went_down(self._clock.now_us())

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self.lane.policy

    @property
    def is_up(self) -> bool:
        """Whether it lets anything out, and not just a probe."""
        return self.is_served and self.down_since_us is None

    def wants_probe(self, now_us: int) -> bool:
        """Whether nothing but its breaker is in the way, which would let a probe out now."""
        room_us = self.room_at(now_us)
        return self.breaker.open_until_us is not None and room_us != UNKNOWN and room_us <= now_us

    @property
    def is_lost(self) -> bool:
        """Whether the log may hold more of it than it knows."""
        return self._is_lost

    async def look(self) -> None:
        """Has it know what the log holds: what was recorded after all is in force from here on."""
        await self._record(lambda _: [])

    # -- record, then fold

    async def _record(self, decide: Callable[[int], list[e.Event]]) -> None:
        """One at a time: what the present state leads to at this instant is durable, then folded."""
        async with self._turn:
            if self._is_lost:
                self.replay(await self._log.events_of(self.stream, after_version=self.version))
                self._is_lost = False
            at_us = self._clock.now_us()
            events = decide(at_us)
            if events:
                await self._append(events, at_us)
            for event in events:
                self.fold(event, at_us)
                self._witness.note("lane", lane=self.lane.name, event=type(event).__name__)

    async def _append(self, events: list[e.Event], at_us: int) -> None:
        drafts = tuple(
            Draft(stream=self.stream, version=self.version + n, event=event) for n, event in enumerate(events, 1)
        )
        head = HeadChange(head=self._head(len(events), at_us), was="open" if self.version else None)
        with certain_or(self._forget):
            await self._log.append(
                Append(shard=self.shard, tenant=NO_TENANT, at_us=at_us, drafts=drafts, heads=(head,))
            )

    def _forget(self) -> None:
        self._is_lost = True
        self.lost()

    def _head(self, more: int, at_us: int) -> Head:
        return Head(
            stream=self.stream,
            kind="lane",
            shard=self.shard,
            tenant=NO_TENANT,
            version=self.version + more,
            status="open",
            channel=self.lane.channel,
            lane=self.lane.name,
            changed_us=at_us,
        )

    def replay(self, recorded: list[Recorded]) -> None:
        """Folds what the log holds of the lane."""
        for entry in recorded:
            self.fold(entry.event, entry.at_us)

    def fold(self, event: e.Event, at_us: int) -> None:
        """One event of the lane's stream."""
        self.version += 1
        match event:
            case e.LaneOpened():
                pass
            case e.PolicyAdopted():
                self.policy_version, self.policy_body, self._promoted_over = event.version, event.body, b""
            case e.PolicyPromoted():
                self.policy_version, self.policy_body = event.version, event.body
                self.shadow, self._promoted_over = None, event.instead_of
            case e.ShadowBegan() | e.ShadowTold() | e.ShadowEnded():
                self.shadow = evolve(self.shadow, event, at_us)
            case e.LanePaused():
                self.paused_by, self.paused_code = event.by, event.code
                self._went_down(at_us)
            case e.LaneResumed():
                self.paused_by, self.paused_code = None, ""
                if event.by == "operator":
                    # A person knows better than the wait that was asked for; a provider that means it says so again.
                    self.throttled_until_us = 0
                self._came_up()
            # Of several refusals on their way the shortest may come last, and each of them was meant.
            case e.LaneThrottled(host=0):
                self.throttled_until_us = max(event.until_us, self.throttled_until_us)
            case e.LaneThrottled():
                known = self._host(event.host)
                known.throttled_until_us = max(event.until_us, known.throttled_until_us)
                known.refusals.clear()
            case e.BreakerOpened():
                self._breaker(event.host).opened(event.until_us, event.openings)
                if not event.host:
                    self._went_down(at_us)
            case e.BreakerClosed():
                self._breaker(event.host).closed(at_us)
                if not event.host:
                    self._came_up()
            case _:
                raise Impossible(f"{type(event).__name__} is no event of a lane")

    def _went_down(self, at_us: int) -> None:
        if self.down_since_us is None:
            self.down_since_us = at_us
        self.stirred()

    def _came_up(self) -> None:
        if self.is_served and self.paused_by is None and self.breaker.open_until_us is None:
            self.rises += self.down_since_us is not None
            self.down_since_us = None
        self.stirred()

    def _breaker(self, host: int) -> Breaker:
        return self._host(host).breaker if host else self.breaker


def _digest(policy: Policy) -> bytes:
    return hashlib.sha256(msgspec.json.encode(policy)).digest()
