"""Sealing a SQLite log, checking it against its seals, and cutting out what proves one stream.

This file answers for nothing being sealed that does not verify. It must never write to the log: checkpoints are lines
of a file beside it, which may be kept anywhere.
"""
# ruff: noqa: S608  # Statements are put together from constants of ours; every value is bound.

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from core.errors import CorruptLog, StoreRefused
from eventstore.audit import checkpoints as c
from eventstore.audit.chains import ChainWalk
from eventstore.audit.checkpoints import Checkpoint
from eventstore.audit.excerpts import Excerpt, Proved, proved
from eventstore.audit.findings import EnoughFound, Fault, Findings
from eventstore.audit.merkle import Tree
from eventstore.chain import FIRST_LINK
from eventstore.codec import EventRow
from eventstore.integrity import Progress, Steps
from eventstore.numbering import Numbering
from eventstore.rows import EVENT_COLUMNS
from eventstore.sqlite.book import SqliteBook
from eventstore.sqlite.files import seals_path
from eventstore.sqlite.opening import open_to_read

# What comes of pages that are damaged, and of rows whose cells are no numbers or bytes any more.
_NONSENSE: Final = (sqlite3.Error, TypeError, AttributeError, IndexError, OverflowError)
_LAST: Final = "SELECT ifnull(max(pos), 0), ifnull((SELECT at_us FROM event ORDER BY pos DESC LIMIT 1), 0) FROM event"
_LINKS: Final = "SELECT pos, shard, seq, link FROM event WHERE pos > ? AND pos <= ? ORDER BY pos"
_EVENTS: Final = f"SELECT {EVENT_COLUMNS} FROM event WHERE stream = ? ORDER BY version"
# There is no index on a shard's numbers, so the event before is looked for backwards from its follower.
_BEFORE: Final = "SELECT link FROM event WHERE pos < ? AND shard = ? ORDER BY pos DESC LIMIT 1"


def read_seals(place: Path) -> list[Checkpoint]:
    """The checkpoints in a file, none where there is no file. Raises CorruptLog for what are none."""
    return c.decoded(_whole_lines(place).splitlines()) if place.is_file() else []


def seal(path: Path, seed: bytes, now_us: int, progress: Progress | None = None) -> Checkpoint | None:
    """Seals what came since the last checkpoint, and puts the new one behind it; None where nothing came.

    Raises CorruptLog where the events or the checkpoints before do not hold.
    """
    place = seals_path(path)
    with closing(open_to_read(path)) as connection, _alone(place) as file:
        known = read_seals(place)
        wrong = c.wrong_in(known, c.public_key_of(seed))
        if wrong:
            raise CorruptLog(f"{wrong[0]}; nothing was sealed")
        connection.execute("BEGIN")
        before = known[-1] if known else None
        up_to, at_us = connection.execute(_LAST).fetchone()
        numbering = Numbering() if before is None else before.numbering()
        if up_to < numbering.pos:
            raise CorruptLog(f"the log ends at event {up_to}, and {numbering.pos} were sealed; nothing was sealed")
        if up_to == numbering.pos:
            return None
        _walk(connection, numbering, up_to, progress)
        root = _tree(connection, (0 if before is None else before.seal.up_to, up_to)).root()
        checkpoint = c.sealed(numbering, root, before=before, at_us=max(now_us, at_us), seed=seed)
        # One that a crash cut short was never given to anybody.
        os.ftruncate(file, len(_whole_lines(place)))
        os.write(file, c.encoded(checkpoint))
        os.fsync(file)
    return checkpoint


def verify_sealed(path: Path, checkpoints: list[Checkpoint], public_key: bytes) -> list[Fault]:
    """What does not hold of checkpoints, and of the log as they sealed it. Raises StoreRefused or CorruptLog."""
    wrong = c.wrong_in(checkpoints, public_key)
    if not wrong:
        try:
            wrong = _compare(path, checkpoints)
        except _NONSENSE as error:
            wrong = [f"the events that were sealed cannot be read any more: {error}"]
    return [Fault(what=what) for what in wrong]


