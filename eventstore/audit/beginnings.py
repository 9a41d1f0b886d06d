"""The streams that begin in a stretch of a log, each looked at to its end while the stretch passes by.

This file answers for an event being read once where its stream is as short as most are. It must never judge what is
wrong: with any fault somebody looks again in the order of streams.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, Protocol

from eventstore.audit.findings import Fault, Findings
from eventstore.audit.streams import Addresses, Kept, StreamCheck
from eventstore.codec import EventRow

# Most messages begin and end within so many events of a log; of the others the end is looked up. About 6 MB.
EVENTS_AT_ONCE: Final = 8_192


class BegunBook(Addresses, Protocol):
    """A log as it is read along the beginnings of its streams."""

    def begun(self, after: int, up_to: int | None) -> Iterator[tuple[int, Kept]]:
        """The streams whose first events are these, in the order of arrival, with what is kept beside their events."""
        ...

    def rest(self, stream: int, version: int) -> Iterator[EventRow]:
        """The events of a stream behind a version, in order."""
        ...


class Beginnings:
    """Looks at every stream that begins behind a position, up to another one (None: the last).

    `looked_at`, `heads` and `vault` count the events, heads and vault rows of these streams: where those of all
    stretches are as many as there are, no event is left without a beginning, and nothing is kept without an event.
    """

    def __init__(self, book: BegunBook, findings: Findings, *, after: int, up_to: int | None) -> None:
        self._book, self._findings = book, findings
        self._check = StreamCheck(book, findings)
        self._begun = book.begun(after, up_to)
        self._rows: list[EventRow] = []
        self.looked_at = self.heads = self.vault = 0

    def see(self, page: list[EventRow]) -> None:
        """The next events of the stretch. Raises EnoughFound."""
        self._rows += page
        if len(self._rows) >= EVENTS_AT_ONCE:
            self.look()

    def look(self) -> None:
        """Looks at the streams that began in what was seen, and forgets it. Raises EnoughFound."""
        for (stream, rows), (known, kept) in zip(_beginnings(self._rows).items(), self._begun, strict=False):
            if known != stream:
                self._findings.fault(Fault(what="it begins twice", stream=stream))
            head, sealed, _ = kept
            self.heads += head is not None
            self.vault += sealed is not None
            has_more = head is not None and head[4] > rows[-1][4]
            events: Iterable[EventRow] = chain(rows, self._book.rest(stream, rows[-1][4])) if has_more else rows
            self.looked_at += self._check.look(stream, events, kept)
        self._rows = []


def _beginnings(rows: list[EventRow]) -> dict[int, list[EventRow]]:
    """The events of the streams that begin here, in the order in which they do."""
    found: dict[int, list[EventRow]] = {}
    for row in rows:
        stream = row[3]
        if row[4] == 1:
            found[stream] = [row]
        elif stream in found:
            found[stream].append(row)
    return found
