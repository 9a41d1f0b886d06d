"""What daemons of a memory cluster leave for the one that acts, from both sides.

This file answers for the door and the inbox keeping to one another: what was left is there until it was dealt with, and
a request is carried out once at most. It must never look into what is left.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from core.errors import AppendUnknown, StoreUnavailable
from core.records import Acceptance, Repeated, Stored, Waiting
from eventstore.batches import INBOX_ROWS_MAX, check_inbox
from eventstore.waking import woken_within

if TYPE_CHECKING:
    from eventstore.cluster_node import Node

# How long an asker who missed a hint waits before it looks again.
_AGAIN_S: Final = 0.25


class MemoryDoor:
    """The Door port of one node."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._cluster = node.cluster

    async def accept(self, acceptance: Acceptance) -> Stored | Repeated:
        """Takes charge of a message: key, vault row, address and an inbox row in one step."""

        def park() -> Stored | Repeated:
            self._node.check_alive()
            self._check_room()
            answer = self._cluster.durable.park(acceptance)
            self._cluster.left.wake()
            return answer

        return await self._node.write(park)

    async def leave(self, news: bytes, *, tenant: str) -> None:
        """What a hook told is durable, and the acting daemon will heed it."""

        def leave() -> None:
            self._node.check_alive()
            self._check_room()
            self._cluster.durable.parking.leave(news, tenant)
            self._cluster.left.wake()

        await self._node.write(leave)

    async def ask(self, request: bytes, *, within_s: float) -> bytes:
        """The acting daemon's answer. Raises StoreUnavailable where nobody took it, else AppendUnknown."""

        def put() -> int:
            self._node.check_alive()
            asked = self._cluster.durable.parking.ask(request, self._node.identity)
            self._cluster.left.wake()
            return asked

        asked = await self._node.write(put)
        answer: bytes | None = None
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                answer = await self._answer(asked)
        return await self._given_up(asked, answer)

    def _check_room(self) -> None:
        check_inbox(is_full=len(self._cluster.durable.parking.rows) >= INBOX_ROWS_MAX)

    async def _answer(self, asked: int) -> bytes:
        while True:
            hint = self._cluster.answered.ask()
            with suppress(StoreUnavailable):
                answer = await self._node.read(lambda: self._cluster.durable.parking.answered(asked))
                if answer is not None:
                    return answer
            await woken_within(hint, _AGAIN_S)

    async def _given_up(self, asked: int, answer: bytes | None) -> bytes:
        """Nobody waits for the request any more, answered or not."""
        try:
            was_there = await self._node.write(lambda: self._cluster.durable.parking.withdraw(asked))
        except (StoreUnavailable, AppendUnknown):
            was_there = False
        if answer is not None:
            return answer
        if was_there:
            raise StoreUnavailable("no daemon acts now that could carry this out; nothing was done")
        raise AppendUnknown("the daemon that acts has not answered; nobody can tell whether it carried this out")


class MemoryInbox:
    """The Inbox port of the node that acts, under its epoch."""

    def __init__(self, node: "Node", epoch: int) -> None:
        self._node = node
        self._epoch = epoch
        self._cluster = node.cluster
        # The newest row that there was at the last look.
        self._seen = 0

    async def waiting(self, *, after: int, limit: int) -> list[Waiting]:
        """What waits beyond an id, oldest first."""
        parking = self._cluster.durable.parking
        rows = await self._node.read(lambda: (parking.last, parking.waiting(after, limit)))
        self._seen = rows[0]
        return rows[1]

    async def stirred(self) -> None:
        """Returns when something has come since the last look. In memory no hint is ever lost, so nothing polls."""
        while self._cluster.durable.parking.last <= self._seen:
            await self._cluster.left.ask()

    async def drop(self, ids: Sequence[int]) -> None:
        """These are done with."""

        def drop() -> None:
            self._node.check_acting(self._epoch)
            for row in ids:
                self._cluster.durable.parking.remove(row)

        await self._node.write(drop)

    async def take(self, requests: Sequence[int]) -> list[int]:
        """Those of these requests that are still wanted; from here on somebody carries them out."""

        def take() -> list[int]:
            self._node.check_acting(self._epoch)
            return self._cluster.durable.parking.take(requests)

        return await self._node.write(take)

    async def answer(self, request: int, body: bytes, /) -> None:
        """What a request that was taken came to."""

        def answer() -> None:
            self._node.check_acting(self._epoch)
            self._cluster.durable.parking.answer(request, body)
            self._cluster.answered.wake()

        await self._node.write(answer)
