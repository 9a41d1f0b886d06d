"""Acceptance: where a submission becomes a message that Tidings has taken charge of.

This file answers for naming the conversation and the lane, and for the one commit after which the sender may forget.
Nothing is answered before it is durable; nothing that was refused leaves a trace.
"""

from collections.abc import Awaitable, Callable

import anyio
import msgspec
from msgspec.structs import replace

from actors.arrivals import Arrivals
from actors.first_commits import Asked, FirstCommits, Prepared
from actors.peers import Peers
from core.contents import Submission, in_time
from core.errors import AppendUnknown, Invalid, KeyReused, Overloaded, StoreUnavailable, StreamConflict
from core.ids import Mint
from core.policies import Policy
from core.ports import Clock, Log, Secrets
from core.records import Acceptance, Repeated, Stored
from core.settings import Lane, Settings


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """What the submitter is told once its message is durable."""

    id: int
    conversation: int
    status: str
    due_us: int | None
    duplicate: bool


class Intake:
    """The door for new messages."""

    def __init__(
        self,
        *,
        log: Log,
        clock: Clock,
        secrets: Secrets,
        mint: Mint,
        accept: Callable[[Acceptance], Awaitable[Stored | Repeated]],
        arrivals: Arrivals | None,
        settings: Settings,
        first_up: Callable[[tuple[str, ...]], str],
        in_step: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`accept` makes an acceptance durable. `arrivals` is told what this daemon accepted; None: another one acts.

        `first_up` says of several lanes which one lets something out. `in_step` ends when what others took in before is
        in the log; None: there are no others, or the one that acts sees to it.
        """
        self._first_up = first_up
        self._in_step = in_step
        self._log = log
        self._clock = clock
        self._accept = accept
        self._arrivals = arrivals
        # A peer whose first message is on its way to the log is known here alone: forgotten, it would get two
        # conversations. So many may be on their way.
        known_max = max(settings.bounds.peers_max, settings.bounds.accepting_max)
        self.peers = Peers(log=log, clock=clock, secrets=secrets, mint=mint, known_max=known_max)
        self._commits = FirstCommits(clock=clock, secrets=secrets, mint=mint, peers=self.peers)
        self._waiting = 0
        self.is_open = False
        self.adopt(settings)

    def adopt(self, settings: Settings) -> None:
        """Goes on under these lanes and policies."""
        self._bounds = settings.bounds
        self._commits.dedup_for_us = settings.bounds.dedup_for_us
        self._policies = settings.policies
        self._lanes = {lane.name: lane for lane in settings.lanes}
        # The first lane of a channel is its default.
        self._default = {lane.channel: lane for lane in reversed(settings.lanes)}

    async def accept(self, tenant: str, submission: Submission) -> Acknowledgement:
        """Takes charge of one message; durable when this returns.

        Raises Invalid for a lane, policy or instant that does not fit, KeyReused, and Refused where nothing can be
        taken now. A repeat of what was accepted is answered as such, even when its `send_at` has passed meanwhile.
        """
        lane = self.check(submission)
        try:
            submission = in_time(submission, now_us=self._clock.now_us(), send_at_max_us=self._bounds.send_at_max_us)
        except Invalid:
            repeated = await self._repeat_of(tenant, submission)
            if repeated is None:
                raise
            return await self._repeated(repeated)
        self._waiting += 1
        try:
            prepared, answer = await self._accepted(tenant, submission, lane)
        finally:
            self._waiting -= 1
        if isinstance(answer, Repeated):
            return await self._repeated(answer)
        self.peers.has_message(tenant, submission.channel, submission.subject)
        return self._arrived(prepared)

    def room(self) -> int:
        """How many more may wait for their commit now."""
        return self._bounds.accepting_max - self._waiting

    # -- checks

    def check(self, submission: Submission) -> Lane:
        """The lane that a submission would begin in; raises Invalid or Refused where it could not be taken now."""
        if not self.is_open:
            raise StoreUnavailable("the daemon is stopping and takes nothing new", retry_after_s=5)
        if self.room() <= 0:
            raise Overloaded(f"{self._bounds.accepting_max} requests wait for the store already")
        if submission.policy is not None and submission.policy not in self._policies:
            known = ", ".join(sorted(self._policies))
            raise Invalid("/policy", f"no policy is called {submission.policy!r}, expected one of: {known}")
        for place, name in enumerate(submission.failover):
            self._lane(submission.channel, name, f"/failover/{place}")
        # Those of a fallback were there when the first message was accepted, and may be there again in time.
        for place, other in enumerate(submission.fallbacks if submission.key_of != "fallback" else ()):
            self._lane(other.channel, other.lane, f"/fallback/{place}")
        if submission.failover:
            return self._lanes[submission.failover[0]]
        return self._lane(submission.channel, submission.lane, "")

    def _lane(self, channel: str, name: str | None, at: str) -> Lane:
        """A lane of the channel by its name, or its default lane; `at` is where the request names it."""
        if name is None:
            lane = self._default.get(channel)
            if lane is None:
                raise Invalid(f"{at}/channel", f"no lane is configured for the channel {channel!r}")
            return lane
        lane = self._lanes.get(name)
        if lane is None or lane.channel != channel:
            fitting = ", ".join(name for name, known in self._lanes.items() if known.channel == channel)
            place = at if at.startswith("/failover") else f"{at}/lane"
            raise Invalid(place, f"no {channel} lane is called {name!r}, expected one of: {fitting}")
        return lane

    # -- the way and the conversation

    def _way(self, submission: Submission, lane: Lane) -> tuple[Lane, Policy, tuple[str, ...]]:
        """Where it begins, under which policy, and the lanes that it may go through."""
        policy = self._policies[submission.policy] if submission.policy is not None else lane.policy
        lanes = submission.failover or policy.lanes_from(lane.name)
        if not lanes:
            return lane, policy, ()
        if submission.lane in lanes:
            # Who names a lane begins there, and goes round through the others.
            first = lanes.index(submission.lane)
            lanes = (*lanes[first:], *lanes[:first])
        lanes = tuple(name for name in lanes if name in self._lanes)
        return (self._lanes[self._first_up(lanes)] if lanes else lane), policy, lanes

    def reference_hash(self, tenant: str, reference: str | None) -> bytes | None:
        """How a reference is found without being kept."""
        return self._commits.reference_hash(tenant, reference)

    # -- one commit

    async def _accepted(self, tenant: str, submission: Submission, lane: Lane) -> tuple[Prepared, Stored | Repeated]:
        if self._in_step is not None:
            # Before it has an instant, by which it takes its place.
            await self._in_step()
        # Before its peer is looked up: what was checked is there now, and may not be after a reload.
        lane, policy, lanes = self._way(submission, lane)
        key = tenant, submission.channel, submission.subject
        peer = self.peers.at_hand(key) or await self.peers.of(*key)
        asked = Asked(tenant=tenant, submission=submission, lane=lane, policy=policy, peer=peer, lanes=lanes)
        try:
            return await self._committed(asked)
        except StreamConflict:
            # Another daemon wrote to this peer first: the conversation with them is there by now.
            self.peers.forget(*key, peer)
        return await self._committed(replace(asked, peer=await self.peers.of(*key)))

    async def _committed(self, asked: Asked) -> tuple[Prepared, Stored | Repeated]:
        prepared = self._commits.prepare(asked)
        self.peers.writes(prepared.message)
        try:
            return prepared, await self._accept(prepared.acceptance)
        except (AppendUnknown, anyio.get_cancelled_exc_class()):
            self.peers.has_begun(prepared.message.conversation)
            if self._arrivals is not None:
                self._arrivals.doubted(prepared.message)
            raise

    # -- after the commit

    def _arrived(self, prepared: Prepared) -> Acknowledgement:
        message = prepared.message
        is_first = self.peers.is_first(message)
        if self._arrivals is not None:
            self._arrivals.accepted(prepared, is_first=is_first)
        return Acknowledgement(
            id=message.id,
            conversation=message.conversation,
            status=message.status,
            due_us=message.due_us,
            duplicate=False,
        )

    async def _repeat_of(self, tenant: str, submission: Submission) -> Repeated | None:
        """What came before under the submission's idempotency key, None where nothing did."""
        dedup = self._commits.dedup(tenant, submission, self._clock.now_us())
        known = None if dedup is None else await self._log.repeated(tenant, dedup.key_hash)
        if dedup is None or known is None:
            return None
        stream, request_hash = known
        return Repeated(stream=stream, same=dedup.is_of(request_hash))

    async def _repeated(self, answer: Repeated) -> Acknowledgement:
        if not answer.same:
            raise KeyReused(answer.stream)
        head = await self._log.head_of(answer.stream)
        assert head is not None, f"the dedup row names stream {answer.stream}, which has no head"
        return Acknowledgement(
            id=head.stream, conversation=head.conversation, status=head.status, due_us=head.due_us, duplicate=True
        )
