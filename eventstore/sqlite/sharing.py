"""One check shared by several processes, each with a reading connection of its own.

This file answers for all of them looking at the same state of the log: each begins to read, and where they did not
begin at the same event, a daemon wrote in between and nothing was shared. It must never decide what is wrong: with any
fault it answers nothing, and the whole is looked at again in order.
"""

import multiprocessing
import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

from core.errors import TidingsError
from eventstore.audit.chains import ChainWalk
from eventstore.audit.findings import EnoughFound, Findings
from eventstore.audit.streams import StreamWalk
from eventstore.book import EVERY_STREAM, Span
from eventstore.integrity import Progress, Steps, check_aliases, check_structure, compare_counts, steps_in
from eventstore.numbering import Numbering
from eventstore.sqlite.book import SqliteBook
from eventstore.sqlite.marks import mark_at, marked
from eventstore.sqlite.opening import open_to_read

# Events of one part: few enough that no process is left alone with a long one at the end.
EVENTS_A_PART: Final = 1 << 16

_LAST: Final = "SELECT ifnull(max(pos), 0) FROM event"
_STREAM_AT: Final = "SELECT stream FROM event WHERE pos = ?"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the check: a stretch of the chain from a mark on, a span of streams, or the engine's own check."""

    stretch: tuple[int, int | None] | None = None
    span: Span | None = None


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """What one part came to, and how many steps it took; None where all has to be done by one."""

    findings: Findings | None
    steps: int = 0


def shared_check(
    path: Path, connection: sqlite3.Connection, processes: int, progress: Progress | None
) -> Findings | None:
    """What all parts together come to where all is well and all saw the same; None where one has to do it."""
    book = SqliteBook(connection)
    last = int(connection.execute(_LAST).fetchone()[0])
    findings, steps = Findings(), Steps(steps_in(book.size()), progress)
    # Not forked: a connection of SQLite must not come along into another process.
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        parts = [pool.submit(_looked, path, part, last) for part in parts_of(connection, last, a_part=EVENTS_A_PART)]
        if not _all_well(parts, findings, steps):
            pool.shutdown(cancel_futures=True)
            return None
    try:
        check_aliases(book, findings)
        compare_counts(book, findings)
    except (EnoughFound, TidingsError):
        return None
    return None if findings.faults else findings


def _all_well(parts: "list[Future[Looked]]", findings: Findings, steps: Steps) -> bool:
    for part in as_completed(parts):
        looked = part.result()
        if looked.findings is None or looked.findings.faults:
            return False
        steps.heard(looked.steps)
    # Added up in the order of the parts, so that what is named does not depend on who was first.
    for part in parts:
        found = part.result().findings
        if found is not None:
            findings.add(found)
    return True


def parts_of(connection: sqlite3.Connection, last: int, *, a_part: int) -> Iterator[Part]:
    """All parts of a check of a log that ends at an event, of so many events each or a few more."""
    # The engine's own check cannot be split, so it begins first.
    yield Part()
    bounds = [int(stream) for pos in range(a_part, last, a_part) for (stream,) in _at(connection, pos)]
    first = EVERY_STREAM[0]
    for bound in sorted(set(bounds)):
        yield Part(span=(first, bound - 1))
        first = bound
    yield Part(span=(first, EVERY_STREAM[1]))
    start = 0
    for pos in marked(connection):
        if pos >= start + a_part:
            yield Part(stretch=(start, pos))
            start = pos
    yield Part(stretch=(start, None))


def _at(connection: sqlite3.Connection, pos: int) -> list[tuple[int]]:
    return connection.execute(_STREAM_AT, (pos,)).fetchall()


def _looked(path: Path, part: Part, last: int) -> Looked:
    """One part, looked at in a process of its own."""
    findings, steps = Findings(), list[int]()
    try:
        with closing(open_to_read(path)) as connection:
            connection.execute("BEGIN")
            if connection.execute(_LAST).fetchone()[0] != last:
                # A daemon goes on writing. Heads and counts change with events only, so the same last event would mean
                # that all of it is the same.
                return Looked(findings=None)
            _look(connection, part, findings, steps)
    except (TidingsError, EnoughFound, sqlite3.Error):
        return Looked(findings=None)
    return Looked(findings=findings, steps=sum(steps))


def _look(connection: sqlite3.Connection, part: Part, findings: Findings, steps: list[int]) -> None:
    book = SqliteBook(connection)
    if part.stretch is not None:
        start, up_to = part.stretch
        numbering = mark_at(connection, start) if start else Numbering()
        ChainWalk(book, findings, numbering, up_to=up_to, heard=steps.append).run()
    elif part.span is not None:
        StreamWalk(book, part.span, findings, steps.append).run()
    else:
        check_structure(book, findings)
