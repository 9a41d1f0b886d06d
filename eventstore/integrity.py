"""The full check of a log: the chain of every shard, every stream, and everything that follows from them.

This file answers for naming what is wrong and where, on any store, in flat memory. It must never mend anything, and
never stop at the first finding where it can go on.
"""

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Final

from core import devices
from core.errors import CorruptLog, Impossible
from core.events import DeviceRegistered, MessageAccepted
from core.ids import SHARDS
from core.message import fold, head_of
from core.records import Head, Recorded, Sealed
from core.sealing import commitment_of
from eventstore.book import Beside, Book, Fault, Report
from eventstore.chain import Content, link_of
from eventstore.codec import EventRow, UnknownEvent, recorded
from eventstore.numbering import Numbering
from eventstore.tallying import Counts, add, key_of

# More of the same helps nobody: a damaged page alone can spoil dozens of events.
FAULTS_MAX: Final = 20
# What a stream begins with whose head follows from its events alone.
FOLDED: Final = {MessageAccepted.__name__, DeviceRegistered.__name__}
_PROGRESS_EVERY: Final = 10_000

Progress = Callable[[int, int], None]


def check(book: Book, progress: Progress | None = None) -> Report:
    """Looks at everything. `progress` hears now and then how many of how many steps are done."""
    return _Check(book, progress).run()


class _EnoughFoundError(Exception):
    """The check has found so much that more would help nobody."""


