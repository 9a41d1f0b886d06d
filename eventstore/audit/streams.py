"""The walk along streams: versions, the state that each comes to, and what is kept beside its events.

This file answers for state being what the fold says, for every kind of stream. It must never hold more than one stream
in memory.
"""

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Final, Protocol

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
from eventstore.rows import HeadRow, head_row
from eventstore.rows import head as head_of_row
from eventstore.tallying import add, key_of

_STREAM: Final = itemgetter(3)
_STATES: Final = msgspec.msgpack.Decoder(Conversation)
# What bytes that are no event's, or not one that can stand here, come to.
NONSENSE: Final = (msgspec.DecodeError, UnicodeDecodeError, Impossible, TypeError)

# What is kept of a stream beside its events.
Kept = tuple[HeadRow | None, Sealed | None, Snapshot | None]


class Addresses(Protocol):
    """Where the addresses of messages lead."""

    def conversation_at(self, tenant: str, channel: str, subject: bytes) -> int | None:
        """The conversation at an address."""
        ...


class StreamWalk:
    """One walk over the streams of a span."""

    def __init__(self, book: Book, span: Span, findings: Findings, heard: Heard) -> None:
        self._findings, self._heard = findings, heard
        self._check = StreamCheck(book, findings)
        self._rows = book.streams(span)
        self._heads = Beside((head.stream, head_row(head)) for head in book.heads(span))
        self._vault = Beside((sealed.stream, sealed) for sealed in book.vault(span))
        self._snapshots = Beside((snapshot.stream, snapshot) for snapshot in book.snapshots(span))

    def run(self) -> None:
        """Looks at every stream of the span. Raises EnoughFound, or Unreadable where the store cannot read on."""
        heads, vault, snapshots, steps = self._heads, self._vault, self._snapshots, 0
        for stream, rows in groupby(self._rows, key=_STREAM):
            heads_passed, head = heads.at(stream)
            vault_passed, sealed = vault.at(stream)
            if heads_passed or vault_passed:
                self._orphans(heads_passed, vault_passed)
            steps += self._check.look(stream, rows, (head, sealed, snapshots.at(stream)[1]))
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


