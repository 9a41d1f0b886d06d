"""The memory log's durable part as its full check reads it, so that scenarios check what a file's owner would.

This file answers for showing what is there. It must never put it right.
"""

from collections.abc import Iterator

from core.records import Alias, Head, Sealed, Snapshot
from eventstore.book import Place, Span
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

    def arrivals(self, after: int, up_to: int | None) -> Iterator[EventRow]:
        """The events behind a position in the order of arrival."""
        return (row for row in self._durable.rows if after < row[0] and (up_to is None or row[0] <= up_to))

    def place_after(self, pos: int) -> Place | None:
        """Nothing is unreadable in memory."""

    def marks(self, after: int, up_to: int | None) -> Iterator[tuple[int, bytes]]:
        """None are needed in memory."""
        return iter(())

    def noted(self, numbering: Numbering) -> bytes:
        """Nothing is noted."""
        return b""

    def streams(self, span: Span) -> Iterator[EventRow]:
        """The events of these streams, in the order of stream and version."""
        within = (row for row in self._durable.rows if span[0] <= row[3] <= span[1])
        return iter(sorted(within, key=lambda row: (row[3], row[4])))

    def heads(self, span: Span) -> Iterator[Head]:
        """The heads of these streams, in their order."""
        return iter([head for stream, head in sorted(self._durable.heads.items()) if span[0] <= stream <= span[1]])

    def vault(self, span: Span) -> Iterator[Sealed]:
        """The vault rows of these streams, in their order; but for messages that still wait for their event."""
        parked, rows = self._durable.parking.messages, sorted(self._durable.sealed.items())
        return iter([row for stream, row in rows if span[0] <= stream <= span[1] and stream not in parked])

    def snapshots(self, span: Span) -> Iterator[Snapshot]:
        """The snapshots of these streams, in their order."""
        return iter([one for stream, one in sorted(self._durable.snapshots.items()) if span[0] <= stream <= span[1]])

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
