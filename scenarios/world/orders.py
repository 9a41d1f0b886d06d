"""What is asked of the daemon that acts by way of another one: a request over the log, and its answer.

This file answers for a request being carried out once at most, and for its asker hearing what came of it. A request is
as small as its number; what it asks for is kept here, as the world's own.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from actors.system import System
from core.errors import TidingsError
from scenarios.world.books import Books

T = TypeVar("T")
Work = Callable[[System], Awaitable[object]]


class Orders:
    """All requests of a run."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._works: list[Work] = []
        self._outcomes: dict[int, object] = {}
        self._begun: set[int] = set()

    def written(self, work: Work) -> bytes:
        """A request for a piece of work."""
        self._works.append(work)
        return str(len(self._works) - 1).encode()

    async def carry_out(self, system: System, request: bytes) -> bytes:
        """Does what is asked for, at the daemon that acts."""
        number = int(request)
        if number in self._begun:
            self._books.alarms.append(f"request {number} was carried out twice")
        self._begun.add(number)
        self._books.carried_out += 1
        try:
            self._outcomes[number] = await self._works[number](system)
        except TidingsError as error:
            self._outcomes[number] = error
        return request

    def outcome(self, answer: bytes) -> object:
        """What an answer says; raises what the work raised."""
        found = self._outcomes[int(answer)]
        if isinstance(found, TidingsError):
            raise found
        return found
