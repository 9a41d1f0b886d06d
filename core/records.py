"""What crosses the border to the log: rows in, rows out.

This file answers for the envelope of an event, the head row that mirrors a stream's state, and the private row of the
vault. It must never know how a store keeps them.
"""

from typing import Final, Literal

import msgspec

from core.events import Event

StreamKind = Literal["msg", "conv", "lane", "sys", "device", "plan", "stray"]
WaitingKind = Literal["message", "news", "request"]
# What is neither a message nor a conversation, and is listed whole.
ListedKind = Literal["lane", "sys", "device", "plan", "stray"]

# The rows of an installation that belong to no tenant (lanes, starts, all-tenant keys) carry this one.
NO_TENANT: Final = ""

FIFO_LINE: Final = 0
LOOSE_LINE: Final = 1


class Recorded(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event as the log holds it. `seq` is dense within `shard` from 1; `link` chains the shard (see chain)."""

    stream: int
    version: int
    shard: int
    seq: int
    at_us: int
    tenant: str
    cause: int
    event: Event
    link: bytes


class Draft(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event to be appended as `version` of `stream` (versions count from 1 without a gap)."""

    stream: int
    version: int
    event: Event
    cause: int = 0


class Head(msgspec.Struct, frozen=True, gc=False):  # Not by name alone: rows become heads at every event.
    """A stream's present state in one row: what is needed to find it, list it and put it on the agenda.

    `due_us` is None unless the stream waits for time: for its next try, or for the end of its time where that comes
    first. Such rows make the agenda of (lane, tenant, priority). `line` and `place` order the open messages of a
    conversation: line 0 (fifo) by first due instant, line 1 (loose) by due instant, attempts in flight first; `place`
    is None where the message takes part in neither (held or concluded). `cause` is the stream that caused this one, 0
    where none did; `owes` marks a message that concluded and still owes something: the start of its fallback. `ends_us`
    is when the time of a message that waits is over, whether there is room for it or not; None where it has no end.
    """

    stream: int
    kind: StreamKind
    shard: int
    tenant: str
    version: int
    status: str
    channel: str = ""
    lane: str = ""
    conversation: int = 0
    priority: int = 5
    host: int | None = None
    due_us: int | None = None
    line: int = FIFO_LINE
    place: int | None = None
    attempts: int = 0
    accepted_us: int = 0
    changed_us: int = 0
    code: str = ""
    cause: int = 0
    owes: bool = False
    ends_us: int | None = None


# The fields of a head in the order of their declaration: for who compares or stores many of them, and needs no heads.
HeadRow = tuple[
    int, str, int, str, int, str, str, str, int, int, int | None, int | None, int, int | None, int, int, int, str,
    int, bool, int | None,
]  # fmt: skip  # Twenty-one lines would show less.


def head_from(row: HeadRow) -> Head:
    """The head that has these fields; SQLite has a number for `owes`."""
    # By their places: a call that names so many makes a dict of them first, and took six times as long.
    return Head(*row[:19], bool(row[19]), row[20])  # type: ignore[arg-type]  # Its kind is from a Head, or `msg`.


class HeadChange(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A head row to write, and the status it replaces (None for a new stream): the store keeps counts by status.

    `was_lane` is the lane that it replaces, for the same reason: None means that of the new head.
    """

    head: Head
    was: str | None
    was_lane: str | None = None


class Alias(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A name under which a stream is found. One name may lead to many streams, and many names to one.

    `space` says what kind of name it is, so that two kinds never meet; `name` is a keyed hash, never the name itself.
    """

    space: str
    tenant: str
    name: bytes
    stream: int


class Sealed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A vault row: the private bytes of one stream (a message's are `Private`, encoded), under a salt of its own.

    `subject` is the keyed hash of the address, `reference` that of the caller's reference (None without one); `key_id`
    0 means that the bytes are not sealed under a key.
    """

    stream: int
    tenant: str
    subject: bytes
    salt: bytes
    private: bytes
    reference: bytes | None = None
    key_id: int = 0


class AddressChange(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What becomes of the row that leads from an address to a conversation, for whose peer asked to be forgotten.

    "closed": from here on it leads to the negative of its conversation, so that whoever would write there conflicts,
    and asks again; where there is no row, one is made that does. "gone": there is none any more, closed or not. Where
    the row leads to another conversation, nothing changes.
    """

    channel: str
    subject: bytes
    conversation: int
    becomes: Literal["closed", "gone"]


class Append(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Events of one shard, and all that follows from them: all of it becomes durable, or none.

    First the aliases in `dropped` go, then those in `aliases` come: to drop what is not there, or to add what is,
    changes nothing. Each row in `sealed` takes the place of the one that its stream had in the vault, and the vault
    rows of the streams in `erased` go for good, if they are there. `inbox` is the inbox row that this append takes in,
    0 for none: it goes away in the same commit, and where it is gone already nothing is written (StreamConflict).
    """

    shard: int
    tenant: str
    at_us: int
    drafts: tuple[Draft, ...]
    heads: tuple[HeadChange, ...]
    aliases: tuple[Alias, ...] = ()
    dropped: tuple[Alias, ...] = ()
    sealed: tuple[Sealed, ...] = ()
    inbox: int = 0
    erased: tuple[int, ...] = ()
    addresses: tuple[AddressChange, ...] = ()


class Waiting(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one daemon left for the one that acts, in the order of `id`.

    A "message" was accepted as `stream` and has no event yet (its body is core/parked.py's), "news" is what a hook
    told, and a "request" wants an answer for the daemon `asker`. The other numbers are 0 where a kind has none.
    """

    id: int
    kind: WaitingKind
    stream: int
    tenant: str
    asker: int
    body: bytes


class Dedup(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A client's idempotency key, as HMACs: the same key with the same request is the same message.

    `request_hash_before` is what an earlier release kept for the same bytes, None where that is no other.
    """

    key_hash: bytes
    request_hash: bytes
    expires_us: int
    request_hash_before: bytes | None = None

    def is_of(self, known: bytes) -> bool:
        """Whether the hash that is kept under the key is that of this request."""
        return known in (self.request_hash, self.request_hash_before)


class Private(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """What only the vault may hold of a message. `content` is the JSON of the channel's content struct.

    `fallbacks` are the alternatives of contents.py, encoded.
    """

    to: str
    content: bytes
    reference: str | None = None
    metadata: bytes | None = None
    correlation: str | None = None
    idempotency_key: str | None = None
    fallbacks: bytes | None = None


class Acceptance(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message to take charge of: first event and head, dedup row, vault row and address, in one commit.

    `is_known`: the log had its peer's address when it was asked. A door that finds none there writes nothing then
    (StreamConflict): whoever is remembered may have been forgotten meanwhile.
    """

    append: Append
    sealed: Sealed
    conversation: int
    channel: str
    dedup: Dedup | None = None
    is_known: bool = False


class Stored(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The acceptance is durable."""


class Repeated(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The same key came before, as `stream`; nothing was written. `same` tells whether the request was the same."""

    stream: int
    same: bool


class AgendaRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One waiting message as the agenda sees it."""

    due_us: int
    stream: int
    conversation: int
    host: int | None


class AgendaGroup(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A (lane, tenant, priority) that has something waiting, and the earliest due instant in it."""

    lane: str
    tenant: str
    priority: int
    due_us: int


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A long stream's state as of `version`, so that a replay starts there."""

    stream: int
    version: int
    body: bytes


class LinePage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The beginning of one line of a conversation: its messages' heads in order, and the events of each."""

    heads: list[Head]
    events: dict[int, list[Recorded]]


class Woken(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """All that an actor wakes with: its newest snapshot, its own events beyond it, and how both lines begin."""

    snapshot: Snapshot | None
    events: list[Recorded]
    lines: dict[int, LinePage]


class MessageFilter(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Which messages to list; None does not narrow. `tenant` None means all. `before` is exclusive, by id.

    `cause` asks for those that one stream caused, `owes` for those that concluded and still owe something.
    """

    tenant: str | None = None
    status: tuple[str, ...] | None = None
    channel: str | None = None
    lane: str | None = None
    conversation: int | None = None
    reference: bytes | None = None
    before: int | None = None
    after: int | None = None
    cause: int | None = None
    owes: bool | None = None


class Tally(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How many messages of a (tenant, channel, lane) have a status now, and how many attempts they took together."""

    tenant: str
    channel: str
    lane: str
    status: str
    count: int
    attempts: int
