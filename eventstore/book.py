"""A log as its full check reads it, and what the check says.

This file answers for the check knowing nothing about a store but this. It must never read anything itself.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Generic, Protocol, TypeVar

from core.errors import CorruptLog
from core.records import Alias, Head, Sealed, Snapshot
from eventstore.codec import EventRow
from eventstore.numbering import Numbering
from eventstore.tallying import Counts

Value = TypeVar("Value")

# The streams of a walk: the first and the last id.
Span = tuple[int, int]
EVERY_STREAM: Final[Span] = (-(1 << 63), (1 << 63) - 1)


# pos, shard, seq, stream, version, link of one event.
Place = tuple[int, int, int, int, int, bytes]


class Unreadable(CorruptLog):
    """The store itself cannot read on from here."""


class Book(Protocol):
    """A log as its check reads it. Iterators are lazy, so that a log of any length passes through little memory.

    Raises Unreadable where it cannot be read on.
    """

    def size(self) -> int:
        """How many events there are."""
        ...

    def structure(self) -> str | None:
        """What the engine's own check finds wrong, None where it is content or there is none."""
        ...

    def arrivals(self, after: int, up_to: int | None) -> Iterator[EventRow]:
        """The events behind a position in the order of arrival, up to another one (None: all)."""
        ...

    def place_after(self, pos: int) -> Place | None:
        """What can be read of the event behind a position, where its texts cannot; None where nothing can."""
        ...

    def marks(self, after: int, up_to: int | None) -> Iterator[tuple[int, bytes]]:
        """Where all shards were noted to stand: (position, noted), in the order of positions."""
        ...

    def noted(self, numbering: Numbering) -> bytes:
        """How this store notes where all shards stand."""
        ...

    def streams(self, span: Span) -> Iterator[EventRow]:
        """The events of these streams, in the order of stream and version."""
        ...

    def heads(self, span: Span) -> Iterator[Head]:
        """The heads of these streams, in their order."""
        ...

    def vault(self, span: Span) -> Iterator[Sealed]:
        """The vault rows of these streams, in their order."""
        ...

    def snapshots(self, span: Span) -> Iterator[Snapshot]:
        """The snapshots of these streams, in their order."""
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


class Beside(Generic[Value]):
    """Values in the order of streams, taken beside another walk in that order."""

    def __init__(self, values: Iterable[tuple[int, Value]]) -> None:
        self._values = iter(values)
        self._next = next(self._values, None)

    @property
    def next(self) -> int | None:
        """The stream of the value that comes next."""
        return None if self._next is None else self._next[0]

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