class StreamCheck:
    """The check of one stream after the other, each with what is kept beside its events."""

    def __init__(self, addresses: Addresses, findings: Findings) -> None:
        self._addresses, self._findings = addresses, findings

    def look(self, stream: int, rows: Iterable[EventRow], kept: Kept) -> int:
        """Folds a stream's events one by one, then compares. Answers how many there were: one or more."""
        head, _, snapshot = kept
        self._findings.streams += 1
        mirror, last, version, count = self._folded(stream, rows, kept)
        if mirror is None:
            self._compare_end(head, last, version)
            self._count(None if head is None else head_of_row(head))
        else:
            rebuilt = mirror.head(last[1])
            if head != head_row(rebuilt):
                self._compare_end(head, last, version)
                self._compare_head(head, last, rebuilt)
            self._count(rebuilt)
            self._check_end(last, mirror, kept)
        if snapshot is not None and snapshot.version > version:
            self._fault(f"its snapshot is of version {snapshot.version}, its events end at {version}", last)
        return count

    def _folded(self, stream: int, rows: Iterable[EventRow], kept: Kept) -> tuple[Mirror | None, EventRow, int, int]:
        """What its events come to (None: they cannot be folded to the end), the last, its version, how many."""
        _, sealed, snapshot = kept
        mirror: Mirror | None = None
        version, count, can_fold = 0, 0, True
        for row in rows:
            count += 1
            version += 1
            if row[4] != version:
                self._fault(f"expected version {version}: events of this stream are missing", row)
                can_fold = False
                version = row[4] if are_numbers(row[4]) else version
            if not can_fold:
                continue
            try:
                event = decode(row[5], row[6], row[10])
                if type(event) is UnknownEvent:
                    can_fold = self._parked(row)
                elif mirror is None:
                    mirror = begun(stream, row[7], row[8], event, cause=row[9])
                    self._begin(row, event, sealed)
                else:
                    mirror.take(event, row[7])
            except NONSENSE as error:
                self._fault(str(error), row)
                can_fold = False
            if snapshot is not None and snapshot.version == version:
                self._compare_snapshot(row, snapshot, mirror if can_fold else None)
        return mirror if can_fold else None, row, version, count

    def _parked(self, row: EventRow) -> bool:
        # Written by a newer release, which knows what it comes to: nothing behind it can be folded.
        self._findings.parked += 1
        self._findings.messages += row[4] == 1 and row[5] == e.MessageAccepted.__name__
        return False

    def _begin(self, row: EventRow, event: e.Event, sealed: Sealed | None) -> None:
        if type(event) is e.MessageAccepted:
            self._findings.messages += 1
            # An erased message has no row any more; one that has must have the one that the log committed to.
            if sealed is not None:
                self._check_sealed(row, event, sealed)

    def _compare_end(self, head: HeadRow | None, last: EventRow, version: int) -> None:
        if head is None:
            self._fault_of_stream("there are events, but no head", last)
        elif (head[4], head[2]) != (version, last[1]):
            what = f"its head has version {head[4]} in shard {head[2]}, its events end at {version} in {last[1]}"
            self._fault_of_stream(what, last)

    def _compare_head(self, head: HeadRow | None, last: EventRow, rebuilt: Head) -> None:
        if head is not None:
            self._fault(f"its head is {head_of_row(head)}, and its events come to {rebuilt}", last)

    def _count(self, head: Head | None) -> None:
        if head is not None and head.kind == "msg":
            add(self._findings.counts, key_of(head, head.status), 1, head.attempts)

    def _check_end(self, last: EventRow, mirror: Mirror, kept: Kept) -> None:
        if not isinstance(mirror, MessageMirror):
            self._check_vault(last, mirror, kept[1])
            return
        message = mirror.message
        if message.in_flight:
            attempt, lane, started_us = message.in_flight, message.lane, message.started_us
            self._findings.out(InFlight(stream=message.id, attempt=attempt, lane=lane, started_us=started_us))

    def _compare_snapshot(self, row: EventRow, snapshot: Snapshot, mirror: Mirror | None) -> None:
        if not isinstance(mirror, ConversationMirror):
            return
        try:
            kept = _STATES.decode(snapshot.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._fault(f"its snapshot cannot be decoded: {error}", row)
            return
        if kept != mirror.state:
            self._fault(f"its snapshot is {kept}, and its events come to {mirror.state}", row)

    def _check_sealed(self, row: EventRow, event: e.MessageAccepted, sealed: Sealed) -> None:
        if not _commits(sealed, event.commitment):
            self._fault("its vault row is not the one that its first event committed to", row)
        conversation = self._addresses.conversation_at(row[8], event.channel, sealed.subject)
        # An address that is closed leads to the negative of its conversation.
        if sealed.tenant != row[8] or conversation is None or abs(conversation) != event.conversation:
            what = f"its address leads to conversation {conversation}, and it is in {event.conversation}"
            self._fault(what, row)

    def _check_vault(self, last: EventRow, mirror: Mirror, sealed: Sealed | None) -> None:
        if isinstance(mirror, DeviceMirror):
            # A device that was removed has an empty row, one that was erased has none.
            if sealed is not None and sealed.private and not _commits(sealed, mirror.device.commitment):
                self._fault("its vault row is not the one that its last registration committed to", last)
        elif isinstance(mirror, PlainMirror) and isinstance(mirror.first, e.ErasureStarted):
            self._check_erasure(last, mirror, mirror.first.commitment, sealed)
        elif isinstance(mirror, PlainMirror) and isinstance(mirror.last, e.PlanSet | e.PlanApplied):
            if sealed is None:
                self._fault("it is a plan and has no vault row", last)
            elif not _commits(sealed, mirror.last.commitment):
                self._fault("its vault row is not the one that its last event committed to", last)

    def _check_erasure(self, last: EventRow, mirror: PlainMirror, commitment: bytes, sealed: Sealed | None) -> None:
        is_over = isinstance(mirror.last, e.SubjectErased)
        if is_over and sealed is not None:
            self._fault("it is an erasure that is over, and its vault row is still there", last)
        elif not is_over and sealed is None:
            self._fault("it is an erasure under way and has no vault row", last)
        elif sealed is not None and not _commits(sealed, commitment):
            self._fault("its vault row is not the one that its first event committed to", last)

    def _fault(self, what: str, row: EventRow) -> None:
        self._findings.fault(Fault(what=what, shard=row[1], seq=row[2], stream=row[3], version=row[4]))

    def _fault_of_stream(self, what: str, row: EventRow) -> None:
        self._findings.fault(Fault(what=what, stream=row[3]))


def _commits(sealed: Sealed, commitment: bytes) -> bool:
    try:
        return commitment_of(sealed.private, sealed.salt) == commitment
    except TypeError:
        return False  # What stands there is no bytes any more.
