"""What crosses the border to the log: rows in, rows out.

This file answers for the envelope of an event, the head row that mirrors a stream's state, and the private row of the
vault. It must never know how a store keeps them.
"""

from typing import Final, Literal

import msgspec

from core.events import Event

StreamKind = Literal["msg", "conv", "lane", "sys"]

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


class Head(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A stream's present state in one row: what is needed to find it, list it and put it on the agenda.

    `due_us` is None unless the stream waits for time: for its next try, or for the end of its time where that comes
    first. Such rows make the agenda of (lane, tenant, priority). `line` and `place` order the open messages of a
    conversation: line 0 (fifo) by first due instant, line 1 (loose) by due instant, attempts in flight first; `place`
    is None where the message takes part in neither (held or concluded).
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


class HeadChange(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A head row to write, and the status it replaces (None for a new stream): the store keeps counts by status."""

    head: Head
    was: str | None


class Append(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Events of one shard and the heads that follow from them: all of it becomes durable, or none."""

    shard: int
    tenant: str
    at_us: int
    drafts: tuple[Draft, ...]
    heads: tuple[HeadChange, ...]


class Dedup(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A client's idempotency key, as HMACs: the same key with the same request is the same message."""

    key_hash: bytes
    request_hash: bytes
    expires_us: int


class Sealed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A vault row: the private bytes of one stream (`Private`, encoded), under a salt of its own.

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


class Private(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """What only the vault may hold of a message. `content` is the JSON of the channel's content struct."""

    to: str
    content: bytes
    reference: str | None = None
    metadata: bytes | None = None
    correlation: str | None = None
    idempotency_key: str | None = None


class Acceptance(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message to take charge of: first event and head, dedup row, vault row and address, in one commit."""

    append: Append
    sealed: Sealed
    conversation: int
    channel: str
    dedup: Dedup | None = None


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
    """Which messages to list; None does not narrow. `tenant` None means all. `before` is exclusive, by id."""

    tenant: str | None = None
    status: tuple[str, ...] | None = None
    channel: str | None = None
    lane: str | None = None
    conversation: int | None = None
    reference: bytes | None = None
    before: int | None = None
    after: int | None = None


class Tally(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How many messages of a (tenant, channel, lane) have a status now, and how many attempts they took together."""

    tenant: str
    channel: str
    lane: str
    status: str
    count: int
    attempts: int
