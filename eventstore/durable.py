"""What the memory log holds once it is durable: the tables of a store as plain Python, one entry atomically at a time.

This file answers for what every other store must hold and conflict on as well: it is the reference. It must never
wait, and never hold what is not committed.
"""

from bisect import bisect_left, insort
from typing import Final, TypeVar

from core.errors import StreamConflict
from core.ids import SHARDS
from core.records import Acceptance, AddressChange, Alias, Append, Head, Recorded, Repeated, Sealed, Snapshot, Stored
from eventstore.batches import Entry, check_versions
from eventstore.codec import EventRow, recorded
from eventstore.numbering import Numbering
from eventstore.parking import Parking
from eventstore.tallying import Counts, count

Pair = tuple[int, int]
# space, tenant, name: what leads to streams.
Name = tuple[str, str, bytes]
Key = TypeVar("Key")
Place = TypeVar("Place", int, Pair)


class Durable:
    """The durable part of a memory log, to be handed from one to the next over a simulated crash."""

    def __init__(self) -> None:
        self.incarnation = 0
        self.numbering = Numbering()
        self.rows: list[EventRow] = []
        self.events: list[Recorded] = []
        self.streams: dict[int, list[Recorded]] = {}
        # The positions (from 1) of each shard's events, in the order of their numbers.
        self.shards: Final[list[list[int]]] = [[] for _ in range(SHARDS)]
        self.heads: dict[int, Head] = {}
        self.messages: list[int] = []
        self.members: dict[int, list[int]] = {}
        # Messages by what caused them, and those that concluded and still owe something.
        self.caused: dict[int, list[int]] = {}
        self.owing: list[int] = []
        # (due, stream) of what waits, by (lane, tenant, priority); (place, stream) by (conversation, line).
        self.agenda: dict[tuple[str, str, int], list[Pair]] = {}
        self.lines: dict[Pair, list[Pair]] = {}
        # (changed, stream) of active devices; (end, stream) of what waits and has an end.
        self.silent: list[Pair] = []
        self.ending: list[Pair] = []
        self.tallies: Counts = {}
        # (tenant, key hash) -> stream, request hash, expiry.
        self.keys: dict[tuple[str, bytes], tuple[int, bytes, int]] = {}
        self.sealed: dict[int, Sealed] = {}
        self.referenced: dict[bytes, list[int]] = {}
        self.addresses: dict[tuple[str, str, bytes], int] = {}
        self.peers: dict[int, tuple[str, str]] = {}
        self.aliases: dict[Name, list[int]] = {}
        self.snapshots: dict[int, Snapshot] = {}
        self.parking = Parking()

    # -- writing

    def write(self, entry: Entry) -> Stored | Repeated | None:
        """One call, whole or not at all. Raises StreamConflict where it contradicts what is there."""
        if entry.snapshot is not None:
            self._save(entry.snapshot)
            return None
        assert entry.append is not None, "an entry is an append, an acceptance or a snapshot"
        acceptance = entry.acceptance
        if acceptance is not None:
            repeated = self._repeated(acceptance, entry.at_us)
            if repeated is not None:
                return repeated
            self._check_vault(acceptance)
        self._check_streams(entry)
        if entry.append.inbox:
            self.parking.check(entry.append.inbox)
        self._write_events(entry, entry.append)
        if acceptance is not None:
            self._write_vault(acceptance)
        self._write_beside(entry.append)
        if entry.append.inbox:
            self.parking.remove(entry.append.inbox)
        return None if acceptance is None else Stored()

    def park(self, acceptance: Acceptance) -> Stored | Repeated:
        """Everything of an acceptance but its event, which somebody else will write.

        Raises StreamConflict where its peer belongs to another conversation.
        """
        repeated = self._repeated(acceptance, acceptance.append.at_us)
        if repeated is not None:
            return repeated
        self._check_vault(acceptance)
        address = acceptance.append.tenant, acceptance.channel, acceptance.sealed.subject
        if acceptance.is_known and address not in self.addresses:
            raise StreamConflict(f"stream {acceptance.sealed.stream}: its peer's address leads nowhere any more")
        self._write_vault(acceptance)
        self.parking.park(acceptance)
        # Whoever gets the slot of this daemon goes on above its ids, taken in or not.
        self.numbering.largest = max(self.numbering.largest, acceptance.sealed.stream, acceptance.conversation)
        return Stored()

    def _save(self, snapshot: Snapshot) -> None:
        known = self.snapshots.get(snapshot.stream)
        if known is None or known.version <= snapshot.version:
            self.snapshots[snapshot.stream] = snapshot

    def _repeated(self, acceptance: Acceptance, at_us: int) -> Repeated | None:
        dedup = acceptance.dedup
        if dedup is None:
            return None
        known = self.keys.get((acceptance.append.tenant, dedup.key_hash))
        if known is None or known[2] <= at_us:
            return None
        return Repeated(stream=known[0], same=dedup.is_of(known[1]))

    def _check_vault(self, acceptance: Acceptance) -> None:
        sealed, tenant = acceptance.sealed, acceptance.append.tenant
        known = self.addresses.get((tenant, acceptance.channel, sealed.subject), acceptance.conversation)
        if known != acceptance.conversation or sealed.stream in self.sealed:
            raise StreamConflict(
                f"stream {sealed.stream}: its vault row is there already, or its peer belongs to conversation {known}"
            )

    def _check_streams(self, entry: Entry) -> None:
        known: dict[int, int] = {}
        for stream, *_ in entry.parts:
            head = self.heads.get(stream)
            known[stream] = head.version if head is not None else 0
        check_versions(entry, known)

    def _write_events(self, entry: Entry, append: Append) -> None:
        for row in self.numbering.number(entry):
            self.add_event(row)
        for change in append.heads:
            self.put_head(change.head)
        count(append, self.tallies)

    def _write_vault(self, acceptance: Acceptance) -> None:
        sealed, dedup, tenant = acceptance.sealed, acceptance.dedup, acceptance.append.tenant
        self.seal(sealed)
        self.addresses[tenant, acceptance.channel, sealed.subject] = acceptance.conversation
        self.peers.setdefault(acceptance.conversation, (tenant, acceptance.channel))
        if dedup is not None:
            self.keys[tenant, dedup.key_hash] = sealed.stream, dedup.request_hash, dedup.expires_us

    def _write_beside(self, append: Append) -> None:
        for sealed in append.sealed:
            self.seal(sealed)
        for stream in append.erased:
            self.unseal(stream)
        for change in append.addresses:
            self._change_address(append.tenant, change)
        for alias in append.dropped:
            if alias.stream in self.aliases.get(_name(alias), ()):
                _leave(self.aliases, _name(alias), alias.stream)
        for alias in append.aliases:
            if alias.stream not in self.aliases.get(_name(alias), ()):
                insort(self.aliases.setdefault(_name(alias), []), alias.stream)

    def _change_address(self, tenant: str, change: AddressChange) -> None:
        address, conversation = (tenant, change.channel, change.subject), change.conversation
        if abs(self.addresses.get(address, conversation)) != conversation:
            return
        if change.becomes == "closed":
            self.addresses[address] = -conversation
        else:
            self.addresses.pop(address, None)
        # Another address may lead there still.
        if conversation not in self.addresses.values():
            self.peers.pop(conversation, None)

    # -- one row, as a call of ours or another store has it

    def add_event(self, row: EventRow) -> None:
        """The next event, numbered and linked."""
        event = recorded(row)
        self.rows.append(row)
        self.events.append(event)
        self.streams.setdefault(event.stream, []).append(event)
        self.shards[event.shard].append(len(self.events))

    def put_head(self, head: Head) -> None:
        """A head, and whatever it is found through."""
        before = self.heads.get(head.stream)
        if head.kind == "msg":
            self._put_message(head, before)
        if before is not None and before.due_us is not None:
            _leave(self.agenda, _group(before), (before.due_us, before.stream))
        if before is not None and before.place is not None:
            _leave(self.lines, (before.conversation, before.line), (before.place, before.stream))
        if before is not None and _is_silent(before):
            del self.silent[bisect_left(self.silent, (before.changed_us, before.stream))]
        if before is not None and before.ends_us is not None:
            del self.ending[bisect_left(self.ending, (before.ends_us, before.stream))]
        self.heads[head.stream] = head
        if _is_silent(head):
            insort(self.silent, (head.changed_us, head.stream))
        if head.ends_us is not None:
            insort(self.ending, (head.ends_us, head.stream))
        if head.due_us is not None:
            insort(self.agenda.setdefault(_group(head), []), (head.due_us, head.stream))
        if head.place is not None:
            insort(self.lines.setdefault((head.conversation, head.line), []), (head.place, head.stream))

    def seal(self, sealed: Sealed) -> None:
        """A vault row, in the place of the one before it."""
        before = self.sealed.get(sealed.stream)
        if before is not None and before.reference is not None:
            _leave(self.referenced, before.reference, sealed.stream)
        self.sealed[sealed.stream] = sealed
        if sealed.reference is not None:
            insort(self.referenced.setdefault(sealed.reference, []), sealed.stream)

    def unseal(self, stream: int) -> None:
        """A vault row goes, if it is there."""
        before = self.sealed.pop(stream, None)
        if before is not None and before.reference is not None:
            _leave(self.referenced, before.reference, stream)

    def _put_message(self, head: Head, before: Head | None) -> None:
        if before is None:
            insort(self.messages, head.stream)
            self.members.setdefault(head.conversation, []).append(head.stream)
            if head.cause:
                insort(self.caused.setdefault(head.cause, []), head.stream)
        owed = before is not None and before.owes
        if head.owes and not owed:
            insort(self.owing, head.stream)
        if owed and not head.owes:
            del self.owing[bisect_left(self.owing, head.stream)]


def _name(alias: Alias) -> Name:
    return alias.space, alias.tenant, alias.name


def _group(head: Head) -> tuple[str, str, int]:
    return head.lane, head.tenant, head.priority


def _is_silent(head: Head) -> bool:
    return head.kind == "device" and head.status == "active"


def _leave(table: dict[Key, list[Place]], key: Key, place: Place) -> None:
    places = table[key]
    del places[bisect_left(places, place)]
    if not places:
        del table[key]
