"""What the house asks of the world: time, chance, secrets, channels and the log.

Every waiting method is declared `def f(...) -> Awaitable[T]`; implementations live in eventstore/, adapters/ and
scenarios/, and pass the contract suites in tests/contracts.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol, runtime_checkable

import msgspec

from core.outcomes import Outcome, Taken
from core.records import (
    Acceptance,
    AgendaGroup,
    AgendaRow,
    Append,
    Head,
    ListedKind,
    MessageFilter,
    Recorded,
    Repeated,
    Sealed,
    Snapshot,
    Stored,
    Tally,
    Waiting,
    Woken,
)


class Clock(Protocol):
    """Log time: microseconds since 1970 UTC that never go back, whatever the machine's wall clock does."""

    def now_us(self) -> int:
        """The present instant. Two calls in a row never decrease."""
        ...

    def sleep_until(self, instant_us: int) -> Awaitable[None]:
        """Returns once `now_us() >= instant_us`, also after the wall clock stepped in between."""
        ...

    def alarm(self, instant_us: int, ring: Callable[[], None]) -> "Alarm":
        """Rings once, as soon as `now_us() >= instant_us`, and never within this call: a sleep without a task."""
        ...


class Alarm(Protocol):
    """An alarm that is set."""

    def cancel(self) -> None:
        """It does not ring any more, if it has not rung yet."""
        ...


class Chance(Protocol):
    """Chance by key: the same purpose and key always draw the same number, so replay and simulation draw alike."""

    def draw(self, purpose: str, *key: int | str) -> float:
        """A number in [0, 1)."""
        ...


class Secrets(Protocol):
    """Secure randomness and the installation key: never logged, never seeded."""

    def fresh(self, count_bytes: int) -> bytes:
        """So many unpredictable bytes."""
        ...

    def keyed_hash(self, purpose: str, *parts: str) -> bytes:
        """16 bytes of HMAC-SHA256 under the installation key: how personal data is found without being kept."""
        ...


class Witness(Protocol):
    """Where the actors say what happens, for logs and metrics. Nothing depends on anybody listening."""

    def note(self, name: str, /, **values: str | int | float | None) -> None:
        """One thing that happened, with ids and codes only: never an address or content."""
        ...


class Parcel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One attempt as a channel sees it. `content` is the JSON that was accepted; `deadline_us` is absolute.

    `message` is the outside id and the same in every attempt, so it can serve as the provider's idempotency key.
    `outside_window`: the peer's reply window is known to be closed, so what stands in for free text is sent. Where a
    message is looked up, `ids_of_others` are the provider's of other messages to this peer: they prove nothing for it.
    """

    message: str
    stream: int
    attempt: int
    tenant: str
    to: str
    content: bytes
    accepted_us: int
    deadline_us: int
    cause: str | None = None
    outside_window: bool = False
    ids_of_others: frozenset[str] = frozenset()


class Channel(Protocol):
    """One provider account. Whatever the provider does becomes an Outcome; only bugs raise."""

    def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Awaitable[Outcome]:
        """Tries once, within the parcel's deadline. Calls `handed_over` when the first byte of the message leaves.

        A fault before that call is never ambiguous.
        """
        ...

    def close(self) -> Awaitable[None]:
        """Gives back every connection."""
        ...


@runtime_checkable
class LooksUp(Protocol):
    """A channel whose provider can be asked what became of an attempt."""

    def look_up(self, parcel: Parcel, started_us: int) -> Awaitable[Taken | None]:
        """Whether the message was taken at or after an instant; None where nothing shows that it was.

        Sends nothing, and answers None for whatever keeps it from telling.
        """
        ...


Health = Literal["ok", "failing"]


class Inbox(Protocol):
    """What other daemons left for the one that acts. Reads and writes fail as the log's do."""

    def waiting(self, *, after: int, limit: int) -> Awaitable[list[Waiting]]:
        """What waits beyond an id, oldest first."""
        ...

    def stirred(self) -> Awaitable[None]:
        """Returns when something may have come: at a hint, or after 250 ms at the latest."""
        ...

    def drop(self, ids: Sequence[int]) -> Awaitable[None]:
        """These are done with; those that are gone already change nothing."""
        ...

    def take(self, requests: Sequence[int]) -> Awaitable[list[int]]:
        """Those of these requests that are still wanted: their rows go, and from here on somebody carries them out.

        A request is taken once. Whoever withdrew one before may say that nothing was done, later nobody may.
        """
        ...

    def answer(self, request: int, body: bytes, /) -> Awaitable[None]:
        """What a request that was taken came to, for its asker to find. Where that is gone it is lost."""
        ...


