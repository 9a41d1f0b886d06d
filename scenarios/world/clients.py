"""The programs that call us, for messages or with hooks: each at its instant, and again where it was not answered.

This file answers for clients that behave as documented: they wait as long as Retry-After says, and repeat a call of
unknown fate only under an idempotency key, which every event of a hook is. Every call ends in the books.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import anyio

from actors.intake import Acknowledgement
from adapters.hooks.requests import BadSignature
from core.errors import AppendUnknown, Invalid, KeyReused, Refused, StreamConflict
from core.policies import SECOND_US
from scenarios.file.arriving import Request
from scenarios.loop.virtual import running_loop
from scenarios.world.books import Told, What
from scenarios.world.entrance import Entrance
from scenarios.world.ground import Ground
from scenarios.world.hooking import post_of

# A client that lost its connection, or that was told to wait, comes back within so much more than it has to.
_COMES_BACK_US: Final = 2 * SECOND_US


class Clients:
    """All clients of one life of the daemon."""

    def __init__(self, ground: Ground, entrance: Entrance) -> None:
        self._ground = ground
        self._entrance = entrance
        self._loop = running_loop()

    async def run(self) -> None:
        """Makes every call that is still to be made, each at its instant."""
        ground, began_us = self._ground, self._now_us()
        async with anyio.create_task_group() as group:
            for request in list(ground.unfinished.values()):
                if request.at_us < began_us:
                    wait_us = self._patience_us(request)
                    group.start_soon(self._call, request, wait_us)
                    continue
                left_us = request.at_us - self._now_us()
                if left_us > 0:
                    await asyncio.sleep(left_us / SECOND_US)
                group.start_soon(self._call, request, 0)

    async def _call(self, request: Request, wait_us: int) -> None:
        """One call until it has its answer."""
        while True:
            if wait_us:
                await asyncio.sleep(wait_us / SECOND_US)
            self._ground.calling[request.key, request.nth] = request
            try:
                acknowledged = await self._taken(request)
            except BadSignature as bad:
                return self._ends(request, "forged" if request.forged else "rejected", words=str(bad))
            except Refused as refused:
                self._note(request, "refused", words=str(refused))
                wait_us = refused.retry_after_s * SECOND_US + self._patience_us(request)
            except AppendUnknown:
                if not request.has_key:
                    return self._ends(request, "unknown")
                wait_us = self._patience_us(request)
            except StreamConflict as conflict:
                # Nobody may ever see this one: it means two writers.
                self._ground.books.alarms.append(f"accept: {conflict}")
                return self._ends(request, "unknown")
            except (Invalid, KeyReused) as error:
                return self._ends(request, "rejected", words=str(error))
            else:
                return self._ends(request, "accepted", acknowledged)
            del self._ground.calling[request.key, request.nth]

    async def _taken(self, request: Request) -> list[Acknowledgement]:
        """The answer to a message, or those to the updates of a hook."""
        if request.hook:
            return await self._entrance.take(post_of(request), request.nth)
        return [await self._entrance.accept(request)]

    def _ends(
        self, request: Request, what: What, acknowledged: Sequence[Acknowledgement] = (), words: str = ""
    ) -> None:
        self._note(request, what, acknowledged, words=words)
        del self._ground.calling[request.key, request.nth]
        del self._ground.unfinished[request.key, request.nth]

    def _note(
        self, request: Request, what: What, acknowledged: Sequence[Acknowledgement] = (), *, words: str = ""
    ) -> None:
        for place, key in enumerate(request.updates or (request.key,)):
            one = acknowledged[place] if acknowledged else None
            self._ground.told(
                Told(
                    key=key,
                    nth=request.nth,
                    at_us=self._now_us(),
                    what="repeated" if one is not None and one.duplicate else what,
                    stream=None if one is None else one.id,
                    words=words,
                )
            )

    def _patience_us(self, request: Request) -> int:
        return 1 + self._ground.draws.integer(
            "comes back", request.key, request.nth, self._now_us(), below=_COMES_BACK_US
        )

    def _now_us(self) -> int:
        return self._loop.now_us
