"""A log as its full check reads it, and what the check says.

This file answers for the check knowing nothing about a store but this. It must never read anything itself.
"""

from collections.abc import Iterable, Iterator
from typing import Generic, Protocol, TypeVar

import msgspec

from core.records import Alias, Head, Sealed
from eventstore.codec import EventRow
from eventstore.numbering import Numbering
from eventstore.tallying import Counts

Value = TypeVar("Value")


class Book(Protocol):
    """A log as its check reads it. Iterators are lazy, so that a log of any length passes through little memory.

    Raises CorruptLog where it cannot be read on.
    """

    def size(self) -> int:
        """How many events there are."""
        ...

    def structure(self) -> str | None:
        """What the engine's own check finds wrong, None where it is content or there is none."""
        ...

    def arrivals(self) -> Iterator[EventRow]:
        """All events in the order of arrival."""
        ...

    def marks(self) -> Iterator[tuple[int, bytes]]:
        """Where all shards were noted to stand: (position, noted), in the order of positions."""
        ...

    def noted(self, numbering: Numbering) -> bytes:
        """How this store notes where all shards stand."""
        ...

    def streams(self) -> Iterator[EventRow]:
        """All events in the order of stream and version."""
        ...

    def heads(self) -> Iterator[Head]:
        """All heads in the order of streams."""
        ...

    def vault(self) -> Iterator[Sealed]:
        """All vault rows in the order of streams."""
        ...

    def conversation_at(self, tenant: str, channel: str, subject: bytes) -> int | None:
        """The conversation at an address."""
        ...

    def misled(self) -> Iterator[Alias]:
        """The aliases of streams that have no event, in the order of their names."""
        ...

    def counts(self) -> Counts:
        """The counts as they are kept."""
        ...


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something that does not hold. Numbers are 0 where it concerns no single event or stream."""

    what: str
    shard: int = 0
    seq: int = 0
    stream: int = 0
    version: int = 0

    def __str__(self) -> str:
        """One line for a person."""
        place = f"shard {self.shard}, seq {self.seq}, stream {self.stream}, version {self.version}: "
        return f"{place if self.seq else f'stream {self.stream}: ' if self.stream else ''}{self.what}"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at, and what was found: no faults means that the log is sound."""

    events: int
    streams: int
    messages: int
    parked: int
    faults: tuple[Fault, ...]


class Beside(Generic[Value]):
    """Values in the order of streams, taken beside another walk in that order."""

    def __init__(self, values: Iterable[tuple[int, Value]]) -> None:
        self._values = iter(values)
        self._next = next(self._values, None)

    def at(self, stream: int | None) -> tuple[list[int], Value | None]:
        """The streams passed over on the way, and the value of this one; None for the stream passes over all."""
        passed: list[int] = []
        while self._next is not None and (stream is None or self._next[0] < stream):
            passed.append(self._next[0])
            self._next = next(self._values, None)
        if self._next is None or self._next[0] != stream:
            return passed, None
        found = self._next[1]
        self._next = next(self._values, None)
        return passed, found
