"""Making a log's tables again from its events, in a new file that takes the old one's place once it is proved.

This file answers for the old file staying as it was until then, whatever happens. It must never change an event, nor
read anything that follows from events: what is damaged there is what somebody is here to mend.
"""
# ruff: noqa: S608  # Statements are put together from constants of ours; every value is bound.

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Final

import msgspec

from core.errors import CorruptLog, Impossible, StoreRefused
from core.ids import GOVERNOR, SHARDS
from core.records import Head
from eventstore.audit.mirrors import Mirror, begun
from eventstore.codec import EventRow, UnknownEvent, recorded
from eventstore.integrity import Progress
from eventstore.numbering import Numbering
from eventstore.rows import EVENT_COLUMNS, HeadRow, head_row
from eventstore.sqlite.checking import verify
from eventstore.sqlite.connecting import writing
from eventstore.sqlite.files import beside, make_durable, remove
from eventstore.sqlite.locking import Lock
from eventstore.sqlite.marks import write_mark
from eventstore.sqlite.opening import open_to_read, open_to_write, refuse_absent, refusing
from eventstore.sqlite.queries import head_of as stored_head
from eventstore.sqlite.schema import create
from eventstore.tallying import Counts, add, key_of

_PROGRESS_EVERY: Final = 10_000
_STREAMS: Final = f"SELECT {EVENT_COLUMNS} FROM event INDEXED BY event_of_stream ORDER BY stream, version"
_PLACES: Final = "SELECT pos, shard, seq, link FROM event ORDER BY pos"
_PUT_HEAD: Final = f"INSERT INTO head VALUES ({', '.join('?' * 21)})"
_COPY: Final = (
    "INSERT INTO event SELECT * FROM old.event ORDER BY pos",
    "INSERT INTO idem SELECT * FROM old.idem ORDER BY pos",
    "INSERT INTO vault SELECT * FROM old.vault ORDER BY stream",
    "INSERT INTO address SELECT * FROM old.address",
    "INSERT INTO alias SELECT * FROM old.alias",
    # Snapshots of streams are made again as these go on. The governor's is no stream's: nothing would make it again.
    f"INSERT INTO snapshot SELECT * FROM old.snapshot WHERE stream = {GOVERNOR}",
    "REPLACE INTO meta SELECT * FROM old.meta",
)
# Where a message has its private row, that names the address of its conversation.
_ADDRESSES: Final = """
REPLACE INTO address SELECT vault.tenant, head.channel, vault.subject, head.conversation
  FROM vault JOIN head ON head.stream = vault.stream WHERE head.kind = 'msg'"""
