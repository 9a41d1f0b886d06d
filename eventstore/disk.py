"""The disk under the memory log: where it may be slow, full or gone, for scenarios to say.

This file answers for the borders of a commit and a read. It must never decide what the log does about a fault.
"""

from collections.abc import Awaitable
from typing import Literal, Protocol

Border = Literal["before_read", "before_write", "before_sync", "before_answer"]
"""Before a read; before anything of a batch is written; written but not durable; durable but nobody was told."""


class Disk(Protocol):
    """What the memory log asks at each border. None means: go on at once.

    What is returned is waited for, so latency is an awaitable that takes its time and a crash is one that never ends.
    A fault is an exception, raised at once or by the awaitable: StoreUnavailable at before_read, before_write or
    before_sync where nothing is written; AppendUnknown at before_sync where nothing is written but nobody can tell, at
    before_answer where all of it is.
    """

    def at(self, border: Border, rows: int) -> Awaitable[None] | None:
        """Called at a border with the number of events in the batch (0 for a read)."""
        ...

    def mended(self) -> Awaitable[None] | None:
        """Called after a fault of a write: what is returned ends when writing may be tried again."""
        ...


class SoundDisk:
    """A disk that never waits and never fails."""

    def at(self, border: Border, rows: int) -> None:
        """Goes on at once."""

    def mended(self) -> None:
        """There is nothing to mend."""
