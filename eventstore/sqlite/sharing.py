"""One check shared by several processes, each with a reading connection of its own.

This file answers for all of them looking at the same state of the log: each begins to read, and where they did not
begin at the same event, a daemon wrote in between and nothing was shared. It must never decide what is wrong: with any
fault it answers nothing, and the whole is looked at again in order.
"""

import gc
import multiprocessing
import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from core.errors import TidingsError
from eventstore.audit.beginnings import Beginnings
from eventstore.audit.chains import ChainWalk
from eventstore.audit.findings import EnoughFound, Findings
from eventstore.integrity import Progress, Steps, check_aliases, check_structure, compare_counts, steps_in
from eventstore.numbering import Numbering
from eventstore.sqlite.begun import SqliteBegun, kept
from eventstore.sqlite.book import SqliteBook
from eventstore.sqlite.marks import mark_at, marked
from eventstore.sqlite.opening import open_again

# Events of one part: few enough that no process is left alone with a long one, or with several, at the end.
EVENTS_A_PART: Final = 1 << 14

_LAST: Final = "SELECT ifnull(max(pos), 0) FROM event"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the check: a stretch of the log from a mark on, with the streams that begin in it.

    No stretch: the engine's own check.
    """

    stretch: tuple[int, int | None] | None = None


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """What one part came to, and how many events, heads and vault rows the streams that began in it have.

    No findings: all has to be done by one.
    """

    findings: Findings | None
    events: int = 0
    heads: int = 0
    vault: int = 0


def shared_check(
    path: Path, connection: sqlite3.Connection, processes: int, progress: Progress | None
) -> Findings | None:
    """What all parts together come to where all is well and all saw the same; None where one has to do it."""
    book = SqliteBook(connection)
    # Not forked: a connection of SQLite must not come along into another process.
    spawn = multiprocessing.get_context("spawn")
    # This process is one of them: it begins while the others start.
    with ProcessPoolExecutor(processes - 1, mp_context=spawn, initializer=gc.disable) as pool, _uncollected():
        findings = _looked(path, connection, pool, progress)
        if findings is None:
            pool.shutdown(cancel_futures=True)
            return None
    try:
        check_aliases(book, findings)
        compare_counts(book, findings)
    except (EnoughFound, TidingsError):
        return None
    return None if findings.faults else findings


def _looked(
    path: Path, connection: sqlite3.Connection, pool: ProcessPoolExecutor, progress: Progress | None
) -> Findings | None:
    try:
        last = int(connection.execute(_LAST).fetchone()[0])
        parts = [(part, pool.submit(look_at, path, part, last)) for part in parts_of(connection, a_part=EVENTS_A_PART)]
        size, (heads, vault) = SqliteBook(connection).size(), kept(connection)
    except (sqlite3.Error, TidingsError):
        return None
    looked = _as_they_come(path, parts, last)
    return together(looked, events=size, heads=heads, vault=vault, steps=Steps(steps_in(size), progress))


def _as_they_come(path: Path, parts: list[tuple[Part, Future[Looked]]], last: int) -> Iterator[Looked]:
    """What each part came to. This process takes the last one that no other has begun, until there is none."""
    for part, looked in reversed(parts):
        if looked.cancel():
            yield look_at(path, part, last)
    for looked in as_completed(looked for _, looked in parts if not looked.cancelled()):
        yield looked.result()


@contextmanager
def _uncollected() -> Iterator[None]:
    """Rows are no cycles, and looking for cycles among them takes time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def together(looked: Iterable[Looked], *, events: int, heads: int, vault: int, steps: Steps) -> Findings | None:
    """All parts' findings, None where one has a fault, or where they did not come to so many events, heads, vault rows.

    An event without a beginning is in no part, nor is what is kept without an event.
    """
    findings = Findings()
    for part in looked:
        if part.findings is None or part.findings.faults:
            return None
        findings.add(part.findings)
        events, heads, vault = events - part.events, heads - part.heads, vault - part.vault
        steps.heard(part.findings.events + part.events)
    return None if events or heads or vault else findings


def parts_of(connection: sqlite3.Connection, *, a_part: int) -> Iterator[Part]:
    """All parts of a check, of so many events each or a few more."""
    # The engine's own check cannot be split, so it begins first.
    yield Part()
    start = 0
    for pos in marked(connection):
        if pos >= start + a_part:
            yield Part(stretch=(start, pos))
            start = pos
    yield Part(stretch=(start, None))


def look_at(path: Path, part: Part, last: int) -> Looked:
    """One part, in whatever process: with a connection of its own, and nothing where the log goes on meanwhile."""
    try:
        # Its file was judged by whoever shares the check, and may be open in this very process.
        with closing(open_again(path)) as connection:
            connection.execute("BEGIN")
            if connection.execute(_LAST).fetchone()[0] != last:
                # A daemon goes on writing. Heads and counts change with events only, so the same last event would mean
                # that all of it is the same.
                return Looked(findings=None)
            return _look(connection, part)
    except (TidingsError, EnoughFound, sqlite3.Error):
        return Looked(findings=None)


def _look(connection: sqlite3.Connection, part: Part) -> Looked:
    book, findings = SqliteBook(connection), Findings()
    if part.stretch is None:
        check_structure(book, findings)
        return Looked(findings=findings)
    start, up_to = part.stretch
    begun = Beginnings(SqliteBegun(connection), findings, after=start, up_to=up_to)
    numbering = mark_at(connection, start) if start else Numbering()
    ChainWalk(book, findings, numbering, up_to=up_to, heard=_unheard, seen=begun.see).run()
    begun.look()
    return Looked(findings=findings, events=begun.looked_at, heads=begun.heads, vault=begun.vault)


def _unheard(steps: int) -> None:
    """A part is told as a whole."""
