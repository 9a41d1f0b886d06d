"""A lane's own actor: the only writer of its stream, and the watcher of its provider's health.

This file answers for each change of a lane being durable before anybody acts on it. What a change is, and what the
lane's events come to, the core says (core/lane_life.py).
"""

from collections.abc import Callable
from typing import Final

import msgspec

from actors.certainty import certain_or
from actors.governor import Permit
from actors.turn import Turn
from core import events as e
from core.ids import shard_of
from core.lane_life import LaneLife, digest_of
from core.news import LaneNews
from core.outcomes import Config, Outcome, Rate, is_fault, is_unasked
from core.policies import Policy
from core.ports import Clock, Log, Witness
from core.records import NO_TENANT, Append, Draft, Head, HeadChange
from core.settings import Lane

# Callers that may wait to record something about one lane.
_CALLERS_MAX: Final = 4_096
# What the whole lane heeds though it is no fault of its provider's.
_HEEDED: Final = (Config, Rate)


class LaneActor(LaneLife):
    """One lane while the daemon runs: what its events come to, and who writes them."""

    def __init__(self, lane: Lane, stream: int, *, log: Log, clock: Clock, witness: Witness) -> None:
        super().__init__(lane, stream)
        self.shard = shard_of(NO_TENANT, stream)
        self._log = log
        self._clock = clock
        self._witness = witness
        self._turn = Turn(_CALLERS_MAX)
        self._is_lost = False
        # The policy that the configuration asks for, as a hash.
        self._configured = b""
        # Hears that the lane has to ask the log where it stands.
        self.lost: Callable[[], None] = lambda: None

    # -- what attempts tell

    async def saw(self, outcome: Outcome, permit: Permit) -> None:
        """Weighs an outcome; what follows from it (pause, throttle, breaker) is durable when this returns."""
        if is_unasked(outcome) or self.saw_well(outcome, permit):
            return
        host, conversation, is_probe = permit.host, permit.conversation, permit.is_probe
        await self._record(
            lambda now_us: self.follows(outcome, host=host, conversation=conversation, is_probe=is_probe, now_us=now_us)
        )

    def saw_well(self, outcome: Outcome, permit: Permit) -> bool:
        """Weighs an outcome from which nothing can follow, so that it waits for nobody; False for any other."""
        if permit.is_probe or is_fault(outcome) or isinstance(outcome, _HEEDED) or is_unasked(outcome):
            return False
        self.judge(permit.host, outcome, self._clock.now_us(), is_probe=False)
        return True

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
        await self._record(lambda _: self.adoption(lane))
        return lane

    def use(self, lane: Lane, configured: Policy) -> None:
        """Goes on as was prepared; `configured` is the policy that the configuration asks for."""
        self._configured = digest_of(configured)
        self.serve(lane)

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
