"""Several daemons as the outside sees them: some address answers, and whoever is behind it may be gone in the middle.

This file answers for every call going to a daemon that listens, drawn anew each time, and for its caller hearing what a
client would: an answer, a refusal, or nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar, cast

from actors.hooks import Brought
from actors.intake import Acknowledgement
from actors.system import System
from core.errors import AppendUnknown, StoreUnavailable
from core.policies import SECOND_US
from scenarios.draws import Draws
from scenarios.file.arriving import Request
from scenarios.loop.nodes import NodeLoop
from scenarios.world.entrance import Entrance
from scenarios.world.hooking import Post
from scenarios.world.member import Member
from scenarios.world.orders import Orders

T = TypeVar("T")

# How long a client waits for an answer.
_PATIENCE_S: Final = 30.0


class Doors:
    """The way in, and the way to the daemon that acts. `members` are the processes that run."""

    def __init__(self, members: Callable[[], Sequence[Member]], draws: Draws, orders: Orders) -> None:
        self._members = members
        self._draws = draws
        self._orders = orders
        self._asked = 0

    async def accept(self, request: Request) -> Acknowledgement:
        """See Entrance."""
        member, entrance = self._listening(request.key, request.nth)
        return await self._at(member, lambda: entrance.accept(request))

    async def take(self, post: Post, nth: int) -> list[Acknowledgement]:
        """See Entrance."""
        member, entrance = self._listening(post.updates[0], nth)
        return await self._at(member, lambda: entrance.take(post, nth))

    async def heed(self, brought: Brought) -> None:
        """See Entrance."""
        member, entrance = self._listening("news", 0)
        await self._at(member, lambda: entrance.heed(brought))

    async def __call__(self, work: Callable[[System], Awaitable[T]]) -> T:
        """See Reach. Whoever stands by passes it on."""
        member, _ = self._listening("order", 0)
        return await self._at(member, lambda: self._carried_out(member, work))

    async def _carried_out(self, member: Member, work: Callable[[System], Awaitable[T]]) -> T:
        if member.system is not None:
            return await work(member.system)
        answer = await member.ask(self._orders.written(work))
        return cast("T", self._orders.outcome(answer))

    def _listening(self, key: str, nth: int) -> tuple[Member, Entrance]:
        self._asked += 1
        listening = [(member, member.entrance) for member in self._members() if member.entrance is not None]
        if not listening:
            raise StoreUnavailable("nobody listens")
        # The same call goes elsewhere the next time.
        member, entrance = self._draws.choice("daemon", key, nth, self._now_us(), among=listening)
        assert entrance is not None, "a daemon that listens has a door"
        return member, entrance

    async def _at(self, member: Member, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, NodeLoop), "several daemons live on a loop of their kind"
        call = loop.start_in(member.identity, work, name=f"call {self._asked} of daemon {member.identity}")
        if await loop.over(member.identity, call, _PATIENCE_S):
            return call.result()
        # Whatever becomes of it, nobody hears of it any more.
        call.add_done_callback(_heard)
        raise AppendUnknown("no answer came")

    @staticmethod
    def _now_us() -> int:
        return round(asyncio.get_running_loop().time() * SECOND_US)


def _heard(call: "asyncio.Task[Any]") -> None:
    if not call.cancelled():
        call.exception()
