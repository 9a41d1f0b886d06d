"""Small writes that belong to no batch, each by itself, through one connection.

This file answers for each of them being durable once it is answered. It must never write what a fence has to guard.
"""

import asyncio

from core.errors import StoreUnavailable
from eventstore.postgres.connection import TROUBLE, Connection, Row, connect, farewell, words_of


class Errands:
    """A connection that is made when it is needed, for one statement at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None
        self._is_closed = False
        self._turn = asyncio.Lock()

    async def rows(self, statement: str, *values: object) -> list[Row]:
        """All rows that a statement gives. Raises StoreUnavailable; whether it was carried out is not known then."""
        async with self._turn:
            try:
                return await self._answer(statement, *values)
            except TROUBLE as error:
                if self._connection is not None:
                    self._connection.terminate()
                raise StoreUnavailable(f"the log cannot be written now: {words_of(error)}") from error

    async def asked(self, question: str, *values: object) -> list[Row]:
        """All rows that a question gives, which changes nothing and so may be put twice. Raises StoreUnavailable."""
        try:
            return await self.rows(question, *values)
        except StoreUnavailable as error:
            if isinstance(error.__cause__, TimeoutError):
                raise
            # A server that was restarted has closed the connection that was there. The next one is made anew.
            return await self.rows(question, *values)

    async def close(self) -> None:
        """Lets go of the connection, and runs no more errands."""
        async with self._turn:
            self._is_closed = True
            if self._connection is not None:
                await farewell(self._connection)

    async def _answer(self, statement: str, *values: object) -> list[Row]:
        if self._is_closed:
            raise StoreUnavailable("the log is closed")
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._url, for_writing=True)
        return await self._connection.fetch(statement, *values)