_MESSAGES: Final = "SELECT count(*) FROM head WHERE kind = 'msg'"
_CHANGED: Final = "SELECT count(*) FROM (SELECT * FROM head EXCEPT SELECT * FROM old.head)"
_DROPPED: Final = "SELECT count(*) FROM old.head WHERE stream NOT IN (SELECT stream FROM head)"


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages there are, how many heads were wrong or missing, and how many had no events."""

    messages: int
    changed: int
    dropped: int


def rebuild(path: Path, progress: Progress | None = None) -> Rebuilt:
    """Makes heads, counts, marks and all indices from the events again. Refused while a daemon runs.

    They are made in a file beside the log, which takes its place only if nothing is wrong in it. Raises CorruptLog,
    and leaves the log as it is, where the events themselves are damaged.
    """
    refuse_absent(path)
    lock = Lock(path)
    copy = path.with_name(f"{path.name}.rebuilt")
    try:
        # Brings it to this release's tables, and all of the write-ahead log into the file.
        open_to_write(path, lock).close()
        remove(copy)
        rebuilt = refusing(path, lambda: _rebuilt(path, copy, progress))
        _prove(copy)
        _swap(copy, path)
        return rebuilt
    finally:
        remove(copy)
        lock.release()


def _rebuilt(path: Path, copy: Path, progress: Progress | None) -> Rebuilt:
    os.close(os.open(copy, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with closing(writing(copy)) as connection, closing(open_to_read(path)) as old:
        # A copy that was not finished is thrown away, so nothing needs to be undone, or written twice.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        create(connection)
        connection.execute("ATTACH ? AS old", (str(path),))
        connection.execute("BEGIN IMMEDIATE")
        for statement in _COPY:
            connection.execute(statement)
        _write_marks(connection)
        counts: Counts = {}
        connection.executemany(_PUT_HEAD, _heads(connection, old, counts, progress))
        connection.executemany("INSERT INTO tally VALUES (?, ?, ?, ?, ?, ?)", [(*key, *n) for key, n in counts.items()])
        connection.execute(_ADDRESSES)
        connection.execute("COMMIT")
        rebuilt = _told(connection)
        connection.execute("DETACH old")
        connection.execute("PRAGMA journal_mode = WAL")
    return rebuilt


def _write_marks(connection: sqlite3.Connection) -> None:
    numbering = Numbering()
    for pos, shard, seq, link in connection.execute(_PLACES):
        if not 0 <= shard < SHARDS:
            raise CorruptLog(f"the event at position {pos} is of shard {shard}, which is none; run `tidings verify`")
        numbering.seqs[shard], numbering.links[shard] = seq, link
        before, numbering.pos = numbering.pos, pos
        write_mark(connection, before, numbering)


def _heads(
    connection: sqlite3.Connection, old: sqlite3.Connection, counts: Counts, progress: Progress | None
) -> Iterator[HeadRow]:
    (total,) = connection.execute("SELECT count(*) FROM event").fetchone()
    done = told = 0
    for stream, rows in groupby(connection.execute(_STREAMS), key=itemgetter(3)):
        mirror, last, length = _folded(rows)
        # One of a newer release knows what its events come to, and wrote it down.
        head = stored_head(old, stream) if mirror is None else mirror.head(last[1])
        done += length
        if head is not None:
            _count(head, counts)
            yield head_row(head)
        if progress is not None and (done - told >= _PROGRESS_EVERY or done == total):
            progress(done, total)
            told = done


def _folded(rows: Iterator[EventRow]) -> tuple[Mirror | None, EventRow, int]:
    """What a stream's events come to (None where a newer release wrote one of them), the last one, how many."""
    mirror: Mirror | None = None
    can_fold, length = True, 0
    for row in rows:
        length += 1
        entry = recorded(row)
        try:
            if isinstance(entry.event, UnknownEvent):
                mirror, can_fold = None, False
            elif can_fold and mirror is None:
                mirror = begun(entry.stream, entry.at_us, entry.tenant, entry.event, cause=entry.cause)
            elif mirror is not None:
                mirror.take(entry.event, entry.at_us)
        except Impossible as error:
            place = f"shard {entry.shard}, seq {entry.seq}, stream {entry.stream}, version {entry.version}"
            raise CorruptLog(f"{place}: {error}; run `tidings verify`") from error
    return mirror, row, length


def _count(head: Head, counts: Counts) -> None:
    if head.kind == "msg":
        add(counts, key_of(head, head.status), 1, head.attempts)


def _told(connection: sqlite3.Connection) -> Rebuilt:
    (messages,) = connection.execute(_MESSAGES).fetchone()
    try:
        (changed,) = connection.execute(_CHANGED).fetchone()
        (dropped,) = connection.execute(_DROPPED).fetchone()
    except sqlite3.DatabaseError:
        # What was there cannot even be read: all of it is new.
        (changed,) = connection.execute("SELECT count(*) FROM head").fetchone()
        dropped = 0
    return Rebuilt(messages=messages, changed=changed, dropped=dropped)


def _prove(copy: Path) -> None:
    faults = verify(copy).faults
    if faults:
        raise CorruptLog(f"the events themselves are not sound, nothing was changed: {faults[0]}; restore a copy")


def _swap(copy: Path, path: Path) -> None:
    """Puts the copy in the log's place, at once and durably: under its name there is one whole file at any moment."""
    if (wal := beside(path, "-wal")).exists() and wal.stat().st_size:
        raise StoreRefused(f"{path} is open elsewhere and has a write-ahead log, nothing was changed: try again later")
    make_durable(copy)
    for ending in ("-wal", "-shm"):
        # Whoever reads the old file goes on with what it has open. The new one must not find these.
        beside(path, ending).unlink(missing_ok=True)
    copy.replace(path)
    make_durable(path.parent)
