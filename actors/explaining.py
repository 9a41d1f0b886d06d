"""The one who explains messages: what the log, the lanes, the limits and the conversation say at one instant.

This file answers for reading all of it and changing nothing: no actor is woken, no permit is taken, nothing recorded.
What it comes to is judged in core/explain_open.py and core/explain_past.py.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

from actors.chains import Chains
from actors.errands import redrive_refused
from actors.governor import Governor
from actors.roster import Roster
from actors.snapshots import replayed
from actors.surroundings import Surroundings
from actors.ways import ways_of
from core import events as e
from core.conversation import Conversation
from core.errors import CorruptLog, NotFound
from core.explain import Constraint, Explanation, Standing, View
from core.explain_open import standing_of
from core.explain_past import conclusion_of, decisions_of
from core.lane_life import LaneLife
from core.message import Message, fold
from core.ports import Health
from core.records import FIFO_LINE, Recorded


class Explainer:
    """Explains one message at a time. `roster` None: no daemon is there, and all is as the log tells it.

    `health` says whether the store takes what is written, where that is not the log's own to say. `is_running`: there
    is a daemon, which brings the outcome of what is out.
    """

    def __init__(
        self,
        world: Surroundings,
        chains: Chains,
        *,
        governor: Governor,
        lanes: Mapping[str, LaneLife],
        roster: Roster | None,
        health: Callable[[], tuple[Health, str]] | None = None,
        is_running: bool = True,
    ) -> None:
        self._world = world
        self._chains = chains
        self._governor = governor
        self._lanes = lanes
        self._roster = roster
        self._health = health or world.log.health
        self._is_running = is_running

    async def explain(self, tenant: str | None, stream: int) -> Explanation:
        """Everything that there is to say of a message now. Raises NotFound where this tenant has none such."""
        world = self._world
        head = await world.log.head_of(stream)
        if head is None or head.kind != "msg" or (tenant is not None and head.tenant != tenant):
            raise NotFound("there is no such message")
        recorded = await world.log.events_of(stream)
        if not recorded:
            raise CorruptLog(f"message {stream} has a head and no event; run `tidings verify`")
        lanes = await self._lanes_of(recorded)
        chain, is_cut = await self._chains.of(fold(recorded), head.tenant)
        entries, standing = await self.standing(stream)
        message = fold(entries)
        lane = self._lanes.get(message.lane)
        return Explanation(
            at_us=world.clock.now_us(),
            message=message,
            chain=chain,
            is_cut=is_cut,
            decisions=decisions_of(entries, lanes),
            standing=standing,
            conclusion=conclusion_of(
                entries,
                has_receipts=lane is not None and lane.lane.has_receipts,
                may_redrive=redrive_refused(message) is None and await world.log.sealed_of(stream) is not None,
            ),
        )

    async def standing(self, stream: int) -> tuple[list[Recorded], Standing | None]:
        """The events of a message, and where it stands after them; None where it has concluded."""
        world = self._world
        entries = await world.log.events_of(stream)
        message = fold(entries)
        if not message.is_open:
            return entries, None
        conversation, seen = await self._conversation(message)
        # From here on nothing waits: all that lives in memory is as of one instant.
        now_us = world.clock.now_us()
        message = next((other for other in seen if other.id == stream), message)
        if not message.is_open:
            return entries, None
        view = View(
            now_us=now_us,
            message=message,
            conversation=conversation,
            terms=world.terms_of(message),
            policy_of=lambda other: world.terms_of(other).policy,
            is_up=world.is_up,
            beside=_beside(message, seen),
            ways=(*self._of_store(), *self._of_lane(message, now_us)),
            is_deferred=isinstance(entries[-1].event, e.MessageDeferred),
            # One that has begun is in no doubt: this one only counts as being out there.
            is_asked=bool(message.in_flight) and message.doubt_us is not None,
            is_cut_off=not self._is_running,
            doubt_chance=world.chance.draw("doubt", stream, message.attempt),
        )
        return entries, standing_of(view)

    def _of_lane(self, message: Message, now_us: int) -> Sequence[Constraint]:
        lane = self._lanes.get(message.lane)
        if lane is None:
            return (Constraint(kind="lane_gone"),)
        return ways_of(lane, self._governor, message, now_us)

    def _of_store(self) -> Sequence[Constraint]:
        health, why = self._health()
        return () if health == "ok" else (Constraint(kind="store", code=why),)

    async def _conversation(self, message: Message) -> tuple[Conversation, Collection[Message]]:
        """The state of its conversation, and those of its open messages that may be in its way."""
        awake = self._awake(message)
        if awake is not None:
            return awake
        read = await self._read(message)
        # It may have been woken, or have folded what the log held already, meanwhile.
        return self._awake(message) or read

    def _awake(self, message: Message) -> tuple[Conversation, Collection[Message]] | None:
        """What its actor knows; None where nobody is awake, or is still behind the log."""
        actor = None if self._roster is None else self._roster.find(message.conversation)
        if actor is None or actor.is_lost:
            return None
        known = actor.open.get(message.id)
        return None if known is not None and known.version < message.version else (actor.state, actor.seen)

    async def _read(self, message: Message) -> tuple[Conversation, Collection[Message]]:
        log, limit = self._world.log, self._world.window_max
        woken = await log.woken(message.conversation, limit=limit)
        state = replayed(woken, Conversation(id=message.conversation, tenant=message.tenant))
        return state, [fold(events) for page in woken.lines.values() for events in page.events.values()]

    async def _lanes_of(self, recorded: Sequence[Recorded]) -> dict[str, list[Recorded]]:
        """The events of every lane that a message went through."""
        names = {entry.event.lane for entry in recorded
                 if isinstance(entry.event, e.MessageAccepted | e.AttemptStarted | e.LaneChanged)}  # fmt: skip
        found: dict[str, list[Recorded]] = {}
        for name in sorted(names & self._lanes.keys()):
            found[name] = await self._world.log.events_of(self._lanes[name].stream)
        return found


def _beside(message: Message, seen: Collection[Message]) -> tuple[Message, ...]:
    """Those in flight, and the first of its line; without the message itself."""
    others = [other for other in seen if other.id != message.id]
    found = [other for other in others if other.in_flight]
    if message.line == FIFO_LINE:
        line = [other for other in others if other.line == FIFO_LINE and not other.in_flight]
        line.sort(key=lambda other: (other.first_due_us, other.id))
        found += line[:1]
    return tuple(found)
