"""The reading half of the log: every question of the port, to one of two readers.

This file answers for reading a log beside the daemon that writes it, or without one. It must never hold a statement,
and never write.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from core.records import (
    AgendaGroup,
    AgendaRow,
    Head,
    ListedKind,
    MessageFilter,
    Recorded,
    Sealed,
    Snapshot,
    Tally,
    Woken,
)
from eventstore.numbering import Numbering
from eventstore.sqlite import listing, queries
from eventstore.sqlite.connection import Connection
from eventstore.sqlite.opening import open_again, open_to_read
from eventstore.sqlite.reader import Reader
from eventstore.sqlite.recovery import numbering_of


class ReadOnlyLog:
    """What can be asked of a log. `open` reads one that somebody else may be writing."""

    def __init__(self, numbering: Numbering, *, hot: Reader, wide: Reader) -> None:
        self._numbering = numbering
        # Questions of actors, which are short, and those that look along many rows, which must not hold them up.
        self._hot = hot
        self._wide = wide

    @staticmethod
    async def read(path: Path) -> "ReadOnlyLog":
        """Opens the log in this file for reading. Raises StoreRefused or CorruptLog."""
        hot, wide = await readers(path, open_to_read)
        return ReadOnlyLog(await hot.ask(numbering_of), hot=hot, wide=wide)

    # -- one stream, one conversation

    def events_of(self, stream: int, *, after_version: int = 0) -> Awaitable[list[Recorded]]:
        """A stream's events in order; empty for an unknown stream. Raises StreamParked for an event not known here."""
        return self._hot.ask(partial(queries.events_of, stream=stream, after_version=after_version))

    def events_of_many(self, streams: Sequence[int]) -> Awaitable[dict[int, list[Recorded]]]:
        """Several streams in one read; a stream without events is left out."""
        return self._hot.ask(partial(queries.events_of_many, streams=streams))

    def snapshot_of(self, stream: int) -> Awaitable[Snapshot | None]:
        """The newest snapshot of a stream."""
        return self._hot.ask(partial(queries.snapshot_of, stream=stream))

    def head_of(self, stream: int) -> Awaitable[Head | None]:
        """The head row of a stream."""
        return self._hot.ask(partial(queries.head_of, stream=stream))

    def heads_by(self, streams: Sequence[int]) -> Awaitable[dict[int, Head]]:
        """The head rows of several streams in one read; unknown ones are missing."""
        return self._hot.ask(partial(queries.heads_by, streams=streams))

    def line_of(
        self, conversation: int, line: int, *, after: tuple[int, int] | None, limit: int
    ) -> Awaitable[list[Head]]:
        """Open messages of one line of a conversation that have a place, ordered by (place, stream), beyond `after`."""
        return self._hot.ask(partial(queries.line_of, line=(conversation, line), after=after, limit=limit))

    def woken(self, conversation: int, *, limit: int) -> Awaitable[Woken]:
        """What a conversation's actor wakes with, in one read: of each line at most `limit` messages."""
        return self._hot.ask(partial(queries.woken, conversation=conversation, limit=limit))

    def sealed_of(self, stream: int) -> Awaitable[Sealed | None]:
        """The vault row of a stream; None once it was erased."""
        return self._hot.ask(partial(queries.sealed_of, stream=stream))

    def aliased(self, space: str, tenant: str, name: bytes) -> Awaitable[list[int]]:
        """The streams that a name leads to, in the order of their ids; empty for a name that leads nowhere."""
        return self._hot.ask(partial(queries.aliased, name=(space, tenant, name)))

    def conversation_at(self, tenant: str, channel: str, subject: bytes) -> Awaitable[int | None]:
        """The conversation with this peer (the keyed hash of its address), None for a peer never written to."""
        return self._hot.ask(partial(queries.conversation_at, address=(tenant, channel, subject)))

    def peer_of(self, conversation: int) -> Awaitable[tuple[str, str] | None]:
        """(tenant, channel) of a conversation, None where there is none."""
        return self._hot.ask(partial(queries.peer_of, conversation=conversation))

    def repeated(self, tenant: str, key_hash: bytes) -> Awaitable[tuple[int, bytes] | None]:
        """(stream, request hash) of an idempotency key that came before; None where it is new or forgotten."""
        _, at_us = self.newest()
        return self._hot.ask(partial(queries.repeated, key=(tenant, key_hash), at_us=at_us))

    # -- the agenda

    def agenda_groups(self) -> Awaitable[list[AgendaGroup]]:
        """Every (lane, tenant, priority) with something waiting."""
        return self._hot.ask(queries.agenda_groups)

    def agenda_page(
        self, lane: str, tenant: str, priority: int, *, after: tuple[int, int] | None, limit: int
    ) -> Awaitable[list[AgendaRow]]:
        """Waiting messages of a group, ordered by (due, stream), beyond `after`."""
        group = lane, tenant, priority
        return self._hot.ask(partial(queries.agenda_page, group=group, after=after, limit=limit))

    # -- finding and counting

    def heads(self, wanted: MessageFilter, *, limit: int, oldest_first: bool = False) -> Awaitable[list[Head]]:
        """Messages that match, newest first unless asked otherwise; `before` and `after` are exclusive."""
        return self._wide.ask(partial(listing.heads, wanted=wanted, limit=limit, oldest_first=oldest_first))

    def heads_of_kind(
        self, kind: ListedKind, *, status: str | None = None, after: int = 0, limit: int | None = None
    ) -> Awaitable[list[Head]]:
        """Streams of a kind that is neither messages nor conversations, in the order of their ids, beyond `after`."""
        return self._wide.ask(partial(listing.heads_of_kind, kind=kind, status=status, after=after, limit=limit))

    def silent_devices(self, *, after: tuple[int, int] | None, limit: int) -> Awaitable[list[Head]]:
        """Devices whose head is active, ordered by (changed, stream), beyond `after`: unheard of for longest first."""
        return self._wide.ask(partial(listing.silent_devices, after=after, limit=limit))

    def ending_messages(self, *, after: tuple[int, int] | None, limit: int) -> Awaitable[list[Head]]:
        """Waiting messages whose time ends, ordered by (end, stream), beyond `after`: the next to end first."""
        return self._wide.ask(partial(listing.ending_messages, after=after, limit=limit))

    def count(self, wanted: MessageFilter, *, at_most: int) -> Awaitable[int]:
        """How many messages match, counted no further than `at_most`."""
        return self._wide.ask(partial(listing.count, wanted=wanted, at_most=at_most))

    def tallies(self, tenant: str | None) -> Awaitable[list[Tally]]:
        """Counts by channel, lane and status, kept with each commit and never counted anew."""
        return self._wide.ask(partial(listing.tallies, tenant=tenant))

    def recorded_since(self, at_us: int, types: tuple[str, ...]) -> Awaitable[list[Recorded]]:
        """Events of these types recorded at or after an instant, oldest first."""
        return self._wide.ask(partial(listing.recorded_since, at_us=at_us, types=types))

    def log_page(
        self, after: dict[int, int], *, tenant: str | None, limit: int
    ) -> Awaitable[tuple[list[Recorded], dict[int, int]]]:
        """Events beyond a position a shard (missing: from its start), and the position reached."""
        return self._wide.ask(partial(listing.log_page, after=after, tenant=tenant, limit=limit))

    # -- life

    def newest(self) -> tuple[int, int]:
        """(largest id, latest instant in the log): where ids and log time go on; (0, 0) for an empty log."""
        return self._numbering.largest, self._numbering.at_us

    async def close(self) -> None:
        """Answers what was asked and lets go of the file."""
        await self._hot.close()
        await self._wide.close()


async def readers(path: Path, opening: Callable[[Path], sqlite3.Connection]) -> tuple[Reader, Reader]:
    """Two readers of a file; `opening` gives the first."""
    async with AsyncExitStack() as undo:
        hot = await Connection.start(partial(opening, path))
        undo.push_async_callback(hot.close)
        wide = await Connection.start(partial(open_again, path))
        undo.pop_all()
    return Reader(hot), Reader(wide)
