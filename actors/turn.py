"""One at a time, first come first served, and only so many may wait."""

from collections import deque
from types import TracebackType

import anyio

from actors.certainty import certain_or
from core.errors import Overloaded


class Turn:
    """An asynchronous context manager that one task holds at a time.

    Raises Overloaded where `waiting_max` callers wait already. It holds no queue until somebody waits: ten thousand
    idle conversations have one each.
    """

    __slots__ = ("_waiting", "_waiting_max", "is_taken")

    def __init__(self, waiting_max: int) -> None:
        self._waiting_max = waiting_max
        self._waiting: deque[anyio.Event] | None = None
        self.is_taken = False

    async def __aenter__(self) -> None:
        if not self.is_taken:
            self.is_taken = True
            return
        if self._waiting is None:
            self._waiting = deque()
        if len(self._waiting) >= self._waiting_max:
            raise Overloaded(f"{self._waiting_max} callers wait for this conversation already")
        mine = anyio.Event()
        self._waiting.append(mine)
        with certain_or(lambda: self._leave(mine)):
            await mine.wait()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pass_on()

    def _leave(self, mine: anyio.Event) -> None:
        """A caller was cancelled while it waited, or just as its turn came."""
        if mine.is_set():
            self._pass_on()
        elif self._waiting is not None:
            self._waiting.remove(mine)

    def _pass_on(self) -> None:
        if self._waiting:
            self._waiting.popleft().set()
        else:
            self._waiting = None
            self.is_taken = False
