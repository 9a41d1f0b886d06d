"""The walk along streams: versions, the state that each comes to, and what is kept beside its events.

This file answers for state being what the fold says, for every kind of stream. It must never hold more than one stream
in memory.
"""

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Final

import msgspec

from core import events as e
from core.conversation import Conversation
from core.errors import Impossible
from core.records import Head, Sealed, Snapshot
from core.sealing import commitment_of
from eventstore.audit.chains import STEPS_TOLD, Heard, are_numbers
from eventstore.audit.findings import Fault, Findings, InFlight
from eventstore.audit.mirrors import (
    ConversationMirror,
    DeviceMirror,
    MessageMirror,
    Mirror,
    PlainMirror,
    begun,
)
from eventstore.book import Beside, Book, Span
from eventstore.codec import EventRow, UnknownEvent, decode
from eventstore.tallying import add, key_of

_STREAM: Final = itemgetter(3)
_STATES: Final = msgspec.msgpack.Decoder(Conversation)
# What bytes that are no event's, or not one that can stand here, come to.
_NONSENSE: Final = (msgspec.DecodeError, UnicodeDecodeError, Impossible, TypeError)

# What is kept of a stream beside its events.
Kept = tuple[Head | None, Sealed | None, Snapshot | None]


class StreamWalk:
    """One walk over the streams of a span."""

    def __init__(self, book: Book, span: Span, findings: Findings, heard: Heard) -> None:
        self._book, self._findings, self._heard = book, findings, heard
        self._rows = book.streams(span)
        self._heads = Beside((head.stream, head) for head in book.heads(span))
        self._vault = Beside((sealed.stream, sealed) for sealed in book.vault(span))
        self._snapshots = Beside((snapshot.stream, snapshot) for snapshot in book.snapshots(span))

    def run(self) -> None:
        """Looks at every stream of the span. Raises EnoughFound, or Unreadable where the store cannot read on."""
        heads, vault, snapshots, findings, steps = self._heads, self._vault, self._snapshots, self._findings, 0
        for stream, rows in groupby(self._rows, key=_STREAM):
            findings.streams += 1
            heads_passed, head = heads.at(stream)
            vault_passed, sealed = vault.at(stream)
            if heads_passed or vault_passed:
                self._orphans(heads_passed, vault_passed)
            snapshot = snapshots.at(stream)[1]
            steps += _Stream(self._book, findings, stream, (head, sealed, snapshot)).look(rows)
            if steps >= STEPS_TOLD:
                self._heard(steps)
                steps = 0
        self._orphans(heads.at(None)[0], vault.at(None)[0])
        self._heard(steps)

    def _orphans(self, heads: list[int], vault: list[int]) -> None:
        for stream in heads:
            self._findings.fault(Fault(what="there is a head, but no event", stream=stream))
        for stream in vault:
            self._findings.fault(Fault(what="there is a vault row, but no event", stream=stream))


