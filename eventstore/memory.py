"""The log in memory: the reference that other stores are compared with, and the log of every scenario.

This file answers for the same promises as a store on a disk, borders of a commit included, without a thread or a
sleep of its own: on a sound disk every call is through at once. It must never be used where something has to last.
"""

import asyncio
from collections.abc import Awaitable, Generator, Sequence
from itertools import islice, takewhile

from core.errors import AppendUnknown, StoreUnavailable, StreamConflict, TidingsError
from core.ports import Health, Inbox
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
    Woken,
)
from eventstore.batches import Answer, Batches, Entry
from eventstore.codec import readable, type_of
from eventstore.disk import Disk, SoundDisk
from eventstore.durable import Durable
from eventstore.finding import (
    agenda_groups,
    agenda_page,
    ending_messages,
    line_page,
    matching,
    of_kind,
    position_after,
    silent_devices,
    woken_of,
)
from eventstore.paging import page_of
from eventstore.tallying import tallies_of
from eventstore.waking import Waking

# What a commit waits for at its borders, one after another.
Steps = Generator[Awaitable[None], None, None]


class MemoryLog:
    """The Log port over a Durable, which outlives it: hand it to the next log after a simulated crash."""

    def __init__(self, durable: Durable | None = None, disk: Disk | None = None) -> None:
        self.durable = durable if durable is not None else Durable()
        self.durable.incarnation += 1
        self._incarnation = self.durable.incarnation
        self._disk: Disk = disk if disk is not None else SoundDisk()
        self._batches = Batches(self.durable.numbering.at_us)
        self._waking = Waking()
        self._writing: asyncio.Task[None] | None = None
        self._failing = ""
        self._closed = False
        self.inbox: Inbox | None = None

    # -- the right to act

    @property
    def is_exclusive(self) -> bool:
        """Whether whoever wrote before is surely gone: it has let go of the durable part."""
        return True

    def may_send(self) -> bool:
        """Whether this process surely still is the one that acts: nobody else has the durable part."""
        return True

    # -- writing

    def append(self, append: Append) -> Awaitable[None]:
        """Events and heads of one shard, atomically, in the order of the calls."""
        return self._put(append)  # type: ignore[return-value]  # An append is answered with None.

    def accept(self, acceptance: Acceptance) -> Awaitable[Stored | Repeated]:
        """Takes charge of a message, or answers with the one that came before under the same idempotency key."""
        return self._put(acceptance)  # type: ignore[return-value]  # An acceptance is never answered with None.

    def save_snapshot(self, snapshot: Snapshot) -> Awaitable[None]:
        """Keeps a long stream's state; only the newest of a stream is kept."""
        return self._put(snapshot)  # type: ignore[return-value]  # A snapshot is answered with None.

    def settled(self) -> Awaitable[None]:
        """Done once every write that was asked for before this call has been answered."""
        return self._batches.settled()

    def _put(self, call: Append | Acceptance | Snapshot) -> Awaitable[Stored | Repeated | None]:
        if self._closed:
            raise StoreUnavailable("the log is closed")
        if self._failing:
            raise StoreUnavailable(self._failing)
        entry = Entry(call, asyncio.get_running_loop().create_future())
        self._batches.put(entry)
        if self._writing is None:
            steps = self._write()
            # Up to the first border that makes it wait, a commit happens within the call that asked for it.
            wait = next(steps, None)
            if wait is not None:
                self._writing = asyncio.get_running_loop().create_task(self._go_on(steps, wait))
        return entry.future

    async def _go_on(self, steps: Steps, wait: Awaitable[None]) -> None:
        try:
            while True:
                try:
                    await wait
                except TidingsError as error:
                    wait = steps.throw(error)
                else:
                    wait = next(steps)
        except StopIteration:
            self._writing = None

    def _write(self) -> Steps:
        """Commits what waits, batch by batch; yields what a border makes it wait for."""
        while batch := self._batches.take():
            answers: list[Answer] = []
            events = sum([len(entry.parts) for entry in batch])
            try:
                if (wait := self._disk.at("before_write", events)) is not None:
                    yield wait
                if (wait := self._disk.at("before_sync", events)) is not None:
                    yield wait
                answers = self._make_durable(batch)
                if (wait := self._disk.at("before_answer", events)) is not None:
                    yield wait
            except (StoreUnavailable, AppendUnknown) as error:
                self._fail(batch, error)
                yield from self._mend()
            else:
                for entry, answer in zip(batch, answers, strict=True):
                    entry.answer(answer)
            if answers:
                self._waking.wake()

    def _make_durable(self, batch: list[Entry]) -> list[Answer]:
        self._check_right()
        answers: list[Answer] = []
        for entry in batch:
            try:
                answers.append(self.durable.write(entry))
            except (StreamConflict, OverflowError, ValueError) as error:
                answers.append(error)
        return answers

    def _check_right(self) -> None:
        """Raises StoreUnavailable where nothing may be written any more."""
        assert self._incarnation == self.durable.incarnation, "a log that crashed must not write any more"

    def _fail(self, batch: list[Entry], error: StoreUnavailable | AppendUnknown) -> None:
        self._failing = str(error)
        for entry in batch:
            entry.answer(type(error)(str(error)))
        # Their versions may follow on those that failed, so none of them can be written either.
        for entry in self._batches.take_all():
            entry.answer(StoreUnavailable(self._failing))

    def _mend(self) -> Steps:
        wait = self._disk.mended()
        if wait is not None:
            yield wait
        self._failing = ""

    async def _read(self) -> None:
        if self._closed:
            raise StoreUnavailable("the log is closed")
        wait = self._disk.at("before_read", 0)
        if wait is not None:
            await wait

    # -- one stream, one conversation

    async def events_of(self, stream: int, *, after_version: int = 0) -> list[Recorded]:
        """A stream's events in order; empty for an unknown stream."""
        await self._read()
        return readable(self._events(stream)[after_version:])

    async def events_of_many(self, streams: Sequence[int]) -> dict[int, list[Recorded]]:
        """Several streams in one read; a stream without events is left out."""
        await self._read()
        return {stream: readable(list(known)) for stream in streams if (known := self._events(stream))}

    def _events(self, stream: int) -> list[Recorded]:
        known = self.durable.streams.get(stream)
        return known if known is not None else self.durable.parking.events_of(stream)

    async def snapshot_of(self, stream: int) -> Snapshot | None:
        """The newest snapshot of a stream."""
        await self._read()
        return self.durable.snapshots.get(stream)

    async def head_of(self, stream: int) -> Head | None:
        """The head row of a stream."""
        await self._read()
        return self._head(stream)

    async def heads_by(self, streams: Sequence[int]) -> dict[int, Head]:
        """The head rows of several streams in one read; unknown ones are missing."""
        await self._read()
        return {stream: known for stream in streams if (known := self._head(stream)) is not None}

    def _head(self, stream: int) -> Head | None:
        return self.durable.heads.get(stream) or self.durable.parking.head_of(stream)

    async def line_of(self, conversation: int, line: int, *, after: tuple[int, int] | None, limit: int) -> list[Head]:
        """Open messages of one line of a conversation that have a place, ordered by (place, stream), beyond `after`."""
        await self._read()
        return line_page(self.durable, (conversation, line), after=after, limit=limit)

    async def woken(self, conversation: int, *, limit: int) -> Woken:
        """What a conversation's actor wakes with, in one read: of each line at most `limit` messages."""
        await self._read()
        return woken_of(self.durable, conversation, limit)

    async def sealed_of(self, stream: int) -> Sealed | None:
        """The vault row of a stream; None once it was erased."""
        await self._read()
        return self.durable.sealed.get(stream)

    async def aliased(self, space: str, tenant: str, name: bytes) -> list[int]:
        """The streams that a name leads to, in the order of their ids; empty for a name that leads nowhere."""
        await self._read()
        return list(self.durable.aliases.get((space, tenant, name), ()))

    async def conversation_at(self, tenant: str, channel: str, subject: bytes) -> int | None:
        """The conversation with this peer (the keyed hash of its address), None for a peer never written to."""
        await self._read()
        return self.durable.addresses.get((tenant, channel, subject))

    async def peer_of(self, conversation: int) -> tuple[str, str] | None:
        """(tenant, channel) of a conversation, None where there is none."""
        await self._read()
        return self.durable.peers.get(conversation)

    async def repeated(self, tenant: str, key_hash: bytes) -> tuple[int, bytes] | None:
        """(stream, request hash) of an idempotency key that came before; None where it is new or forgotten."""
        await self._read()
        known = self.durable.keys.get((tenant, key_hash))
        return None if known is None or known[2] <= self.durable.numbering.at_us else known[:2]

    # -- the agenda

    async def agenda_groups(self) -> list[AgendaGroup]:
        """Every (lane, tenant, priority) with something waiting."""
        await self._read()
        return agenda_groups(self.durable)

    async def agenda_page(
        self, lane: str, tenant: str, priority: int, *, after: tuple[int, int] | None, limit: int
    ) -> list[AgendaRow]:
        """Waiting messages of a group, ordered by (due, stream), beyond `after`."""
        await self._read()
        return agenda_page(self.durable, (lane, tenant, priority), after=after, limit=limit)

    # -- finding and counting

    async def heads(self, wanted: MessageFilter, *, limit: int, oldest_first: bool = False) -> list[Head]:
        """Messages that match, newest first unless asked otherwise; `before` and `after` are exclusive."""
        await self._read()
        return list(islice(matching(self.durable, wanted, oldest_first=oldest_first), limit))

    async def heads_of_kind(
        self, kind: ListedKind, *, status: str | None = None, after: int = 0, limit: int | None = None
    ) -> list[Head]:
        """Streams of a kind that is neither messages nor conversations, in the order of their ids, beyond `after`."""
        await self._read()
        return of_kind(self.durable, kind, status=status, after=after, limit=limit)

    async def silent_devices(self, *, after: tuple[int, int] | None, limit: int) -> list[Head]:
        """Devices whose head is active, ordered by (changed, stream), beyond `after`: unheard of for longest first."""
        await self._read()
        return silent_devices(self.durable, after=after, limit=limit)

    async def ending_messages(self, *, after: tuple[int, int] | None, limit: int) -> list[Head]:
        """Waiting messages whose time ends, ordered by (end, stream), beyond `after`: the next to end first."""
        await self._read()
        return ending_messages(self.durable, after=after, limit=limit)

    async def count(self, wanted: MessageFilter, *, at_most: int) -> int:
        """How many messages match, counted no further than `at_most`."""
        await self._read()
        return sum(1 for _ in islice(matching(self.durable, wanted), at_most))

    async def tallies(self, tenant: str | None) -> list[Tally]:
        """Counts by channel, lane and status, kept with each commit and never counted anew."""
        await self._read()
        return tallies_of(self.durable.tallies, tenant)

    async def recorded_since(self, at_us: int, types: tuple[str, ...]) -> list[Recorded]:
        """Events of these types recorded at or after an instant, oldest first."""
        await self._read()
        since = takewhile(lambda entry: entry.at_us >= at_us, reversed(self.durable.events))
        return [entry for entry in since if type_of(entry.event) in types][::-1]

    async def log_page(
        self, after: dict[int, int], *, tenant: str | None, limit: int
    ) -> tuple[list[Recorded], dict[int, int]]:
        """Events beyond a position a shard (missing: from its start), and the position reached."""
        await self._read()
        first = position_after(self.durable, after)
        rows = islice(self.durable.rows, first - 1, None) if first is not None else iter(())
        return page_of(rows, after, tenant=tenant, limit=limit)

    def changed(self) -> Awaitable[None]:
        """Done at the next commit after this call: ask first, then read, then wait, and nothing is missed."""
        return self._waking.ask()

    # -- life

    def newest(self) -> tuple[int, int]:
        """(largest stream id, latest instant in the log): where ids and log time go on; (0, 0) for an empty log."""
        return self.durable.numbering.largest, self.durable.numbering.at_us

    def health(self) -> tuple[Health, str]:
        """Whether writes work now, and why not."""
        return ("failing", self._failing) if self._failing else ("ok", "")

    async def close(self) -> None:
        """Finishes what is queued; the durable part stays as it is."""
        self._closed = True
        if self._writing is not None:
            await self._writing
