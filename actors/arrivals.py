"""What follows once a message is durable, in the daemon that acts: it is on the agenda, whoever took it in.

This file answers for no durable message being on nobody's agenda, whatever its commit was answered with. It must never
be told of what is certainly not there.
"""

from collections.abc import Callable
from typing import Final

from actors.doubts import Doubts
from actors.first_commits import Prepared
from actors.parcels import Parcels
from actors.roster import Roster
from actors.scheduler import Scheduler
from core.message import Message
from core.policies import MINUTE_US
from core.ports import Clock, Log

# Contents of messages due within this time are kept in memory for their first send.
_SOON_US: Final = MINUTE_US


class Arrivals:
    """The way from a commit to the agenda."""

    def __init__(
        self,
        *,
        log: Log,
        clock: Clock,
        roster: Roster,
        scheduler: Scheduler,
        parcels: Parcels,
        noticed: Callable[[Message], None],
    ) -> None:
        """`noticed` hears of messages that may go through several lanes, or whose time will be over."""
        self._noticed = noticed
        self._roster = roster
        self._scheduler = scheduler
        self._parcels = parcels
        self._doubts = Doubts(log, clock)

    def accepted(self, prepared: Prepared, *, is_first: bool) -> None:
        """A message that this daemon accepted itself; `is_first`: nothing older of its conversation is in the log."""
        message = prepared.message
        if message.first_due_us <= message.accepted_us + _SOON_US:
            self._parcels.keep(message.id, prepared.private)
            if is_first and self._roster.find(message.conversation) is None:
                # Nothing older can be in the log, so its actor begins without reading it.
                self._roster.wake(message.conversation, message.tenant, is_new=True)
        self.durable(message)

    def durable(self, message: Message) -> None:
        """A message is in the log, wherever it came from."""
        if message.lanes or message.ends_us is not None:
            self._noticed(message)
        actor = self._roster.find(message.conversation)
        if actor is not None and actor.arrived(message):
            # Asked first, since going through all that waits there costs more than the acceptance in a long line.
            if not actor.is_spoken_for(message):
                self._scheduler.remind(actor)
        else:
            self._scheduler.arrived(message)

    def unknown(self, message: Message) -> None:
        """It may be there, ahead of others: whoever is awake has to ask the log before anything else leaves."""
        actor = self._roster.find(message.conversation)
        if actor is not None:
            actor.is_lost = True

    def doubted(self, message: Message) -> None:
        """The same of one that nobody else will look for."""
        self.unknown(message)
        self._doubts.add(message)

    async def settle_doubts(self) -> None:
        """Finds what was accepted though nobody could tell, until cancelled."""
        await self._doubts.run(self.unknown, self.durable)
