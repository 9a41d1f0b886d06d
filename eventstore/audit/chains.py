"""The walk along the events as they arrived: numbers, instants, links and marks.

This file answers for naming the first event of a stretch that is not as it was written. It must never be stopped by
what it names: it goes on from what is written there, so that one damaged event is one finding.
"""

from collections.abc import Callable
from typing import Final

from eventstore.audit.findings import Fault, Findings
from eventstore.book import Beside, Book, Unreadable
from eventstore.chain import FIRST_LINK, Content, link_of
from eventstore.codec import EventRow
from eventstore.numbering import Numbering

STEPS_TOLD: Final = 10_000

# Steps that were done since the last time.
Heard = Callable[[int], None]


class ChainWalk:
    """One walk from where all shards are known to stand, through to the event at `up_to` (None: the last)."""

    def __init__(
        self, book: Book, findings: Findings, numbering: Numbering, *, up_to: int | None, heard: Heard
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
            self._walk()
        except Unreadable as error:
            return self._is_over(error)
        return True

    def _walk(self) -> None:
        numbering, marks, steps = self._numbering, self._marks, 0
        seqs, links, pos, at_us = numbering.seqs, numbering.links, numbering.pos, numbering.at_us
        try:
            for row in self._book.arrivals(pos, self._up_to):
                steps += 1
                if _follows(row, numbering, pos, at_us):
                    pos, at_us = row[0], row[7]
                    seqs[row[1]], links[row[1]] = row[2], row[11]
                else:
                    numbering.pos, numbering.at_us = pos, at_us
                    self._name(row)
                    pos, at_us = numbering.pos, numbering.at_us
                if marks.next == pos:
                    self._compare_mark(pos)
                if steps % STEPS_TOLD == 0:
                    self._heard(STEPS_TOLD)
        finally:
            numbering.pos, numbering.at_us = pos, at_us
            self._findings.events += steps
            self._heard(steps % STEPS_TOLD)

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
        if are_numbers(shard, seq, at_us) and 0 <= shard < len(numbering.seqs):
            numbering.at_us, numbering.seqs[shard] = at_us, seq
            numbering.links[shard] = link if _is_link(link) else FIRST_LINK
        for what in wrong:
            self._findings.fault(_fault(what, shard, seq, stream, version))

    def _compare_mark(self, pos: int) -> None:
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
        numbering = self._numbering
        numbering.pos = pos
        numbering.seqs[shard], numbering.links[shard] = seq, link
        self._findings.fault(_fault(f"the event at position {pos} is damaged: {error}", shard, seq, stream, version))
        return False


# What comes of a row whose cells are no numbers, texts or bytes any more.
_NONSENSE: Final = (TypeError, AttributeError, IndexError, OverflowError, ValueError)


def _follows(row: EventRow, numbering: Numbering, pos: int, at_us: int) -> bool:
    shard = row[1]
    try:
        return (
            link_of(numbering.links[shard], row[1:11]) == row[11]
            and row[2] == numbering.seqs[shard] + 1
            and row[0] == pos + 1
            and row[7] >= at_us
        )
    except _NONSENSE:
        return False


def _is_link(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == len(FIRST_LINK)


def are_numbers(*values: object) -> bool:
    """Whether these are what a row's columns promise, which a damaged cell does not keep."""
    return all(isinstance(value, int) for value in values)


def _fault(what: str, *place: object) -> Fault:
    shard, seq, stream, version = (value if isinstance(value, int) else 0 for value in place)
    return Fault(what=what, shard=shard, seq=seq, stream=stream, version=version)
