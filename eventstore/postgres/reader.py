"""Questions to the database, each through a connection of the pool.

This file answers for every question getting its answer or an error of the house, over a restart of the server too. It
must never write.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Final, TypeVar

from core.errors import StoreUnavailable
from eventstore.postgres.connection import COMMAND_S, FAILED, LOST, Connection, Pool, Row, unreadable

Result = TypeVar("Result")

# Connections for questions. Those that look along many rows get some of them at most, so that they cannot hold up the
# short ones of actors. Those that seek by a filter have their own: which index is best depends on what it asks for.
MOST: Final = 4
WIDE_MOST: Final = 2
SOUGHT_MOST: Final = 2


class Reader:
    """Those questions that share a bound of connections."""

    def __init__(self, pool: Pool, most: int, *, plans_anew: bool = False) -> None:
        self._pool = pool
        self._plans_anew = plans_anew
        self._room = asyncio.Semaphore(most)
        self._is_closed = False

    async def rows(self, statement: str, *values: object) -> list[Row]:
        """All rows of one statement. Raises StoreUnavailable."""
        return await self._ask(lambda connection: connection.fetch(statement, *values))

    async def row(self, statement: str, *values: object) -> Row | None:
        """The first row of one statement. Raises StoreUnavailable."""
        return await self._ask(lambda connection: connection.fetchrow(statement, *values))

    async def at_once(self, question: Callable[[Connection], Awaitable[Result]]) -> Result:
        """What several statements give that see the same state of the log. Raises StoreUnavailable."""

        async def asked(connection: Connection) -> Result:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                return await question(connection)

        return await self._ask(asked)

    def close(self) -> None:
        """Takes no more questions."""
        self._is_closed = True

    async def _ask(self, question: Callable[[Connection], Awaitable[Result]]) -> Result:
        try:
            return await self._answer(question)
        except LOST:
            # A server that was restarted has closed connections that the pool still has. The next one is made anew.
            pass
        try:
            return await self._answer(question)
        except LOST as error:
            raise unreadable(error) from error

    async def _answer(self, question: Callable[[Connection], Awaitable[Result]]) -> Result:
        if self._is_closed:
            raise StoreUnavailable("the log is closed")
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._room)
            acquired = self._pool.acquire(timeout=COMMAND_S, plans_anew=self._plans_anew)
            connection = await stack.enter_async_context(acquired)
            try:
                return await question(connection)
            except LOST:
                # The pool may have let it go by itself already, and its complaint would hide what was wrong.
                with suppress(*LOST):
                    connection.terminate()
                raise
            except FAILED as error:
                raise unreadable(error) from error
        raise AssertionError("an answer is given or an error raised")
