"""Failover of what waits: messages leave a lane that has let nothing out for too long, for one that does.

This file answers for nobody waiting behind a dead account where a policy or the message itself names another. What was
tried and failed moves on by itself (core/conclusions.py). It holds no task a message: while lanes are down, one task
walks over what waits in them.
"""

from collections.abc import Mapping
from typing import Final

from actors.bell import Bell
from actors.errands import Errands
from actors.lane import LaneActor
from core import events as e
from core.errors import AppendUnknown, NotFound, Refused
from core.message import WAITING, Message
from core.policies import SECOND_US
from core.ports import Clock, Log, Witness
from core.records import MessageFilter

# Waiting messages of a lane that are looked at in one go.
_PAGE: Final = 500
# After trouble with the log, a lane is walked over again this much later.
_AGAIN_US: Final = SECOND_US


class Failover:
    """The one who moves messages from lanes that are down. `lanes` are the lanes' actors, as they come and go."""

    def __init__(
        self, *, log: Log, clock: Clock, errands: Errands, lanes: Mapping[str, LaneActor], witness: Witness
    ) -> None:
        self._log = log
        self._clock = clock
        self._errands = errands
        self._lanes = lanes
        self._witness = witness
        self._bell = Bell(clock)

    def stirred(self) -> None:
        """A lane went down or came up, or a message came to one that is down."""
        self._bell.ring()

    def noticed(self, message: Message) -> None:
        """A message went on in another lane, which may be down as well."""
        if not self._is_up(message.lane):
            self.stirred()

    async def run(self) -> None:
        """Moves what has waited long enough, until cancelled."""
        while True:
            now_us = self._clock.now_us()
            wake_us: int | None = None
            for lane in list(self._lanes.values()):
                since_us = lane.down_since_us
                if since_us is None or not self._leads_on(lane):
                    continue
                leaves_us = since_us + lane.policy.failover_after_us
                next_us = await self._empty(lane.lane.name) if leaves_us <= now_us else leaves_us
                if next_us is not None:
                    wake_us = next_us if wake_us is None else min(wake_us, next_us)
            await self._bell.wait(wake_us)

    def first_up(self, lanes: tuple[str, ...]) -> str:
        """Of the lanes of a failover the first that lets anything out; the very first where none does."""
        return next((name for name in lanes if self._is_up(name)), lanes[0])

    def _is_up(self, name: str) -> bool:
        lane = self._lanes.get(name)
        return lane is not None and lane.is_served and lane.down_since_us is None

    def _leads_on(self, lane: LaneActor) -> bool:
        """Whether another lane of its channel lets anything out."""
        return any(
            other.lane.channel == lane.lane.channel and self._is_up(name)
            for name, other in self._lanes.items()
            if other is not lane
        )

    async def _empty(self, lane: str) -> int | None:
        """Moves every message that is due and may leave; answers when the next of the others is due."""
        next_us: int | None = None
        after: int | None = None
        while True:
            wanted = MessageFilter(lane=lane, status=tuple(sorted(WAITING)), after=after)
            try:
                heads = await self._log.heads(wanted, limit=_PAGE, oldest_first=True)
                dues = [await self._move(head.stream) for head in heads]
                next_us = min((due_us for due_us in (*dues, next_us) if due_us is not None), default=None)
            except (Refused, AppendUnknown) as error:
                self._witness.note("failover_refused", lane=lane, error=type(error).__name__)
                return self._clock.now_us() + _AGAIN_US
            if len(heads) < _PAGE:
                return next_us
            after = heads[-1].stream

    async def _move(self, stream: int) -> int | None:
        """Moves a message if it may go on elsewhere now; answers when it is due if that is what it waits for."""
        waits_until_us: int | None = None

        def decide(message: Message, now_us: int) -> tuple[e.Event, ...]:
            nonlocal waits_until_us
            target = self._target(message)
            if target is None or message.due_us is None:
                return ()
            if message.due_us > now_us:
                waits_until_us = message.due_us
                return ()
            return (e.LaneChanged(lane=target, due_us=now_us, reason="down"),)

        try:
            await self._errands.change(None, stream, decide)
        except NotFound:
            pass  # It was erased meanwhile.
        return waits_until_us

    def _target(self, message: Message) -> str | None:
        """Where a message may go on, None where it has to stay."""
        if message.status not in WAITING or message.doubt_us is not None or self._is_up(message.lane):
            return None
        return next((name for name in message.lanes if name != message.lane and self._is_up(name)), None)
