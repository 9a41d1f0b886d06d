"""The writing half of a log that has a queue in front of its store.

This file answers for the port's words being the same for every such store. It must never know what is behind the queue.
"""

from collections.abc import Awaitable

from core.ports import Health, Inbox
from core.records import Acceptance, Append, Repeated, Snapshot, Stored
from eventstore.waking import Waking
from eventstore.writer import Writer


class WritingLog:
    """What can be done to a log. The reading half comes from its store."""

    _writer: Writer
    _waking: Waking

    # Where no other daemon can be: nothing is left by one, and nobody else acts.
    inbox: Inbox | None = None

    @property
    def is_exclusive(self) -> bool:
        """Whether whoever wrote before is surely gone."""
        return True

    def may_send(self) -> bool:
        """Whether this process surely still is the one that acts."""
        return True

    def append(self, append: Append) -> Awaitable[None]:
        """Events and heads of one shard, atomically, in the order of the calls."""
        return self._writer.put(append)  # type: ignore[return-value]  # An append is answered with None.

    def accept(self, acceptance: Acceptance) -> Awaitable[Stored | Repeated]:
        """Takes charge of a message, or answers with the one that came before under the same idempotency key."""
        return self._writer.put(acceptance)  # type: ignore[return-value]  # An acceptance is never answered with None.

    def save_snapshot(self, snapshot: Snapshot) -> Awaitable[None]:
        """Keeps a long stream's state; only the newest of a stream is kept."""
        return self._writer.put(snapshot)  # type: ignore[return-value]  # A snapshot is answered with None.

    def settled(self) -> Awaitable[None]:
        """Done once every write that was asked for before this call has been answered."""
        return self._writer.settled()

    def changed(self) -> Awaitable[None]:
        """Done at the next commit after this call: ask first, then read, then wait, and nothing is missed."""
        return self._waking.ask()

    def newest(self) -> tuple[int, int]:
        """(largest id, latest instant in the log): where ids and log time go on; (0, 0) for an empty log."""
        return self._writer.numbering.largest, self._writer.numbering.at_us

    def health(self) -> tuple[Health, str]:
        """Whether writes work now, and why not."""
        return self._writer.health()
