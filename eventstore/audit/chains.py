"""The walk along the events as they arrived: numbers, instants, links and marks.

This file answers for naming the first event of a stretch that is not as it was written. It must never be stopped by
what it names: it goes on from what is written there, so that one damaged event is one finding.
"""

from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import islice
from operator import gt
from typing import Final

from eventstore.audit.findings import Fault, Findings
from eventstore.book import Beside, Book, Unreadable
from eventstore.chain import FIRST_LINK, Content, link_of, linked_bytes
from eventstore.codec import EventRow, LinkedRow, linked
from eventstore.numbering import Numbering

# Events that are looked at together, about as many as between two marks.
EVENTS_A_PAGE: Final = 1_024
STEPS_TOLD: Final = 10_000

# Steps that were done since the last time.
Heard = Callable[[int], None]


class ChainWalk:
    """One walk from where all shards are known to stand, through to the event at `up_to` (None: the last)."""

    def __init__(
        self,
        book: Book,
        findings: Findings,
        numbering: Numbering,
        *,
        up_to: int | None,
        heard: Heard,
    ) -> None:
        self._book, self._numbering, self._up_to = book, numbering, up_to
        self._findings, self._heard = findings, heard
        self._marks = Beside(book.marks(numbering.pos, up_to))

    def run(self) -> None:
        """Looks at every event of the stretch. Raises EnoughFound."""
        while not self._walked():
            pass
        passed, _ = self._marks.at(None)
        if passed:
            self._findings.fault(Fault(what=f"there are marks at positions {passed} where there are no events"))

    def _walked(self) -> bool:
        try:
            for page in self._pages():
                self._look(page)
        except Unreadable as error:
            return self._is_over(error)
        return True

    def _pages(self) -> Iterator[list[EventRow]]:
        """The events in pages that end at the next mark. Raises Unreadable behind what can still be read."""
        rows = self._book.arrivals(self._numbering.pos, self._up_to)
        while True:
            page: list[EventRow] = []
            to_mark = EVENTS_A_PAGE if self._marks.next is None else self._marks.next - self._numbering.pos
            try:
                page.extend(islice(rows, to_mark if 0 < to_mark < EVENTS_A_PAGE else EVENTS_A_PAGE))
            except Unreadable:
                yield page
                raise
            if not page:
                return
            yield page

    def _look(self, page: list[EventRow]) -> None:
        if follow(page, self._numbering):
            self._findings.events += len(page)
            self._compare_mark()
        else:
            self._look_closely(page)
        self._heard(len(page))

    def _look_closely(self, page: list[EventRow]) -> None:
        for row in page:
            self._findings.events += 1
            if not follow([row], self._numbering):
                self._name(row)
            self._compare_mark()

    def _name(self, row: EventRow) -> None:
        """Says what is wrong with an event, all of it, and goes on behind it."""
        numbering = self._numbering
        pos, shard, seq, stream, version, name, schema_version, at_us, tenant, cause, body, link = row
        content: Content = (shard, seq, stream, version, name, schema_version, at_us, tenant, cause, body)
        wrong: list[str] = []
        try:
            if seq != numbering.seqs[shard] + 1:
                wrong.append(f"expected seq {numbering.seqs[shard] + 1}: events are missing or out of order")
            if pos != numbering.pos + 1:
                wrong.append(f"it stands at position {pos}, expected {numbering.pos + 1}")
            if at_us < numbering.at_us:
                wrong.append(f"its instant {at_us} is before {numbering.at_us}, that of the event before it")
            expected = link_of(numbering.links[shard], content)
            if expected != link:
                wrong.append(
                    "its link does not follow on the one before it: this event or its link was changed"
                    f" (expected {expected.hex()}, found {link.hex()})"
                )
        except _NONSENSE:
            wrong = [f"the event at position {pos} is damaged: {row[:6]}"]
        numbering.pos = pos
        if are_numbers(at_us) and self._goes_on_from(shard, seq, link):
            numbering.at_us = at_us
        for what in wrong:
            self._findings.fault(_fault(what, shard, seq, stream, version))

    def _goes_on_from(self, shard: int, seq: int, link: bytes) -> bool:
        """Whether what is written there is a place in a shard, from which its next event may follow."""
        numbering = self._numbering
        if not are_numbers(shard, seq) or not 0 <= shard < len(numbering.seqs):
            return False
        numbering.seqs[shard], numbering.links[shard] = seq, link if _is_link(link) else FIRST_LINK
        return True

    def _compare_mark(self) -> None:
        pos = self._numbering.pos
        if self._marks.next != pos:
            return
        passed, noted = self._marks.at(pos)
        if passed or noted != self._book.noted(self._numbering):
            self._findings.fault(Fault(what=f"the mark at position {pos} is not where the shards stood"))

    def _is_over(self, error: Unreadable) -> bool:
        """Names what the store could not read. Where only one event's text is none, the walk goes on behind it."""
        place = self._book.place_after(self._numbering.pos)
        if place is None:
            self._findings.fault(Fault(what=str(error)))
            return True
        pos, shard, seq, stream, version, link = place
        self._numbering.pos = pos
        self._goes_on_from(shard, seq, link)
        self._findings.fault(_fault(f"the event at position {pos} is damaged: {error}", shard, seq, stream, version))
        return False


# What comes of a row whose cells are no numbers, texts or bytes any more.
_NONSENSE: Final = (TypeError, AttributeError, IndexError, OverflowError, ValueError)


def follow(page: list[EventRow], numbering: Numbering) -> bool:
    """Whether events follow on each other, the first on where `numbering` is; then that is moved on, else it is not."""
    places = [row[0] for row in page]
    try:
        as_linked = list(map(linked, page))
    except _NONSENSE:
        return False
    expected = list(range(numbering.pos + 1, numbering.pos + 1 + len(page)))
    return places == expected and follow_linked(as_linked, numbering)


def follow_linked(page: list[LinkedRow], numbering: Numbering) -> bool:
    """The same of events whose positions are known to follow on each other, or are counted by whoever reads them."""
    seqs, links = numbering.seqs.copy(), numbering.links.copy()
    before: list[bytes] = []
    try:
        shards, numbers, streams, versions, types, schemas, instants, *rest, found = zip(*page, strict=True)
        if instants[0] < numbering.at_us or any(map(gt, instants, instants[1:])):
            return False
        for shard, seq, link in zip(shards, numbers, found, strict=True):
            if seq != seqs[shard] + 1:
                return False
            before.append(links[shard])
            seqs[shard], links[shard] = seq, link
        columns = shards, numbers, streams, versions, types, schemas, instants, rest[0], rest[1], rest[2]
        if found != tuple([sha256(content).digest() for content in linked_bytes(before, columns)]):
            return False
    except _NONSENSE:
        return False
    numbering.pos, numbering.at_us = numbering.pos + len(page), instants[-1]
    numbering.seqs, numbering.links = seqs, links
    return True


def _is_link(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == len(FIRST_LINK)


def are_numbers(*values: object) -> bool:
    """Whether these are what a row's columns promise, which a damaged cell does not keep."""
    return all(isinstance(value, int) for value in values)


def _fault(what: str, *place: object) -> Fault:
    shard, seq, stream, version = (value if isinstance(value, int) else 0 for value in place)
    return Fault(what=what, shard=shard, seq=seq, stream=stream, version=version)
