"""Requests to the daemon that acts, and its answers.

This file answers for a request that nobody has taken being withdrawn, so that "nobody answered" means that nothing was
done. It must never ask twice.
"""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Final

from core.errors import AppendUnknown, StoreUnavailable
from eventstore.postgres.errands import Errands
from eventstore.postgres.hints import Hints

# How often answers are looked for while some are waited for, without a hint.
LOOKED_FOR_S: Final = 0.25

_FOUND: Final = "SELECT number, body FROM answer WHERE asker = $1"
_READ: Final = "DELETE FROM answer WHERE asker = $1 AND number = ANY($2::bigint[])"
# One that was taken goes as well: its answer finds nobody any more.
_WITHDRAW: Final = """
DELETE FROM inbox WHERE asker = $1 AND number = ANY($2::bigint[]) AND kind = 'request' RETURNING number, taken"""


class Asking:
    """The answers that are waited for."""

    def __init__(self, identity: int, errands: Errands, hints: Hints) -> None:
        self._identity = identity
        self._errands = errands
        self._hints = hints
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        # Nobody knows yet whether these were left. Until somebody does, an answer is the proof: it must not be cleared
        # away, or the request would be left again.
        self._leaving: set[int] = set()
        # Given up, and maybe still there.
        self._abandoned: set[int] = set()
        self._task: asyncio.Task[None] | None = None

    def number(self) -> int:
        """A number for the next note: no other of this process has it."""
        return next(self._numbers)

    async def ask(self, number: int, leave: Callable[[], Awaitable[object]], *, within_s: float) -> bytes:
        """The answer to what `leave` leaves under this number. Raises as `Door.ask` does."""
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            # The time counts from when it can be found.
            await self._left(number, leave)
            self._look()
            async with asyncio.timeout(within_s):
                return await future
        except TimeoutError:
            return await self._given_up(number, future)
        finally:
            del self._waiting[number]

    async def _left(self, number: int, leave: Callable[[], Awaitable[object]]) -> None:
        self._leaving.add(number)
        try:
            await leave()
        finally:
            self._leaving.discard(number)

    async def close(self) -> None:
        """Looks for no more answers."""
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(AppendUnknown("the daemon stops, and its request was not answered yet"))
        if self._task is not None:
            self._hints.wake(str(self._identity))
            await self._task

    async def _given_up(self, number: int, future: asyncio.Future[bytes]) -> bytes:
        is_withdrawn = False
        self._abandoned.add(number)
        abandoned = set(self._abandoned)
        try:
            gone = await self._errands.rows(_WITHDRAW, self._identity, sorted(abandoned))
            self._abandoned -= abandoned
            is_withdrawn = (number, False) in {(row[0], row[1]) for row in gone}
            # It may have been answered at this moment.
            await self._collect()
        except StoreUnavailable:
            # Nobody can tell then.
            pass
        if is_withdrawn:
            raise StoreUnavailable("no daemon acts on this log at the moment")
        if future.done() and not future.cancelled():
            return future.result()
        raise AppendUnknown("the daemon that acts may have taken the request, and has not answered in time")

    def _look(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        while any(not future.done() for future in self._waiting.values()):
            await self._hints.heard(str(self._identity), within_s=LOOKED_FOR_S)
            try:
                await self._collect()
            except StoreUnavailable:
                # Those that wait have their time, and the next look may find the database back.
                pass
        self._task = None

    async def _collect(self) -> None:
        found = await self._errands.asked(_FOUND, self._identity)
        rows = [row for row in found if row[0] not in self._leaving]
        for row in rows:
            future = self._waiting.get(row[0])
            if future is not None and not future.done():
                future.set_result(row[1])
        if rows:
            await self._errands.rows(_READ, self._identity, [row[0] for row in rows])
