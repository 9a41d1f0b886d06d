"""Acceptances of unknown fate: looked for again once the log can tell, and put on the agenda where they are there.

This file answers for no message being durable and on nobody's agenda, and for its keeping its place there. It waits
without a timer while the log works, and asks now and then while it is in trouble.
"""

from collections.abc import Callable
from typing import Final

import anyio

from actors.bell import Bell
from core.errors import Refused, StoreUnavailable
from core.message import Message
from core.policies import SECOND_US
from core.ports import Clock, Log
from core.records import Head

_AGAIN_US: Final = SECOND_US


class Doubts:
    """The messages whose commit the log could not answer for. A store that fails takes nothing new, so they are few."""

    def __init__(self, log: Log, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        # Those whose commit may still be on its way, and those that the log can tell of.
        self._added, self._through = list[Message](), list[Message]()
        self._came, self._went = Bell(clock), Bell(clock)

    def add(self, message: Message) -> None:
        """It may have been accepted, or not."""
        self._added.append(message)
        self._came.ring()

    async def run(self, unknown: Callable[[Message], None], arrived: Callable[[Message], None]) -> None:
        """Calls `arrived` for each that is durable after all, until cancelled.

        Before, and in the very moment in which its commit is through, `unknown` hears of it: what was read of its
        conversation so far may lack it, while others that were accepted after it come in.
        """
        async with anyio.create_task_group() as group:
            is_looking = False
            while True:
                added, self._added = self._added, []
                if added and not is_looking:
                    # Most daemons never doubt anything.
                    is_looking = True
                    group.start_soon(self._look, arrived)
                for message in added:
                    group.start_soon(self._hear, message, unknown)
                await self._came.wait(None)

    async def _hear(self, message: Message, unknown: Callable[[Message], None]) -> None:
        await self._log.settled()
        unknown(message)
        self._through.append(message)
        self._went.ring()

    async def _look(self, arrived: Callable[[Message], None]) -> None:
        while True:
            if not self._through:
                await self._went.wait(None)
            elif not await self._settle(self._through[0], arrived):
                await self._clock.sleep_until(self._clock.now_us() + _AGAIN_US)

    async def _settle(self, message: Message, arrived: Callable[[Message], None]) -> bool:
        """Answers whether the log could tell."""
        try:
            head = await certain_head(self._log, message.id)
        except Refused:
            return False
        self._through.remove(message)
        # Where more has happened to it since, somebody has found it already.
        if head is not None and head.version == message.version:
            arrived(message)
        return True


async def certain_head(log: Log, stream: int) -> Head | None:
    """The head of a stream whose writer gave up waiting, or was told that nobody knows; None where nothing was written.

    Raises Refused while the log cannot tell.
    """
    # One that gave up left its commit on the way: to look before it is through would find nothing, and be wrong.
    await log.settled()
    if log.health()[0] != "ok":
        raise StoreUnavailable("what the log holds is not known before it has been written to again")
    return await log.head_of(stream)
