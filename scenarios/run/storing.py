"""Production's writer over a store whose disk is as its scenario says: slow, full or failing, or cut off by a crash.

This file answers for each border of a commit being where it is in memory: what is refused there is never asked of the
store, and what the store has done stays done though nobody is told. It must never know which store it is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

from core.errors import AppendUnknown, StoreUnavailable
from core.records import Acceptance, Append, Snapshot
from eventstore.batches import Answer, Entry
from eventstore.disk import Disk
from eventstore.numbering import Numbering

Call = Append | Acceptance | Snapshot


class Storing:
    """The store's side of the writer. `put` asks the store for a call; `numbering_of` tells what is durable."""

    def __init__(
        self, disk: Disk, put: Callable[[Call], "asyncio.Future[Any]"], numbering_of: Callable[[], Numbering]
    ) -> None:
        self._disk = disk
        self._put = put
        self._numbering_of = numbering_of
        # The disk on its way back, from the moment at which it failed.
        self._mending: asyncio.Future[None] | None = None

    @property
    def numbering(self) -> Numbering:
        """See Commits."""
        return self._numbering_of().copy()

    async def commit(self, batch: list[Entry]) -> list[Answer]:
        """See Commits."""
        try:
            return await self._stored(batch)
        except (StoreUnavailable, AppendUnknown):
            self._mending = asyncio.ensure_future(passed(self._disk.mended()))
            raise

    async def probe(self) -> None:
        """See Commits."""
        assert self._mending is not None, "only what has failed is tried again"
        await self._mending
        # The writer comes later than the disk is back, and has a look of its own.
        await passed(self._disk.mended())

    async def _stored(self, batch: list[Entry]) -> list[Answer]:
        events = sum(len(entry.parts) for entry in batch)
        await passed(self._disk.at("before_write", events))
        await passed(self._disk.at("before_sync", events))
        answers = await asyncio.gather(*(self._put(_call_of(entry)) for entry in batch), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, StoreUnavailable | AppendUnknown):
                raise answer
        await passed(self._disk.at("before_answer", events))
        return cast("list[Answer]", answers)


async def passed(border: Awaitable[None] | None) -> None:
    """Returns once a border lets whoever waits there go on. Raises what is raised there."""
    if border is not None:
        await border


def _call_of(entry: Entry) -> Call:
    call = entry.acceptance or entry.append or entry.snapshot
    assert call is not None, "an entry is an append, an acceptance or a snapshot"
    return call