class _Stream:
    """One stream, and what is kept beside its events."""

    __slots__ = ("_book", "_findings", "_head", "_mirror", "_sealed", "_snapshot", "_stream", "_version")

    def __init__(self, book: Book, findings: Findings, stream: int, kept: Kept) -> None:
        self._book, self._findings, self._stream = book, findings, stream
        self._head, self._sealed, self._snapshot = kept
        self._mirror: Mirror | None = None
        self._version = 0

    def look(self, rows: Iterator[EventRow]) -> int:
        """Folds its events one by one, then compares. Answers how many there were."""
        count, can_fold = 0, True
        for row in rows:
            count += 1
            if row[4] != self._version + 1:
                self._fault(f"expected version {self._version + 1}: events of this stream are missing", row)
                can_fold = False
                self._version = row[4] - 1 if are_numbers(row[4]) else self._version
            self._version += 1
            if can_fold:
                can_fold = self._folded(row)
        self._compare_head(row, can_fold=can_fold)
        if self._snapshot is not None and self._snapshot.version > self._version:
            self._fault(f"its snapshot is of version {self._snapshot.version}, its events end at {self._version}", row)
        return count

    def _folded(self, row: EventRow) -> bool:
        """Takes the state further by one event; False where nothing behind it can be folded any more."""
        try:
            event = decode(row[5], row[6], row[10])
            if isinstance(event, UnknownEvent):
                # Written by a newer release, which knows what it comes to.
                self._findings.parked += 1
                self._findings.messages += row[4] == 1 and row[5] == e.MessageAccepted.__name__
                return False
            if self._mirror is None:
                self._mirror = begun(self._stream, row[7], row[8], event, cause=row[9])
                self._begun(row, event)
            else:
                self._mirror.take(event, row[7])
        except _NONSENSE as error:
            self._fault(str(error), row)
            return False
        if self._snapshot is not None and self._snapshot.version == row[4]:
            self._compare_snapshot(row, self._snapshot.body)
        return True

    def _begun(self, row: EventRow, event: e.Event) -> None:
        if isinstance(event, e.MessageAccepted):
            self._findings.messages += 1
            if self._sealed is not None:
                self._check_sealed(row, event, self._sealed)

    def _compare_head(self, last: EventRow, *, can_fold: bool) -> None:
        head, mirror, shard = self._head, self._mirror, last[1]
        if head is None:
            self._fault_of_stream("there are events, but no head")
        elif (head.version, head.shard) != (self._version, shard):
            self._fault_of_stream(
                f"its head has version {head.version} in shard {head.shard}, its events end at {self._version} in"
                f" {shard}"
            )
        if mirror is None or not can_fold:
            self._count(head)
            return
        rebuilt = mirror.head(shard)
        if head is not None and rebuilt != head:
            self._fault(f"its head is {head}, and its events come to {rebuilt}", last)
        self._count(rebuilt)
        if isinstance(mirror, MessageMirror):
            message = mirror.message
            if message.in_flight:
                self._findings.out(
                    InFlight(
                        stream=self._stream,
                        attempt=message.in_flight,
                        lane=message.lane,
                        started_us=message.started_us,
                    )
                )
        else:
            self._check_vault(last, mirror)

    def _count(self, head: Head | None) -> None:
        if head is not None and head.kind == "msg":
            add(self._findings.counts, key_of(head, head.status), 1, head.attempts)

    def _compare_snapshot(self, row: EventRow, body: bytes) -> None:
        if not isinstance(self._mirror, ConversationMirror):
            return
        try:
            kept = _STATES.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._fault(f"its snapshot cannot be decoded: {error}", row)
            return
        if kept != self._mirror.state:
            self._fault(f"its snapshot is {kept}, and its events come to {self._mirror.state}", row)

    def _check_sealed(self, row: EventRow, event: e.MessageAccepted, sealed: Sealed) -> None:
        # An erased message has no row any more; one that has must have the one that the log committed to.
        if not _commits(sealed, event.commitment):
            self._fault("its vault row is not the one that its first event committed to", row)
        conversation = self._book.conversation_at(row[8], event.channel, sealed.subject)
        if sealed.tenant != row[8] or conversation != event.conversation:
            what = f"its address leads to conversation {conversation}, and it is in {event.conversation}"
            self._fault(what, row)

    def _check_vault(self, last: EventRow, mirror: Mirror) -> None:
        sealed = self._sealed
        if isinstance(mirror, DeviceMirror):
            # A device that was removed has an empty row, one that was erased has none.
            if sealed is not None and sealed.private and not _commits(sealed, mirror.device.commitment):
                self._fault("its vault row is not the one that its last registration committed to", last)
        elif isinstance(mirror, PlainMirror) and isinstance(mirror.last, e.PlanSet | e.PlanApplied):
            if sealed is None:
                self._fault("it is a plan and has no vault row", last)
            elif not _commits(sealed, mirror.last.commitment):
                self._fault("its vault row is not the one that its last event committed to", last)

    def _fault(self, what: str, row: EventRow) -> None:
        self._findings.fault(Fault(what=what, shard=row[1], seq=row[2], stream=self._stream, version=row[4]))

    def _fault_of_stream(self, what: str) -> None:
        self._findings.fault(Fault(what=what, stream=self._stream))


def _commits(sealed: Sealed, commitment: bytes) -> bool:
    try:
        return commitment_of(sealed.private, sealed.salt) == commitment
    except TypeError:
        return False  # What stands there is no bytes any more.
