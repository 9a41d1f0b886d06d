"""The other side of a house on virtual time: a provider and a disk that do as they are told, and a witness who counts.

This file answers for implementations of the ports that obey a test. It must never judge, and never look into an actor.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import anyio
import msgspec

from core.errors import AppendUnknown, StoreUnavailable
from core.outcomes import Outcome, Taken
from core.policies import SECOND_US
from core.ports import Parcel
from eventstore.disk import Border

START_US: Final = 1_769_760_000_000_000  # 2026-01-30T08:00:00Z


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt as the other side saw it: who it was for, the number in its content, and when its bytes came."""

    to: str
    number: int
    attempt: int
    at_us: int
    stream: int


class Provider:
    """The other side of a lane. It takes everything, a millisecond after it came, unless it is told otherwise."""

    def __init__(self, moods: Iterator[Outcome] | None = None) -> None:
        """`moods` are its answers, one after another, where an address has none of its own."""
        self.seen: list[Arrival] = []
        self.given: list[tuple[str, int, Outcome]] = []
        self._moods = moods
        self.takes_us = 1_000
        self.answers: dict[str, deque[Outcome]] = defaultdict(deque)
        self.always: dict[str, Outcome] = {}
        self.in_flight = self.in_flight_most = 0
        self._gate: anyio.Event | None = None
        self._door: anyio.Event | None = None
        self._loses: Callable[[Parcel], bool] = lambda _parcel: False

    def hold(self) -> None:
        """Lets requests come in, and answers none of them until `let_go`."""
        self._gate = anyio.Event()

    def hold_connections(self) -> None:
        """Lets nobody connect until `let_go`, so that no byte leaves."""
        self._door = anyio.Event()

    def let_go(self) -> None:
        """Goes on with what it held."""
        for held in (self._gate, self._door):
            if held is not None:
                held.set()
        self.hang_up()

    def hang_up(self) -> None:
        """Whoever it held is gone, with the life that called; it holds nobody else."""
        self._gate = self._door = None

    def soothe(self) -> None:
        """Takes everything from here on."""
        self._moods = None
        self.always.clear()

    def refuse_connections(self, which: Callable[[Parcel], bool]) -> None:
        """Before a byte of these could leave."""
        self._loses = which

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        """Answers to order, else takes it."""
        outcome = self._answer(parcel.to)
        if self._door is not None:
            await self._door.wait()
        if self._loses(parcel):
            return outcome
        handed_over()
        number = _number_in(parcel.content)
        at_us = round(asyncio.get_running_loop().time() * SECOND_US) + START_US
        self.seen.append(
            Arrival(to=parcel.to, number=number, attempt=parcel.attempt, at_us=at_us, stream=parcel.stream)
        )
        self.in_flight += 1
        self.in_flight_most = max(self.in_flight, self.in_flight_most)
        try:
            if self._gate is not None:
                await self._gate.wait()
            await asyncio.sleep(self.takes_us / SECOND_US)
        finally:
            self.in_flight -= 1
        self.given.append((parcel.to, number, outcome))
        return outcome

    def _answer(self, to: str) -> Outcome:
        if self.answers[to]:
            return self.answers[to].popleft()
        if to in self.always or self._moods is None:
            return self.always.get(to, Taken(code="200"))
        return next(self._moods)

    async def close(self) -> None:
        """There is nothing to close."""

    def numbers(self, to: str) -> list[int]:
        """The numbers that came for one address, in the order in which they came."""
        return [arrival.number for arrival in self.seen if arrival.to == to]


class ObedientDisk:
    """A disk as slow as it is told, that fails when it is told. Reads and commits take no time at first."""

    def __init__(self) -> None:
        self.read_us = self.commit_us = 0
        self.reads = 0
        self.is_full = self.is_unreadable = False
        self._mended: anyio.Event | None = None
        self._unknown: tuple[Border, int] | None = None

    def fail_later(self, border: Border, *, after_commits: int = 0) -> None:
        """One commit fails at this border so that nobody can tell what became of it: the next, or one after that."""
        self._unknown = border, after_commits

    def calm(self) -> None:
        """Nothing fails any more."""
        self._unknown = None
        self.empty()

    def fill(self) -> None:
        """No write goes through from here on; reads do."""
        self.is_full, self._mended = True, anyio.Event()

    def empty(self) -> None:
        """Writes go through again."""
        self.is_full = False
        if self._mended is not None:
            self._mended.set()

    def at(self, border: Border, rows: int) -> Awaitable[None] | None:
        """Called at a border of a commit or a read."""
        if border == "before_read":
            self.reads += 1
            if self.is_unreadable:
                raise StoreUnavailable("the disk answers with an I/O error")
            return asyncio.sleep(self.read_us / SECOND_US) if self.read_us else None
        if self.is_full and border == "before_write":
            raise StoreUnavailable("no space is left on the disk")
        if rows and self._unknown is not None and self._unknown[0] == border:
            self._fail_if_due()
        return asyncio.sleep(self.commit_us / SECOND_US) if self.commit_us and border == "before_sync" else None

    def _fail_if_due(self) -> None:
        assert self._unknown is not None, "a failure was planned"
        border, after_commits = self._unknown
        self._unknown = (border, after_commits - 1) if after_commits else None
        if not after_commits:
            raise AppendUnknown("the disk failed while it was writing")

    def mended(self) -> Awaitable[None] | None:
        """Ends when writing may be tried again."""
        return self._mended.wait() if self.is_full and self._mended is not None else asyncio.sleep(0.001)


class Notes:
    """The witness: what the actors say happened."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, str | int | float | None]]] = []

    def note(self, name: str, /, **values: str | int | float | None) -> None:
        """One thing that happened."""
        self.said.append((name, values))

    def count(self, name: str) -> int:
        """How often something happened."""
        return sum(1 for said, _ in self.said if said == name)


def _number_in(content: bytes) -> int:
    decoded = msgspec.json.decode(content)
    return int(decoded["subject"]) if "subject" in decoded else int(decoded["data"]["n"])
