"""The queue in front of a store: takes calls in order, commits a batch at a time, and stands a store that fails.

This file answers for who is told what, and when, and for writes coming back by themselves after a fault. It must never
linger: a commit takes what waits and begins.
"""

import asyncio
from collections.abc import Awaitable
from typing import Final, Protocol

from core.errors import AppendUnknown, CorruptLog, StoreUnavailable
from core.ports import Health
from core.records import Acceptance, Append, Snapshot
from eventstore.batches import Answer, Batches, Entry, Future
from eventstore.numbering import Numbering
from eventstore.waking import Waking

# Only while the store fails, and never while it works: how long until it is tried again, growing.
FIRST_PROBE_S: Final = 0.05
LAST_PROBE_S: Final = 5.0


class Commits(Protocol):
    """A store's own side of writing."""

    @property
    def numbering(self) -> Numbering:
        """Where the log goes on; ahead of what was answered while a commit is under way."""
        ...

    def commit(self, batch: list[Entry]) -> Awaitable[list[Answer]]:
        """The answer to each call, all of them durable.

        Raises StoreUnavailable where nothing of the batch was written, AppendUnknown where only a probe can tell.
        """
        ...

    def probe(self) -> Awaitable[None]:
        """A tiny commit, to see whether writing works again, and where the log stands.

        Raises StoreUnavailable, and CorruptLog where the log is not whole.
        """
        ...


class Writer:
    """The one that writes. It lives as a task only while there is something to write or to mend."""

    def __init__(self, commits: Commits, waking: Waking) -> None:
        # Kept, since asking for the running loop is a call to the system each time.
        self._loop = asyncio.get_running_loop()
        self._commits = commits
        self._waking = waking
        # What is durable; the store's own may be ahead of it while it is at work.
        self.numbering: Numbering = commits.numbering
        self._batches = Batches(self.numbering.at_us)
        self._task: asyncio.Task[None] | None = None
        self._refusing = ""
        self._probe_s = FIRST_PROBE_S
        self._closing = asyncio.Event()

    def put(self, call: Append | Acceptance | Snapshot) -> Future:
        """Queues a call; the future is done once it is durable. Raises StoreUnavailable or Overloaded at once."""
        if self._refusing:
            raise StoreUnavailable(self._refusing)
        entry = Entry(call, self._loop.create_future())
        self._batches.put(entry)
        if self._task is None:
            self._task = self._loop.create_task(self._work())
        return entry.future

    def settled(self) -> asyncio.Future[None]:
        """Done once every call that was queued before has been answered."""
        return self._batches.settled()

    def health(self) -> tuple[Health, str]:
        """Whether writes work now, and why not."""
        return ("failing", self._refusing) if self._refusing else ("ok", "")

    async def close(self) -> None:
        """Commits what is queued and takes no more."""
        self._refusing = self._refusing or "the log is closed"
        self._closing.set()
        if self._task is not None:
            await self._task

    async def _work(self) -> None:
        batch: list[Entry] = []
        try:
            while self._batches:
                batch = self._batches.take()
                await self._commit(batch)
                batch = []
            self._task = None
        finally:
            # Reached with a batch in hand only by a bug of ours or when the loop ends: nobody may wait for ever.
            if batch:
                self._refusing = "the writer of the log has ended unexpectedly; restart the daemon"
                self._fail(batch, AppendUnknown(self._refusing))

    async def _commit(self, batch: list[Entry]) -> None:
        try:
            answers = await self._commits.commit(batch)
        except (StoreUnavailable, AppendUnknown) as error:
            await self._mend(batch, error)
            return
        self._probe_s = FIRST_PROBE_S
        self.numbering = self._commits.numbering
        for entry, answer in zip(batch, answers, strict=True):
            entry.answer(answer)
        self._waking.wake()

    async def _mend(self, batch: list[Entry], error: StoreUnavailable | AppendUnknown) -> None:
        is_closing = self._closing.is_set()
        self._refusing = str(error)
        self._fail(batch, error)
        while not is_closing:
            is_closing = await self._waited(self._probe_s)
            # A small write may work where a batch fails again, so only a batch makes the wait short again.
            self._probe_s = min(2 * self._probe_s, LAST_PROBE_S)
            try:
                await self._commits.probe()
            except (StoreUnavailable, CorruptLog) as still:
                # Of a log that is not whole nobody knows where it goes on: a person is told, and may mend it meanwhile.
                self._refusing = str(still)
            else:
                before, self.numbering = self.numbering, self._commits.numbering
                self._refusing = "the log is closed" if is_closing else ""
                if self.numbering.pos > before.pos:
                    # What nobody could tell is durable after all.
                    self._waking.wake()
                return

    def _fail(self, batch: list[Entry], error: StoreUnavailable | AppendUnknown) -> None:
        for entry in batch:
            entry.answer(type(error)(str(error)))
        # Their versions may follow on those that failed, so none of them can be written either.
        for entry in self._batches.take_all():
            entry.answer(StoreUnavailable(self._refusing))

    async def _waited(self, wait_s: float) -> bool:
        """Waits so long, or less where the log is closed meanwhile: then True."""
        try:
            async with asyncio.timeout(wait_s):
                await self._closing.wait()
        except TimeoutError:
            return False
        return True
