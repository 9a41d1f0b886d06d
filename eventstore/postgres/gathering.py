"""Calls that are gathered while a batch is under way, and go together with the next.

This file answers for one batch at a time, for a key standing in it once, and for a bound on what waits. It must never
linger: a batch takes what waits and begins.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Final

from core.errors import AppendUnknown, Overloaded, StoreUnavailable
from eventstore.batches import BATCH_BYTES_MAX, BATCH_ROWS_MAX, QUEUED_BYTES_MAX
from eventstore.postgres.leaving import Answer, Call, Leaving, Note, key_of
from eventstore.postgres.line import Line
from eventstore.postgres.owning import Ownership
from eventstore.postgres.racing import Peer, peer_of

# What a call weighs beside its content: ids, hashes, rows and their index entries, roughly.
_CALL_BYTES: Final = 900

Future = asyncio.Future[Answer]


class Gathering:
    """The queue before the door. Its task lives only while something waits."""

    def __init__(self, line: Line, ownership: Ownership) -> None:
        self._line = line
        self._ownership = ownership
        self._waiting: deque[tuple[Call, Future]] = deque()
        self._bytes = 0
        # Why nothing is taken any more, empty while it is.
        self._closed = ""
        self._task: asyncio.Task[None] | None = None

    def put(self, call: Call) -> Future:
        """The answer to a call once it is durable. Raises StoreUnavailable or Overloaded at once."""
        self._ownership.check()
        if self._closed:
            raise StoreUnavailable(self._closed)
        if self._bytes and self._bytes + _size_of(call) > QUEUED_BYTES_MAX:
            raise Overloaded(f"{self._bytes} bytes wait for the log, and it takes {QUEUED_BYTES_MAX} at most")
        loop = asyncio.get_running_loop()
        future: Future = loop.create_future()
        self._waiting.append((call, future))
        self._bytes += _size_of(call)
        if self._task is None:
            self._task = loop.create_task(self._work())
        return future

    async def close(self) -> None:
        """Sends what waits and takes no more."""
        self._closed = self._closed or "the log is closed"
        if self._task is not None:
            await self._task

    async def _work(self) -> None:
        batch: list[tuple[Call, Future]] = []
        try:
            while self._waiting:
                batch = self._taken()
                if batch:
                    await self._send(batch)
                batch = []
            self._task = None
        finally:
            # Reached with a batch in hand only by a bug of ours or when the loop ends: nobody may wait for ever.
            if batch:
                self._closed = "the door to the log has ended unexpectedly; restart the daemon"
                self._fail(batch, AppendUnknown(self._closed))
                self._fail(self._waiting, StoreUnavailable(self._closed))

    def _taken(self) -> list[tuple[Call, Future]]:
        """What the next batch takes, oldest first. What another of it may keep out waits for the one behind it."""
        batch: list[tuple[Call, Future]] = []
        put_off: list[tuple[Call, Future]] = []
        keys: set[tuple[str, bytes]] = set()
        conversations: dict[Peer, int] = {}
        size_bytes = 0
        while self._waiting and len(batch) < BATCH_ROWS_MAX and size_bytes < BATCH_BYTES_MAX:
            call, future = self._waiting.popleft()
            if future.cancelled() and isinstance(call, Note) and call.kind == "request":
                # Nobody waits for its answer any more. Whatever else was asked is done all the same.
                self._bytes -= _size_of(call)
                continue
            if _clashes(call, keys, conversations):
                put_off.append((call, future))
                continue
            batch.append((call, future))
            size_bytes += _size_of(call)
        self._waiting.extendleft(reversed(put_off))
        self._bytes -= size_bytes
        return batch

    async def _send(self, batch: list[tuple[Call, Future]]) -> None:
        try:
            answers = await Leaving(self._line, self._ownership).leave([call for call, _ in batch])
        except (StoreUnavailable, AppendUnknown) as error:
            # The next connection may reach another server, where this one has become a standby.
            self._line.drop()
            self._fail(batch, error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    def _fail(self, batch: Iterable[tuple[Call, Future]], error: StoreUnavailable | AppendUnknown) -> None:
        for _, future in batch:
            if not future.done():
                future.set_exception(type(error)(str(error)))


def _clashes(call: Call, keys: set[tuple[str, bytes]], conversations: dict[Peer, int]) -> bool:
    """Whether the store could not tell this call from another of its batch; if not, it is counted in."""
    if isinstance(call, Note):
        return False
    key, peer = key_of(call), peer_of(call)
    if key in keys or conversations.get(peer, call.conversation) != call.conversation:
        return True
    if key is not None:
        keys.add(key)
    conversations[peer] = call.conversation
    return False


def _size_of(call: Call) -> int:
    return _CALL_BYTES + len(call.body if isinstance(call, Note) else call.sealed.private)