def _compare(path: Path, checkpoints: list[Checkpoint]) -> list[str]:
    """What of a log is not as it was sealed, by the first checkpoint that does not hold."""
    with closing(open_to_read(path)) as connection:
        connection.execute("BEGIN")
        up_to, _ = connection.execute(_LAST).fetchone()
        shards = Numbering()
        for checkpoint in checkpoints:
            seal = checkpoint.seal
            if up_to < seal.up_to:
                return [f"checkpoint {seal.number} seals {seal.up_to} events, and the log ends at event {up_to}"]
            tree = _tree(connection, (seal.after, seal.up_to), shards)
            if tree.root().hex() != seal.root or c.shards_of(shards) != checkpoint.shards:
                span = f"events {seal.after + 1} to {seal.up_to}"
                return [f"checkpoint {seal.number}: {span} are not those that were sealed: they were changed since"]
    return []


def excerpt(path: Path, stream: int, checkpoints: list[Checkpoint], *, message: str, public_key: bytes) -> Excerpt:
    """The events of a stream with all that proves them. Raises StoreRefused where some are not sealed yet."""
    with closing(open_to_read(path)) as connection:
        connection.execute("BEGIN")
        rows: list[EventRow] = connection.execute(_EVENTS, (stream,)).fetchall()
        if not rows:
            raise StoreRefused(f"{path} knows nothing of {message}")
        if not checkpoints or rows[-1][0] > checkpoints[-1].seal.up_to:
            raise StoreRefused(f"some events of {message} are not sealed yet: run `tidings seal` first")
        events: list[Proved] = []
        seals = [one.seal for one in checkpoints if any(one.seal.after < row[0] <= one.seal.up_to for row in rows)]
        for seal in seals:
            within = [row for row in rows if seal.after < row[0] <= seal.up_to]
            watched = [row[0] - seal.after - 1 for row in within]
            paths = _tree(connection, (seal.after, seal.up_to), watched=watched).paths()
            events += [
                proved(row, _link_before(connection, row), seal.number, paths[index])
                for row, index in zip(within, watched, strict=True)
            ]
    return Excerpt(message=message, events=events, checkpoints=seals, public_key=public_key.hex())


def _walk(connection: sqlite3.Connection, numbering: Numbering, up_to: int, progress: Progress | None) -> None:
    findings = Findings()
    heard = Steps(up_to - numbering.pos, progress).heard
    try:
        ChainWalk(SqliteBook(connection), findings, numbering, up_to=up_to, heard=heard).run()
    except EnoughFound:
        pass
    if findings.faults:
        raise CorruptLog(f"{findings.faults[0]}; nothing was sealed: run `tidings verify`")


def _tree(
    connection: sqlite3.Connection, span: tuple[int, int], shards: Numbering | None = None, watched: Iterable[int] = ()
) -> Tree:
    """The tree over the links of a span, with `shards` moved on along it."""
    tree = Tree(watched)
    for pos, shard, seq, link in connection.execute(_LINKS, span):
        tree.add(link)
        if shards is not None:
            shards.pos, shards.seqs[shard], shards.links[shard] = pos, seq, link
    return tree


def _link_before(connection: sqlite3.Connection, row: EventRow) -> bytes:
    if row[2] == 1:
        return FIRST_LINK
    found: tuple[bytes] = connection.execute(_BEFORE, (row[0], row[1])).fetchone()
    return found[0]


@contextmanager
def _alone(place: Path) -> Iterator[int]:
    """The file of checkpoints, to append to, for one process at a time."""
    descriptor = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    except BlockingIOError as error:
        raise StoreRefused(f"{place} is being written by another process") from error
    finally:
        os.close(descriptor)


def _whole_lines(place: Path) -> bytes:
    content = place.read_bytes()
    return content[: content.rfind(b"\n") + 1]