class Door(Protocol):
    """What a daemon that stands by may do to the log: take in, durably, and ask the one that acts."""

    def accept(self, acceptance: Acceptance) -> Awaitable[Stored | Repeated]:
        """Takes charge of a message: key, vault row, address and an inbox row in one commit; no event yet.

        Raises StreamConflict where the address has come to belong to another conversation, or a peer that is known has
        none any more: whoever called asks again who the peer is. Raises Overloaded where too much waits to be taken in.
        Otherwise it answers and raises as the log.
        """
        ...

    def leave(self, news: bytes, *, tenant: str) -> Awaitable[None]:
        """What a hook told is durable, and the acting daemon will heed it. Raises as `accept` does."""
        ...

    def ask(self, request: bytes, *, within_s: float) -> Awaitable[bytes]:
        """The acting daemon's answer.

        Raises StoreUnavailable where nobody took the request in time (it is withdrawn), AppendUnknown where somebody
        may have and no answer came.
        """
        ...


class Log(Protocol):
    """The event log with its heads, dedup rows and vault: one writer, durable before it answers.

    Raises StoreUnavailable or Overloaded where nothing was written, AppendUnknown where only a replay can tell, and
    StreamConflict where a version was already there, or a key or address came in from elsewhere meanwhile.

    `inbox` is what daemons that stand by leave for this one; None where there can be no others. Streams that wait there
    are read like all others by `events_of`, `events_of_many`, `head_of`, `heads_by` and `sealed_of`: as they will be.
    """

    inbox: Inbox | None

    # -- the right to act

    @property
    def is_exclusive(self) -> bool:
        """Whether whoever wrote before is surely gone: a file's lock proves it, or it stopped in order.

        Where not, an attempt that it left open may be under way until its deadline.
        """
        ...

    def may_send(self) -> bool:
        """Whether this process surely still is the one that acts; asked right before anything leaves."""
        ...

    # -- writing

    def append(self, append: Append) -> Awaitable[None]:
        """Events and heads of one shard, atomically, in the order of the calls (of calling, not of awaiting).

        `at_us` is taken in the same step as the call is made: an instant before that of an earlier call is recorded as
        the earlier call's, and the heads would then tell another one than the events.
        """
        ...

    def accept(self, acceptance: Acceptance) -> Awaitable[Stored | Repeated]:
        """Takes charge of a message, or answers with the one that came before under the same idempotency key."""
        ...

    def save_snapshot(self, snapshot: Snapshot) -> Awaitable[None]:
        """Keeps a long stream's state; only the newest of a stream is kept."""
        ...

    def settled(self) -> Awaitable[None]:
        """Done once every write that was asked for before this call has been answered, be it to nobody.

        Whoever gave up waiting for one asks this first: until then a read may come before the write.
        """
        ...

    # -- one stream, one conversation

    def events_of(self, stream: int, *, after_version: int = 0) -> Awaitable[list[Recorded]]:
        """A stream's events in order; empty for an unknown stream. Raises StreamParked for an event not known here."""
        ...

    def events_of_many(self, streams: Sequence[int]) -> Awaitable[dict[int, list[Recorded]]]:
        """Several streams in one read; unknown ones are missing. Raises StreamParked as `events_of` does."""
        ...

    def snapshot_of(self, stream: int) -> Awaitable[Snapshot | None]:
        """The newest snapshot of a stream."""
        ...

    def head_of(self, stream: int) -> Awaitable[Head | None]:
        """The head row of a stream."""
        ...

    def line_of(
        self, conversation: int, line: int, *, after: tuple[int, int] | None, limit: int
    ) -> Awaitable[list[Head]]:
        """Open messages of one line of a conversation that have a place, ordered by (place, stream), beyond `after`."""
        ...

    def woken(self, conversation: int, *, limit: int) -> Awaitable[Woken]:
        """What a conversation's actor wakes with, in one read: of each line at most `limit` messages."""
        ...

    def sealed_of(self, stream: int) -> Awaitable[Sealed | None]:
        """The vault row of a stream; None once it was erased. Concurrent calls may share one read."""
        ...

    def aliased(self, space: str, tenant: str, name: bytes) -> Awaitable[list[int]]:
        """The streams that a name leads to, in the order of their ids; empty for a name that leads nowhere."""
        ...

    def conversation_at(self, tenant: str, channel: str, subject: bytes) -> Awaitable[int | None]:
        """The conversation with this peer (the keyed hash of its address), None for a peer never written to."""
        ...

    def peer_of(self, conversation: int) -> Awaitable[tuple[str, str] | None]:
        """(tenant, channel) of a conversation, None where there is none."""
        ...

    def repeated(self, tenant: str, key_hash: bytes) -> Awaitable[tuple[int, bytes] | None]:
        """(stream, request hash) of an idempotency key that came before; None where it is new or forgotten."""
        ...

    # -- the agenda

    def agenda_groups(self) -> Awaitable[list[AgendaGroup]]:
        """Every (lane, tenant, priority) with something waiting."""
        ...

    def agenda_page(
        self, lane: str, tenant: str, priority: int, *, after: tuple[int, int] | None, limit: int
    ) -> Awaitable[list[AgendaRow]]:
        """Waiting messages of a group, ordered by (due, stream), beyond `after`."""
        ...

    # -- finding and counting

    def heads(self, wanted: MessageFilter, *, limit: int, oldest_first: bool = False) -> Awaitable[list[Head]]:
        """Messages that match, newest first unless asked otherwise; `before` and `after` are exclusive."""
        ...

    def heads_by(self, streams: Sequence[int]) -> Awaitable[dict[int, Head]]:
        """The head rows of several streams in one read; unknown ones are missing."""
        ...

    def heads_of_kind(
        self, kind: ListedKind, *, status: str | None = None, after: int = 0, limit: int | None = None
    ) -> Awaitable[list[Head]]:
        """Streams of a kind that is neither messages nor conversations, in the order of their ids, beyond `after`.

        All of them unless a status or a limit is given.
        """
        ...

    def silent_devices(self, *, after: tuple[int, int] | None, limit: int) -> Awaitable[list[Head]]:
        """Devices whose head is active, ordered by (changed, stream), beyond `after`: unheard of for longest first."""
        ...

    def ending_messages(self, *, after: tuple[int, int] | None, limit: int) -> Awaitable[list[Head]]:
        """Waiting messages whose time ends, ordered by (end, stream), beyond `after`: the next to end first."""
        ...

    def count(self, wanted: MessageFilter, *, at_most: int) -> Awaitable[int]:
        """How many messages match, counted no further than `at_most`."""
        ...

    def tallies(self, tenant: str | None) -> Awaitable[list[Tally]]:
        """Counts by channel, lane and status, kept with each commit and never counted anew."""
        ...

    def recorded_since(self, at_us: int, types: tuple[str, ...]) -> Awaitable[list[Recorded]]:
        """Events of these types recorded at or after an instant, oldest first: what the governor is folded from."""
        ...

    def log_page(
        self, after: dict[int, int], *, tenant: str | None, limit: int
    ) -> Awaitable[tuple[list[Recorded], dict[int, int]]]:
        """Events beyond a position a shard (missing: from its start), and the position reached.

        The end is where the position stays as it was: a page of one tenant may be short, even empty, before it.
        """
        ...

    def changed(self) -> Awaitable[None]:
        """Returns at the next commit after this call. Ask first, then read, then wait, and no commit is missed."""
        ...

    # -- life

    def newest(self) -> tuple[int, int]:
        """(largest stream id, latest instant in the log): where ids and log time go on; (0, 0) for an empty log."""
        ...

    def health(self) -> tuple[Health, str]:
        """Whether writes work now, and why not."""
        ...

    def close(self) -> Awaitable[None]:
        """Finishes what is queued and lets go of files."""
        ...
