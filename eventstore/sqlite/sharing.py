"""One check shared by several processes, each of which takes the next part that nobody has begun.

This file answers for every part being looked at once, and for no process being left behind, whatever becomes of this
one. It must never decide what is wrong: where anything is, it answers nothing, and one process looks at the whole.
"""

import gc
import multiprocessing
import signal
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from core.errors import TidingsError
from eventstore.audit.findings import EnoughFound, Findings
from eventstore.collecting import uncollected
from eventstore.integrity import Progress, Steps, check_aliases, compare_counts, steps_in
from eventstore.sqlite import parts
from eventstore.sqlite.begun import kept
from eventstore.sqlite.book import SqliteBook
from eventstore.sqlite.parts import Looked, Part, last_of, look_at, opened, parts_of, together


class Sharing:
    """A check that is under way: its parts, and how many of them have been begun by anybody."""

    def __init__(self, path: Path, last: int, all_parts: Sequence[Part], context: SpawnContext) -> None:
        self._path, self._last, self._parts = path, last, all_parts
        self._begun: Synchronized[int] = context.Value("q", 0)

    def look(self) -> Iterator[Looked]:
        """What each part comes to that this process begins, until there is none left or one is not sound.

        Raises TidingsError where this process does not see what the one that shares it saw.
        """
        with opened(self._path, self._last) as connection:
            while (number := self._next()) < len(self._parts):
                looked = look_at(connection, self._parts[number])
                if looked.findings is None:
                    self.stop()
                yield looked

    def stop(self) -> None:
        """Nobody begins another part."""
        self._begun.value = len(self._parts)

    def _next(self) -> int:
        with self._begun.get_lock():
            number = self._begun.value
            self._begun.value = number + 1
        return number


def shared_check(
    path: Path, connection: sqlite3.Connection, processes: int, progress: Progress | None
) -> Findings | None:
    """What all parts together come to where all is well and all saw the same; None where one has to do it."""
    # Not forked: a connection of SQLite must not come along into another process.
    context, book = multiprocessing.get_context("spawn"), SqliteBook(connection)
    try:
        last = last_of(connection)
        sharing = Sharing(path, last, list(parts_of(connection, last, a_part=parts.EVENTS_A_PART)), context)
        with _others(sharing, processes - 1, context) as others, uncollected():
            size, (heads, vault) = book.size(), kept(connection)
            steps = Steps(steps_in(size), progress)
            findings = together(_as_they_come(sharing, others), events=size, heads=heads, vault=vault, steps=steps)
        if findings is None:
            return None
        check_aliases(book, findings)
        compare_counts(book, findings)
    except (EnoughFound, TidingsError, sqlite3.Error):
        return None
    return None if findings.faults else findings


def _as_they_come(sharing: Sharing, others: Sequence[Connection]) -> Iterator[Looked]:
    """What each part came to. This process is one of those that look: it begins while the others start."""
    yield from sharing.look()
    for other in others:
        try:
            yield from other.recv()
        except (EOFError, OSError):
            # It died, perhaps in the middle of its answer, and what it had begun nobody looked at.
            yield Looked(findings=None)


@contextmanager
def _others(sharing: Sharing, count: int, context: SpawnContext) -> Iterator[list[Connection]]:
    """So many more processes that look, each with the end at which to hear, once, what its parts came to."""
    pipes = [context.Pipe(duplex=False) for _ in range(count)]
    children = [context.Process(target=_look_too, args=(sharing, end), daemon=True) for _, end in pipes]
    try:
        for child, (_, end) in zip(children, pipes, strict=True):
            child.start()
            # It has its own by now. With ours open nobody would hear that it died.
            end.close()
        yield [hearing for hearing, _ in pipes]
    finally:
        for child, (hearing, _) in zip(children, pipes, strict=True):
            hearing.close()
            if child.pid is not None:
                # Only reads, and is at its end already unless something failed.
                child.terminate()
                child.join()


def _look_too(sharing: Sharing, told: Connection) -> None:
    # Whoever interrupts all of them at once means the one that ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
    parent = multiprocessing.parent_process()
    looked: list[Looked] = []
    try:
        for one in sharing.look():
            looked.append(one)
            if parent is None or not parent.is_alive():
                return
    except (TidingsError, sqlite3.Error):
        sharing.stop()
        looked.append(Looked(findings=None))
    told.send(looked)
