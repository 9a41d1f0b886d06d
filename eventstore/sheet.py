"""A batch as rows, gathered from its calls for a store to write a table at a time.

This file answers for a batch and its calls one by one coming to the same rows. It must never write any.
"""

from core.errors import StreamConflict
from core.records import Acceptance, AddressChange, Append, Head, Snapshot
from eventstore.batches import Entry, check_versions
from eventstore.codec import EventRow
from eventstore.numbering import Numbering
from eventstore.rows import AliasRow, SealedRow, alias_row, sealed_row
from eventstore.tallying import Counts, count

# tenant, channel, subject.
Address = tuple[str, str, bytes]


class Sheet:
    """The rows of one batch. A store may write them in any order of tables."""

    def __init__(self) -> None:
        self.events: list[EventRow] = []
        # The stream's last version in this batch; what its head must show in the store before; the head it comes to.
        self._versions: dict[int, int] = {}
        self._before: dict[int, int] = {}
        self._heads: dict[int, Head] = {}
        # New vault rows, and those that take the place of others.
        self.sealed: dict[int, SealedRow] = {}
        self.resealed: dict[int, SealedRow] = {}
        # The streams whose vault rows go.
        self.erased: set[int] = set()
        # The conversation of each (tenant, channel, subject), and what becomes of those that are let go of.
        self.addresses: dict[Address, int] = {}
        self.changes: dict[Address, AddressChange] = {}
        # Whether a name leads to a stream once all is written.
        self._aliases: dict[AliasRow, bool] = {}
        self.counts: Counts = {}
        self.snapshots: dict[int, Snapshot] = {}

    def add(self, entry: Entry, numbering: Numbering) -> None:
        """Takes in one call. Raises StreamConflict where it contradicts itself or another of the batch."""
        if entry.snapshot is not None:
            known = self.snapshots.get(entry.snapshot.stream)
            if known is None or known.version <= entry.snapshot.version:
                self.snapshots[entry.snapshot.stream] = entry.snapshot
            return
        assert entry.append is not None, "an entry is an append, an acceptance or a snapshot"
        for part in entry.parts:
            self._before.setdefault(part[0], part[1] - 1)
        check_versions(entry, self._versions)
        self.events += numbering.number(entry)
        for change in entry.append.heads:
            self._heads[change.head.stream] = change.head
        count(entry.append, self.counts)
        if entry.acceptance is not None:
            self._add_private(entry.acceptance)
        self._add_beside(entry.append)

    def fresh(self) -> list[Head]:
        """The heads of streams that begin in this batch."""
        return [head for stream, head in self._heads.items() if self._before[stream] == 0]

    def moved(self) -> list[tuple[Head, int]]:
        """The heads of streams that go on, each with the version that the store must show before."""
        return [(head, self._before[stream]) for stream, head in self._heads.items() if self._before[stream] != 0]

    def aliases(self, *, leads: bool) -> list[AliasRow]:
        """The names that lead to a stream once all is written, or those that no longer do."""
        return [row for row, now in self._aliases.items() if now is leads]

    def _add_private(self, acceptance: Acceptance) -> None:
        sealed = acceptance.sealed
        if sealed.stream in self.sealed or sealed.stream in self.resealed:
            raise StreamConflict(f"stream {sealed.stream}: its vault row is there already")
        self.sealed[sealed.stream] = sealed_row(sealed)
        # What was to go before it came was another, or none.
        self.erased.discard(sealed.stream)
        address = acceptance.append.tenant, acceptance.channel, sealed.subject
        known = self.addresses.setdefault(address, acceptance.conversation)
        if known != acceptance.conversation or address in self.changes:
            raise StreamConflict(f"stream {sealed.stream}: its peer belongs to conversation {known}, or is let go of")

    def _add_beside(self, append: Append) -> None:
        for sealed in append.sealed:
            # One that this batch brings is new to the store, whatever took its place since.
            rows = self.sealed if sealed.stream in self.sealed else self.resealed
            rows[sealed.stream] = sealed_row(sealed)
            self.erased.discard(sealed.stream)
        for stream in append.erased:
            self.resealed.pop(stream, None)
            if self.sealed.pop(stream, None) is None:
                self.erased.add(stream)
        for change in append.addresses:
            self._let_go((append.tenant, change.channel, change.subject), change)
        for alias in append.dropped:
            self._aliases[alias_row(alias)] = False
        for alias in append.aliases:
            self._aliases[alias_row(alias)] = True

    def _let_go(self, address: Address, change: AddressChange) -> None:
        # What it comes to beside others of the same address depends on what the store holds: each is written by itself.
        if address in self.addresses or address in self.changes:
            raise StreamConflict(f"conversation {change.conversation}: its address is in this batch already")
        self.changes[address] = change
