"""The programs that ask for messages: each calls at its instant, and again where it was refused or heard nothing.

This file answers for clients that behave as documented: they wait as long as Retry-After says, and repeat a call of
unknown fate only under an idempotency key. Every call ends in the books.
"""

import asyncio
from typing import Final, Literal

import anyio

from actors.intake import Receipt
from actors.system import System
from core.contents import submission_of
from core.errors import AppendUnknown, Invalid, KeyReused, Refused, StreamConflict
from core.policies import SECOND_US
from core.ports import Clock
from scenarios.file.arriving import Request
from scenarios.world.books import Told
from scenarios.world.ground import Ground

# A client that lost its connection, or that was told to wait, comes back within so much more than it has to.
_COMES_BACK_US: Final = 2 * SECOND_US


class Clients:
    """All clients of one life of the daemon."""

    def __init__(self, ground: Ground, system: System, clock: Clock) -> None:
        self._ground = ground
        self._system = system
        self._clock = clock
        self._loop = asyncio.get_running_loop()

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
                receipt = await self._accept(request)
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
                return self._ends(request, "repeated" if receipt.duplicate else "accepted", receipt)
            del self._ground.calling[request.key, request.nth]

    async def _accept(self, request: Request) -> Receipt:
        submission = submission_of(
            request.body,
            now_us=self._clock.now_us(),
            send_at_max_us=self._ground.settings.bounds.send_at_max_us,
            trace=request.key,
        )
        return await self._system.intake.accept(request.tenant, submission)

    def _ends(
        self,
        request: Request,
        what: Literal["accepted", "repeated", "rejected", "unknown"],
        receipt: Receipt | None = None,
        words: str = "",
    ) -> None:
        self._note(request, what, stream=None if receipt is None else receipt.id, words=words)
        del self._ground.calling[request.key, request.nth]
        del self._ground.unfinished[request.key, request.nth]

    def _note(
        self,
        request: Request,
        what: Literal["accepted", "repeated", "refused", "rejected", "unknown"],
        *,
        stream: int | None = None,
        words: str = "",
    ) -> None:
        told = Told(key=request.key, nth=request.nth, at_us=self._now_us(), what=what, stream=stream, words=words)
        self._ground.told(told)

    def _patience_us(self, request: Request) -> int:
        return 1 + self._ground.draws.integer(
            "comes back", request.key, request.nth, self._now_us(), below=_COMES_BACK_US
        )

    def _now_us(self) -> int:
        return round(self._loop.time() * SECOND_US)
