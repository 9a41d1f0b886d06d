"""A stretch of a log, read once from its beginning to its end: the chain, the marks, and the streams that begin in it.

This file answers for saying whether all of it is plainly as it was written, as fast as can be told. It must never name
what is not: then the whole log is looked at again in order, by the walks that do.
"""

from collections.abc import Callable
from itertools import chain
from typing import Protocol

from eventstore.audit.beginnings import Beginnings, BegunBook
from eventstore.audit.chains import EVENTS_A_PAGE, follow_linked
from eventstore.audit.findings import Findings
from eventstore.book import Book
from eventstore.codec import LinkedRow
from eventstore.numbering import Numbering

# The next events, so many at most; none at the end.
Pages = Callable[[int], list[LinkedRow]]


class StretchBook(BegunBook, Protocol):
    """A log as one stretch of it is read."""

    def linked(self, after: int, up_to: int) -> Pages:
        """The events behind a position up to another one, in the order of arrival."""
        ...


class StretchWalk:
    """One walk from where all shards are known to stand, through to the event at `up_to`."""

    def __init__(self, book: Book, along: StretchBook, findings: Findings, numbering: Numbering, *, up_to: int) -> None:
        self._findings, self._numbering, self._up_to = findings, numbering, up_to
        self._start = numbering.pos
        self._noted = book.noted
        self._marks = book.marks(numbering.pos, up_to)
        self._next = along.linked(numbering.pos, up_to)
        self.begun = Beginnings(along, findings, after=numbering.pos, up_to=up_to)

    def is_sound(self) -> bool:
        """Whether the stretch and its streams are. Also False: findings have a fault. Raises EnoughFound."""
        for pos, noted in chain(self._marks, ((self._up_to, None),)):
            if not self._reaches(pos) or noted not in (None, self._noted(self._numbering)):
                return False
        self.begun.look()
        self._findings.events = self._up_to - self._start
        return not self._findings.faults

    def _reaches(self, pos: int) -> bool:
        # Positions are not read: between two of them are as many as there are events only where none is missing.
        while self._numbering.pos < pos:
            page = self._next(min(EVENTS_A_PAGE, pos - self._numbering.pos))
            if not page or not follow_linked(page, self._numbering):
                return False
            self.begun.see(page)
        return True
