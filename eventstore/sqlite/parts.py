"""The parts of one check: stretches of the log with the streams that begin in them, and the engine's own check.

This file answers for all of them together being the whole, and for each seeing the same state of the log: each begins
to read, and where it does not end at the same event, a daemon wrote in between. It must never decide what is wrong:
with any fault a part answers nothing, and the whole is looked at again in order.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from core.errors import StoreUnavailable, TidingsError
from eventstore.audit.findings import EnoughFound, Findings
from eventstore.audit.stretches import StretchWalk
from eventstore.integrity import Steps, check_structure
from eventstore.numbering import Numbering
from eventstore.sqlite.begun import SqliteBegun
from eventstore.sqlite.book import SqliteBook
from eventstore.sqlite.marks import mark_at, marked
from eventstore.sqlite.opening import open_again

# Events of one part: few enough that no process is left alone with a long one at the end.
EVENTS_A_PART: Final = 1 << 13

_LAST: Final = "SELECT ifnull(max(pos), 0) FROM event"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the check: a stretch of the log from a mark on, with the streams that begin in it.

    No stretch: the engine's own check.
    """

    stretch: tuple[int, int] | None = None


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """What one part came to, and how many events, heads and vault rows the streams that began in it have.

    No findings: all has to be done by one.
    """

    findings: Findings | None
    events: int = 0
    heads: int = 0
    vault: int = 0


def last_of(connection: sqlite3.Connection) -> int:
    """Where the last event stands; 0 in an empty log."""
    return int(connection.execute(_LAST).fetchone()[0])


def parts_of(connection: sqlite3.Connection, last: int, *, a_part: int) -> Iterator[Part]:
    """All parts of a check up to the last event, of so many events each or a few more."""
    # The engine's own check cannot be split, so it begins first.
    yield Part()
    start, marks = 0, marked(connection)
    for pos in marks:
        if start + a_part <= pos <= last:
            yield Part(stretch=(start, pos))
            start = pos
    # With a mark beyond the last event the last part goes up to that, and so comes to nothing.
    yield Part(stretch=(start, max([last, *marks[-1:]])))


@contextmanager
def opened(path: Path, last: int) -> Iterator[sqlite3.Connection]:
    """A connection for parts, in whatever process. Raises TidingsError where it does not see the very same log."""
    # Its file was judged by whoever shares the check, and may be open in this very process.
    with closing(open_again(path)) as connection:
        # One snapshot for all parts that are looked at here.
        connection.execute("BEGIN")
        if last_of(connection) != last:
            # Heads and counts change with events only, so the same last event means that all of it is the same.
            raise StoreUnavailable("a daemon goes on writing")
        yield connection


def look_at(connection: sqlite3.Connection, part: Part) -> Looked:
    """One part."""
    try:
        return _look(connection, part)
    except (TidingsError, EnoughFound, sqlite3.Error):
        return Looked(findings=None)


def _look(connection: sqlite3.Connection, part: Part) -> Looked:
    book, findings = SqliteBook(connection), Findings()
    if part.stretch is None:
        check_structure(book, findings)
        return Looked(findings=None if findings.faults else findings)
    start, up_to = part.stretch
    numbering = mark_at(connection, start) if start else Numbering()
    walk = StretchWalk(book, SqliteBegun(connection), findings, numbering, up_to=up_to)
    if not walk.is_sound():
        return Looked(findings=None)
    return Looked(findings=findings, events=walk.begun.looked_at, heads=walk.begun.heads, vault=walk.begun.vault)


def together(looked: Iterable[Looked], *, events: int, heads: int, vault: int, steps: Steps) -> Findings | None:
    """All parts' findings, None where one has none, or where they did not come to so many events, heads, vault rows.

    An event without a beginning is in no part, nor is what is kept without an event.
    """
    findings = Findings()
    for part in looked:
        if part.findings is None:
            return None
        findings.add(part.findings)
        events, heads, vault = events - part.events, heads - part.heads, vault - part.vault
        steps.heard(part.findings.events + part.events)
    return None if events or heads or vault else findings
