"""Providers and people who tell us something: each at its instant, and again until it is answered.

This file answers for senders that behave as documented: what is not answered with success comes again, later each time,
over any crash. Every call that was answered ends in the books.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from anyio.abc import TaskGroup

from actors.hooks import Brought
from adapters.hooks.requests import BadSignature
from core.errors import AppendUnknown, Refused, StreamConflict
from core.policies import HOUR_US, SECOND_US
from scenarios.loop.virtual import running_loop
from scenarios.world.books import Posted, Told, What
from scenarios.world.entrance import Entrance
from scenarios.world.ground import Ground
from scenarios.world.tellings import Telling

# How long a sender waits before it comes again: so much at first, and at most.
_AGAIN_US: Final = 2 * SECOND_US
_AGAIN_MOST_US: Final = HOUR_US


class Senders:
    """All who tell us anything, in one life of the daemon. Their tasks live in `group`."""

    def __init__(self, ground: Ground, entrance: Entrance, group: TaskGroup, *, answered: Callable[[], None]) -> None:
        """`answered` hears of everybody who has an answer."""
        self._ground = ground
        self._entrance = entrance
        self._group = group
        self._answered = answered
        self._loop = running_loop()

    def start(self) -> None:
        """Takes up what is still to be told."""
        began_us = self._now_us()
        for telling in list(self._ground.tellings.values()):
            # Whoever found nobody at home comes again soon after somebody is.
            wait_us = telling.at_us - began_us if telling.at_us >= began_us else self._patience_us(telling, 1)
            self._group.start_soon(self._tell, telling, wait_us)

    def plan(self, telling: Telling) -> None:
        """One more, which follows from what has just happened."""
        self._ground.expect(telling)
        self._group.start_soon(self._tell, telling, telling.at_us - self._now_us())

    async def _tell(self, telling: Telling, wait_us: int) -> None:
        """One call, until it is answered."""
        tries = 0
        while True:
            await asyncio.sleep(max(0, wait_us) / SECOND_US)
            if (telling.key, telling.nth) not in self._ground.tellings:
                return  # What it tells of never got there: one of several daemons died before it had left.
            tries += 1
            try:
                await self._make(telling)
            except (Refused, AppendUnknown, StreamConflict):
                wait_us = self._patience_us(telling, tries)
            except BadSignature as bad:
                self._turned_away(telling, str(bad))
                return
            else:
                break
        self._ground.tellings.pop((telling.key, telling.nth), None)
        posted = Posted(
            key=telling.key,
            nth=telling.nth,
            at_us=self._now_us(),
            lanes=telling.lanes,
            news=telling.news,
            handed=telling.handed,
            hook=None if telling.post is None else telling.post.updates[0],
        )
        self._ground.books.posted.append(posted)
        self._answered()

    def _turned_away(self, telling: Telling, words: str) -> None:
        """Whoever signs wrongly does not come again."""
        assert telling.post is not None, "only a hook is signed"
        what: What = "forged" if telling.post.forged else "rejected"
        for key in telling.post.updates:
            self._ground.told(Told(key=key, nth=telling.nth, at_us=self._now_us(), what=what, words=words))
        del self._ground.tellings[telling.key, telling.nth]
        self._answered()

    async def _make(self, telling: Telling) -> None:
        """Returns where it was answered with success."""
        ground = self._ground
        if telling.post is None:
            lanes = telling.lanes
            await self._entrance.heed(Brought(tenant=telling.tenant, news=telling.news, lanes=lanes, accounts=lanes))
            return
        receipts = await self._entrance.take(telling.post, telling.nth)
        for key, receipt in zip(telling.post.updates, receipts, strict=True):
            what: What = "repeated" if receipt.duplicate else "accepted"
            ground.told(Told(key=key, nth=telling.nth, at_us=self._now_us(), what=what, stream=receipt.id))

    def _patience_us(self, telling: Telling, tries: int) -> int:
        longest_us = min(_AGAIN_MOST_US, _AGAIN_US << tries)
        return 1 + self._ground.draws.integer("tells again", telling.key, telling.nth, self._now_us(), below=longest_us)

    def _now_us(self) -> int:
        return self._loop.now_us
