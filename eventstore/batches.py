"""Calls on their way to the log: encoded once, in the order of the calls, bounded in bytes, taken a batch at a time.

This file answers for what waits in memory for a commit. It must never write, wait or decide what conflicts.
"""

import asyncio
from collections import deque
from typing import Final

from core.errors import Overloaded, StreamConflict, TidingsError
from core.records import Acceptance, Append, Repeated, Snapshot, Stored
from eventstore.codec import encode

# One commit takes so much at most. Larger batches gain nothing: beyond a few hundred rows the disk's wait is a small
# part of a commit, and every caller in the batch waits for all of it.
BATCH_ROWS_MAX: Final = 1_024
BATCH_BYTES_MAX: Final = 1024 * 1024
# What may wait in memory before the door has to answer 429 or 503.
QUEUED_BYTES_MAX: Final = 16 * 1024 * 1024
# Rows that may wait in the database for the daemon that acts, before the doors of all others have to answer the same:
# more than come in while one takes over, and less than a minute's work for it. Calls pass a full inbox, since there are
# few at a time and they may be what helps.
INBOX_ROWS_MAX: Final = 250_000
# How soon it is worth to come again then.
INBOX_AGAIN_S: Final = 5

# What a row weighs beside its body: ids, type, tenant, link, its head and their index entries, roughly.
_ROW_BYTES: Final = 300

# stream, version, type, schema version, cause, body: what a draft becomes before it has a place in the log.
Part = tuple[int, int, str, int, int, bytes]

Future = asyncio.Future[Stored | Repeated | None]
Answer = Stored | Repeated | TidingsError | OverflowError | ValueError | None


def check_inbox(*, is_full: bool) -> None:
    """Raises Overloaded where no more may wait for the daemon that acts."""
    if is_full:
        words = f"{INBOX_ROWS_MAX} rows wait for the daemon that acts already"
        raise Overloaded(words, retry_after_s=INBOX_AGAIN_S)


class Entry:
    """One call that waits for its commit, and the future that its caller waits for."""

    __slots__ = (
        "acceptance",
        "append",
        "at_us",
        "future",
        "is_answered",
        "parts",
        "size_bytes",
        "snapshot",
        "watchers",
    )

    def __init__(self, call: Append | Acceptance | Snapshot, future: Future) -> None:
        self.future = future
        self.acceptance: Acceptance | None = None
        self.snapshot: Snapshot | None = None
        self.append: Append | None = None
        self.parts: list[Part] = []
        self.at_us = 0
        self.size_bytes = _ROW_BYTES
        self.is_answered = False
        self.watchers: list[asyncio.Future[None]] | None = None
        match call:
            case Append():
                self._encode(call)
            case Acceptance():
                self.acceptance = call
                self.size_bytes += len(call.sealed.private) + _ROW_BYTES
                self._encode(call.append)
                of_head = call.append.heads[0].head.conversation
                assert of_head == call.conversation, f"a message of {of_head} was accepted for {call.conversation}"
            case Snapshot():
                self.snapshot = call
                self.size_bytes += len(call.body)

    def _encode(self, append: Append) -> None:
        assert _fits(append), f"the last version of each stream and its head must agree, in one shard: {append}"
        self.append, self.at_us = append, append.at_us
        for draft in append.drafts:
            name, schema_version, body = encode(draft.event)
            self.parts.append((draft.stream, draft.version, name, schema_version, draft.cause, body))
            self.size_bytes += len(body) + _ROW_BYTES
        for sealed in append.sealed:
            self.size_bytes += len(sealed.private) + _ROW_BYTES
        self.size_bytes += _ROW_BYTES * (len(append.aliases) + len(append.dropped))

    def answer(self, answer: Answer) -> None:
        """Tells the caller, if it still waits: a caller that was cancelled leaves its call in the log all the same."""
        self.is_answered = True
        for watcher in self.watchers or ():
            if not watcher.done():
                watcher.set_result(None)
        if self.future.done():
            return
        if isinstance(answer, BaseException):
            self.future.set_exception(answer)
        else:
            self.future.set_result(answer)


def _fits(append: Append) -> bool:
    """Whether each stream that moves has its head beside it, of just its last version, and all live in one shard."""
    shard, drafts, changes = append.shard, append.drafts, append.heads
    if len(drafts) == len(changes) == 1:
        # Nearly every append there is.
        draft, head = drafts[0], changes[0].head
        return draft.stream == head.stream and draft.version == head.version and head.shard == shard
    last = {draft.stream: draft.version for draft in drafts}
    return bool(last) and last == {
        change.head.stream: change.head.version for change in changes if change.head.shard == shard
    }


class Batches:
    """The calls that wait. Instants are made to never decrease here, in the order of the calls."""

    def __init__(self, at_us: int) -> None:
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._at_us = at_us
        # The one that was put last, wherever it is by now.
        self._last: Entry | None = None

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._entries)

    def put(self, entry: Entry) -> None:
        """Adds a call behind the others. Raises Overloaded where too many bytes wait already."""
        if self._bytes and self._bytes + entry.size_bytes > QUEUED_BYTES_MAX:
            raise Overloaded(f"{self._bytes} bytes wait for the log, and it takes {QUEUED_BYTES_MAX} at most")
        self._at_us = entry.at_us = max(entry.at_us, self._at_us)
        self._bytes += entry.size_bytes
        self._entries.append(entry)
        self._last = entry

    def settled(self) -> asyncio.Future[None]:
        """Done once every call that was put before has been answered, whether or not anybody waits for the answer."""
        settled = asyncio.get_running_loop().create_future()
        last = self._last
        if last is None or last.is_answered:
            settled.set_result(None)
        elif last.watchers is None:
            last.watchers = [settled]
        else:
            last.watchers.append(settled)
        return settled

    def take(self) -> list[Entry]:
        """What the next commit takes, oldest first: at least one call where any waits."""
        batch: list[Entry] = []
        rows = size_bytes = 0
        while self._entries:
            entry = self._entries[0]
            rows += len(entry.parts) or 1
            size_bytes += entry.size_bytes
            if batch and (rows > BATCH_ROWS_MAX or size_bytes > BATCH_BYTES_MAX):
                break
            batch.append(self._entries.popleft())
            self._bytes -= entry.size_bytes
        return batch

    def take_all(self) -> list[Entry]:
        """Everything that waits, for when none of it can be written."""
        entries = list(self._entries)
        self._entries.clear()
        self._bytes = 0
        return entries


def check_versions(entry: Entry, known: dict[int, int]) -> None:
    """Raises StreamConflict unless each draft follows the version in `known`, and moves `known` on.

    A stream that is missing there begins with the entry's own first version: the caller checks that against its heads.
    """
    for part in entry.parts:
        stream, version = part[0], part[1]
        expected = known.get(stream, version - 1) + 1
        if version != expected:
            raise StreamConflict(f"stream {stream}: version {version} was to be written, but {expected} is next")
        known[stream] = version
