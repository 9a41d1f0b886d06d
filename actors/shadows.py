"""Policies in shadow: asked beside those in force, on the traffic that there is, without effect.

This file answers for what is asked and when its sum is recorded. It must never change a decision, delay an attempt, nor
fail one: what it counts is written beside the traffic, by its own task.
"""

from collections.abc import Callable, Mapping
from typing import Final

import anyio
import msgspec

from actors.governor import LaneLimits
from actors.lane import LaneActor
from core import conclusions, shadow, starts
from core import events as e
from core.conversation import Conversation
from core.errors import AppendUnknown, Forbidden, Invalid, NotFound, Refused, StreamConflict
from core.failover import IsUp
from core.message import Message
from core.policies import Policy
from core.ports import Witness
from core.starts import Terms

# The sum is recorded when it has grown by this share, and at least by so many decisions: a crash forgets at most that,
# and a lane's stream grows by a few events however many messages there are.
_GROWN_BY: Final = 8
_AT_LEAST: Final = 256
_LOG_TROUBLE: Final = (Refused, AppendUnknown, StreamConflict)


class Watch:
    """A shadow while the daemon runs: its sum, some of it not recorded yet, and the pace that it would keep."""

    def __init__(self, known: shadow.Shadow) -> None:
        self.policy = known.policy
        self.name = known.name
        self.began_us = known.began_us
        self.tally = known.tally
        self.recorded = known.tally.decisions
        self.pace = LaneLimits(known.policy.limits)

    @property
    def is_due(self) -> bool:
        """Whether its sum should be recorded."""
        return self.tally.decisions - self.recorded >= max(_AT_LEAST, self.recorded // _GROWN_BY)

    def started(self, message: Message, now_us: int) -> None:
        """An attempt starts now: when would its limits have let it?"""
        # What is in flight at once depends on when others would have started, so concurrency is left out.
        scopes = self.pace.scopes_of(message.tenant, message.conversation, None)
        at_us = max(now_us, *(_room_us(scope.room_at()) for scope in scopes))
        for scope in scopes:
            scope.note(at_us)
        self.pace.sweep(now_us)
        self.tally = shadow.paced(self.tally, at_us - now_us)


def _room_us(room_us: int) -> int:
    return max(0, room_us)


class Shadows:
    """Every lane's shadow."""

    def __init__(self, lanes: Mapping[str, LaneActor], *, witness: Witness, is_up: IsUp) -> None:
        self._lanes = lanes
        self._witness = witness
        self._is_up = is_up
        self._watches: dict[str, Watch] = {}
        self._rung = anyio.Event()
        # Has everybody hear that a lane's shadow or policy is another one.
        self.changed: Callable[[], None] = lambda: None

    def adopt(self) -> dict[str, Policy]:
        """The shadows of the lanes as the log knows them, each lane's policy."""
        for name, lane in self._lanes.items():
            known, watch = lane.shadow, self._watches.get(name)
            if known is None:
                self._watches.pop(name, None)
            elif watch is None or watch.began_us != known.began_us:
                self._watches[name] = Watch(known)
        return {name: watch.policy for name, watch in self._watches.items()}

    # -- what traffic tells

    def concluded(
        self,
        conversation: Conversation,
        message: Message,
        flight: conclusions.Flight,
        was: conclusions.Decision,
        *,
        terms: Terms,
        now_us: int,
        chance: float,
    ) -> None:
        """An attempt is over and `was` has been decided: the shadow decides about the same."""
        watch = self._watches.get(message.lane)
        if watch is None or terms.shadow is None:
            return
        would = conclusions.conclude(
            conversation,
            message,
            flight,
            terms.shadow,
            now_us=now_us,
            chance=chance,
            is_up=self._is_up,
            has_receipts=terms.has_receipts,
        )
        self._saw(
            watch,
            message,
            shadow.verdict_of(was.message, was.conversation),
            shadow.verdict_of(would.message, would.conversation),
            now_us=now_us,
        )

    def began(
        self,
        conversation: Conversation,
        message: Message,
        was: tuple[e.Event, ...],
        *,
        terms: Terms,
        now_us: int,
        chance: float,
    ) -> None:
        """A message's turn had come and `was` is what it came to."""
        watch = self._watches.get(message.lane)
        if watch is None or terms.shadow is None:
            return
        under = msgspec.structs.replace(terms, policy=terms.shadow)
        would = starts.tidy(message, terms.shadow, now_us, chance=chance, is_up=self._is_up)
        would = would or (starts.begin(conversation, message, under, now_us),)
        self._saw(watch, message, shadow.verdict_of(was), shadow.verdict_of(would), now_us=now_us)
        if any(isinstance(event, e.AttemptStarted) for event in was):
            watch.started(message, now_us)

    def _saw(self, watch: Watch, message: Message, was: shadow.Verdict, would: shadow.Verdict, *, now_us: int) -> None:
        watch.tally = shadow.compared(
            watch.tally, was, would, at_us=now_us, message=message.id, attempt=message.attempt
        )
        if watch.is_due:
            self._rung.set()

    # -- what people ask

    def of(self, lane: str) -> Watch:
        """A lane's shadow. Raises NotFound."""
        self._lane(lane)
        watch = self._watches.get(lane)
        if watch is None:
            raise NotFound(f"the lane {lane} has no policy in shadow")
        return watch

    async def begin(self, lane: str, name: str, policies: Mapping[str, Policy]) -> Watch:
        """Has a named policy asked from here on; the one that was asked so far is through."""
        actor = self._lane(lane)
        policy = policies.get(name)
        if policy is None:
            known = ", ".join(sorted(policies))
            raise Invalid("/policy", f"no policy is called {name!r}, expected one of: {known}")
        await self._record(lane)
        await actor.shadow_begins(name, policy)
        self.changed()
        return self.of(lane)

    async def end(self, lane: str) -> None:
        """Has the shadow asked no more."""
        self.of(lane)
        await self._record(lane)
        await self._lane(lane).shadow_ends()
        self.changed()

    async def promote(self, lane: str) -> None:
        """Makes the shadow the lane's policy; whoever holds policies has to hear of it."""
        self.of(lane)
        await self._record(lane)
        await self._lane(lane).promote()

    def _lane(self, name: str) -> LaneActor:
        actor = self._lanes.get(name)
        if actor is None:
            raise NotFound(f"there is no lane {name}")
        if not actor.is_served:
            raise Forbidden(f"the lane {name} is not configured any more")
        return actor

    # -- what is kept

    async def run(self) -> None:
        """Records sums as they grow, until cancelled."""
        while True:
            await self._rung.wait()
            self._rung = anyio.Event()
            for name in [name for name, watch in self._watches.items() if watch.is_due]:
                await self._recorded(name)

    async def part(self) -> None:
        """Records what is left, as the daemon stops."""
        for name in list(self._watches):
            await self._recorded(name)

    async def _recorded(self, name: str) -> None:
        try:
            await self._record(name)
        except _LOG_TROUBLE as error:
            # The traffic goes on, and so does the count; it is recorded when it has grown again.
            self._witness.note("shadow_unrecorded", lane=name, error=type(error).__name__)

    async def _record(self, name: str) -> None:
        watch = self._watches.get(name)
        if watch is None or watch.tally.decisions == watch.recorded:
            return
        decisions = watch.tally.decisions
        await self._lanes[name].shadow_told(shadow.told(watch.tally))
        watch.recorded = decisions