class _Check:
    def __init__(self, book: Book, progress: Progress | None) -> None:
        self._book = book
        self._progress = progress
        self._faults: list[Fault] = []
        self._events = self._streams = self._messages = self._parked = 0
        self._total = self._done = 0
        self._counts: Counts = {}

    def run(self) -> Report:
        try:
            for part in (
                self._check_structure,
                self._walk_arrivals,
                self._walk_streams,
                self._check_aliases,
                self._compare_counts,
            ):
                # What cannot be read to its end is a finding, and the other parts may still tell more.
                try:
                    part()
                except CorruptLog as error:
                    self._fault(Fault(what=str(error)))
        except _EnoughFoundError:
            pass
        return Report(
            events=self._events,
            streams=self._streams,
            messages=self._messages,
            parked=self._parked,
            faults=tuple(self._faults),
        )

    def _fault(self, fault: Fault) -> None:
        self._faults.append(fault)
        if len(self._faults) == FAULTS_MAX:
            raise _EnoughFoundError

    def _step(self) -> None:
        self._done += 1
        if self._progress is not None and (self._done % _PROGRESS_EVERY == 0 or self._done == self._total):
            self._progress(self._done, self._total)

    def _check_structure(self) -> None:
        self._events = self._book.size()
        # Each event is looked at twice: in the order of arrival and in that of its stream.
        self._total = 2 * self._events
        finding = self._book.structure()
        if finding is not None:
            self._fault(Fault(what=f"the file is damaged: {finding}"))

    # -- the chain

    def _walk_arrivals(self) -> None:
        numbering = Numbering()
        marks = Beside(self._book.marks())
        for row in self._book.arrivals():
            self._step()
            if None in row or not 0 <= row[1] < SHARDS:
                raise CorruptLog(f"the event at position {row[0]} is damaged: {row[:6]}")
            self._follow(numbering, row)
            passed, noted = marks.at(numbering.pos)
            if passed or noted not in (None, self._book.noted(numbering)):
                self._fault(Fault(what=f"the mark at position {numbering.pos} is not where the shards stood"))
        passed, _ = marks.at(None)
        if passed:
            self._fault(Fault(what=f"there are marks at positions {passed} where there are no events"))

    def _follow(self, numbering: Numbering, row: EventRow) -> None:
        pos, shard, seq, stream, version, name, schema_version, at_us, tenant, cause, body, link = row
        content: Content = (shard, seq, stream, version, name, schema_version, at_us, tenant, cause, body)
        wrong: list[str] = []
        if seq != numbering.seqs[shard] + 1:
            wrong.append(f"expected seq {numbering.seqs[shard] + 1}: events are missing or out of order")
        if pos != numbering.pos + 1:
            wrong.append(f"it stands at position {pos}, expected {numbering.pos + 1}")
        if at_us < numbering.at_us:
            wrong.append(f"its instant {at_us} is before {numbering.at_us}, that of the event before it")
        if link_of(numbering.links[shard], content) != link:
            wrong.append("its link does not follow on the one before it: this event or its link was changed")
        for what in wrong:
            self._fault(Fault(what=what, shard=shard, seq=seq, stream=stream, version=version))
        # Going on from what is written there, so that one damaged event is one finding.
        numbering.pos, numbering.at_us = pos, at_us
        numbering.seqs[shard], numbering.links[shard] = seq, link

    # -- streams, heads, vault

    def _walk_streams(self) -> None:
        heads = Beside((head.stream, head) for head in self._book.heads())
        vault = Beside((sealed.stream, sealed) for sealed in self._book.vault())
        for stream, rows in groupby(self._book.streams(), key=lambda row: row[3]):
            self._streams += 1
            heads_passed, head = heads.at(stream)
            vault_passed, sealed = vault.at(stream)
            self._orphans(heads_passed, vault_passed)
            self._check_stream(stream, rows, head, sealed)
        self._orphans(heads.at(None)[0], vault.at(None)[0])

    def _orphans(self, heads: list[int], vault: list[int]) -> None:
        for stream in heads:
            self._fault(Fault(what="there is a head, but no event", stream=stream))
        for stream in vault:
            self._fault(Fault(what="there is a vault row, but no event", stream=stream))

    def _check_stream(self, stream: int, rows: Iterator[EventRow], head: Head | None, sealed: Sealed | None) -> None:
        version = shard = 0
        folded: list[EventRow] = []
        for row in rows:
            self._step()
            shard = row[1]
            if row[4] != version + 1:
                what = f"expected version {version + 1}: events of this stream are missing"
                self._fault(Fault(what=what, shard=shard, seq=row[2], stream=stream, version=row[4]))
            version = row[4]
            # Messages and devices have few events; other streams can be long, and nothing is needed but their end.
            if folded or (version == 1 and row[5] in FOLDED):
                folded.append(row)
        if head is None:
            self._fault(Fault(what="there are events, but no head", stream=stream))
        elif (head.version, head.shard) != (version, shard):
            what = f"its head has version {head.version} in shard {head.shard}, its events end at {version} in {shard}"
            self._fault(Fault(what=what, stream=stream))
        if folded and folded[0][5] == MessageAccepted.__name__:
            self._check_message(folded, head, sealed)
        elif folded:
            self._check_device(folded, head, sealed)

    def _check_message(self, rows: list[EventRow], head: Head | None, sealed: Sealed | None) -> None:
        self._messages += 1
        _, shard, seq, stream, version, *_ = rows[-1]
        rebuilt = head
        try:
            events = [recorded(row) for row in rows]
            if any(isinstance(entry.event, UnknownEvent) for entry in events):
                self._parked += 1
            else:
                rebuilt = head_of(fold(events), shard)
            self._check_sealed(events[0], sealed)
        except (CorruptLog, Impossible) as error:
            self._fault(Fault(what=str(error), shard=shard, seq=seq, stream=stream, version=version))
        if head is not None and rebuilt != head:
            what = f"its head is {head}, and its events come to {rebuilt}"
            self._fault(Fault(what=what, shard=shard, seq=seq, stream=stream, version=version))
        if rebuilt is not None:
            add(self._counts, key_of(rebuilt, rebuilt.status), 1, rebuilt.attempts)

    def _check_device(self, rows: list[EventRow], head: Head | None, sealed: Sealed | None) -> None:
        _, shard, seq, stream, version, *_ = rows[-1]
        wrong: list[str] = []
        try:
            events = [recorded(row) for row in rows]
            if any(isinstance(entry.event, UnknownEvent) for entry in events):
                self._parked += 1
                return
            device = devices.fold(events)
        except (CorruptLog, Impossible) as error:
            wrong.append(str(error))
        else:
            rebuilt = devices.head_of(device, shard)
            if head not in (None, rebuilt):
                wrong.append(f"its head is {head}, and its events come to {rebuilt}")
            # A device that was removed has an empty row, one that was erased has none.
            if (
                sealed is not None
                and sealed.private
                and commitment_of(sealed.private, sealed.salt) != device.commitment
            ):
                wrong.append("its vault row is not the one that its last registration committed to")
        for what in wrong:
            self._fault(Fault(what=what, shard=shard, seq=seq, stream=stream, version=version))

    def _check_sealed(self, first: Recorded, sealed: Sealed | None) -> None:
        # An erased message has no row any more; one that has must have the one that the log committed to.
        event = first.event
        if sealed is None or not isinstance(event, MessageAccepted):
            return
        wrong: list[str] = []
        if commitment_of(sealed.private, sealed.salt) != event.commitment:
            wrong.append("its vault row is not the one that its first event committed to")
        conversation = self._book.conversation_at(first.tenant, event.channel, sealed.subject)
        if sealed.tenant != first.tenant or conversation != event.conversation:
            wrong.append(f"its address leads to conversation {conversation}, and it is in {event.conversation}")
        for what in wrong:
            self._fault(Fault(what=what, shard=first.shard, seq=first.seq, stream=first.stream, version=1))

    def _check_aliases(self) -> None:
        for alias in self._book.misled():
            self._fault(Fault(what=f"an alias ({alias.space}) leads here, but there is no event", stream=alias.stream))

    def _compare_counts(self) -> None:
        kept = {key: value for key, value in self._book.counts().items() if value != (0, 0)}
        for key in sorted(kept.keys() | self._counts.keys()):
            if kept.get(key) != self._counts.get(key):
                what = f"the count of {key} is kept as {kept.get(key)}, the messages come to {self._counts.get(key)}"
                self._fault(Fault(what=what))
