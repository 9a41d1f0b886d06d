"""One at a time for each of any number of names, and nothing kept of a name that nobody wants."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from actors.turn import Turn


class TurnsByName:
    """A turn for each name, made when somebody comes for it and gone when the last one leaves."""

    def __init__(self, waiting_max: int) -> None:
        """At most `waiting_max` callers wait for one name's turn; the next one gets Overloaded."""
        self._waiting_max = waiting_max
        self._turns: dict[bytes, Turn] = {}

    def __len__(self) -> int:
        return len(self._turns)

    @asynccontextmanager
    async def of(self, name: bytes) -> AsyncIterator[None]:
        """Holds the turn of a name."""
        turn = self._turns.get(name)
        if turn is None:
            turn = self._turns[name] = Turn(self._waiting_max)
        try:
            async with turn:
                yield
        finally:
            if not turn.is_taken and self._turns.get(name) is turn:
                del self._turns[name]
