"""The memory log's durable part as its full check reads it, so that scenarios check what a file's owner would.

This file answers for showing what is there. It must never put it right.
"""

from collections.abc import Iterator

from core.records import Alias, Head, Sealed
from eventstore.codec import EventRow
from eventstore.durable import Durable
from eventstore.numbering import Numbering
from eventstore.tallying import Counts


class MemoryBook:
    """A book over a Durable: `check(MemoryBook(log.durable))`."""

    def __init__(self, durable: Durable) -> None:
        self._durable = durable

    def size(self) -> int:
        """How many events there are."""
        return len(self._durable.rows)

    def structure(self) -> None:
        """There is no file that could be damaged."""

    def arrivals(self) -> Iterator[EventRow]:
        """All events in the order of arrival."""
        return iter(self._durable.rows)

    def marks(self) -> Iterator[tuple[int, bytes]]:
        """None are needed in memory."""
        return iter(())

    def noted(self, numbering: Numbering) -> bytes:
        """Nothing is noted."""
        return b""

    def streams(self) -> Iterator[EventRow]:
        """All events in the order of stream and version."""
        return iter(sorted(self._durable.rows, key=lambda row: (row[3], row[4])))

    def heads(self) -> Iterator[Head]:
        """All heads in the order of streams."""
        return iter([head for _, head in sorted(self._durable.heads.items())])

    def vault(self) -> Iterator[Sealed]:
        """All vault rows in the order of streams."""
        return iter([sealed for _, sealed in sorted(self._durable.sealed.items())])

    def conversation_at(self, tenant: str, channel: str, subject: bytes) -> int | None:
        """The conversation at an address."""
        return self._durable.addresses.get((tenant, channel, subject))

    def misled(self) -> Iterator[Alias]:
        """The aliases of streams that have no event, in the order of their names."""
        for (space, tenant, name), streams in sorted(self._durable.aliases.items()):
            for stream in streams:
                if stream not in self._durable.streams:
                    yield Alias(space=space, tenant=tenant, name=name, stream=stream)

    def counts(self) -> Counts:
        """The counts as they are kept."""
        return self._durable.tallies
