"""What a lane's stream comes to, and what one more outcome would add to it.

This file answers for pause, throttle, breakers and policy version of one lane as a pure fold, and for what follows from
an outcome. What is merely counted (the last outcomes) lives in memory. It must never wait, nor record.
"""

import hashlib
from collections import deque
from collections.abc import Callable
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from core import events as e
from core.circuit import Breaker, cooldown_us
from core.conclusions import pause_us
from core.errors import Impossible
from core.limits import UNKNOWN
from core.outcomes import Config, Outcome, Rate, is_fault
from core.policies import Policy
from core.records import Recorded
from core.settings import Lane
from core.shadow import Shadow, evolve

# 429 from so many conversations of one host within this time pauses the host (DESIGN: a host's limit, not a URL's).
HOST_REFUSALS: Final = 5
HOST_REFUSALS_WITHIN_US: Final = 10_000_000
# Hosts whose health is remembered; the one unheard of for longest is forgotten first.
HOSTS_MAX: Final = 10_000


class _Host:
    """What is known of one webhook host."""

    __slots__ = ("breaker", "refusals", "throttled_until_us")

    def __init__(self) -> None:
        self.breaker = Breaker()
        self.throttled_until_us = 0
        self.refusals: deque[tuple[int, int]] = deque()


class LaneLife:
    """One lane as far as its events tell. `room_at` is asked before every permit."""

    def __init__(self, lane: Lane, stream: int) -> None:
        self.lane = lane
        self.stream = stream
        # Whether it is configured now: one that is not keeps its messages and waits.
        self.is_served = True
        self.version = 0
        self.policy_version = 0
        self.policy_body = b""
        self.shadow: Shadow | None = None
        # The policy that was configured when another one was promoted, as a hash.
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

    # -- where it stands

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

    def in_force(self, lane: Lane) -> Lane:
        """A lane as configured, under the policy that is in force for it."""
        if digest_of(lane.policy) != self._promoted_over:
            return lane
        return replace(lane, policy=msgspec.json.decode(self.policy_body, type=Policy))

    # -- what follows from an outcome, and from a configuration

    def follows(
        self, outcome: Outcome, *, host: int | None, conversation: int, is_probe: bool, now_us: int
    ) -> list[e.Event]:
        """What an outcome leads to: a pause, a wait, a breaker that opens or closes. `host` is a webhook's, by id."""
        if isinstance(outcome, Config):
            return [] if self.paused_by else [e.LanePaused(by="config", code=outcome.code)]
        if isinstance(outcome, Rate):
            return self._refused(outcome, host, conversation, now_us)
        return self.judge(host, outcome, now_us, is_probe=is_probe)

    def judge(self, host: int | None, outcome: Outcome, now_us: int, *, is_probe: bool) -> list[e.Event]:
        """What an outcome means for the breaker that watches over it, which has seen one more by now."""
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

    def adoption(self, lane: Lane) -> list[e.Event]:
        """What going on with this lane adds to its stream."""
        events: list[e.Event] = [] if self.version else [e.LaneOpened(name=lane.name, channel=lane.channel)]
        body = msgspec.json.encode(lane.policy)
        if body != self.policy_body:
            events.append(e.PolicyAdopted(version=self.policy_version + 1, body=body))
        return events

    def serve(self, lane: Lane) -> None:
        """Goes on as this, configured."""
        self.lane, self.is_served = lane, True
        self._came_up()

    def retire(self, now_us: int) -> None:
        """It is not configured any more: it keeps its messages and lets nothing out."""
        self.is_served = False
        self._went_down(now_us)

    # -- the fold

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


def digest_of(policy: Policy) -> bytes:
    """By which it is told whether a policy is still the one that was configured."""
    return hashlib.sha256(msgspec.json.encode(policy)).digest()
