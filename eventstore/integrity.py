"""The full check of a log: the chain of every shard, every stream, and everything that follows from them.

This file answers for naming what is wrong and where, on any store, in flat memory. It must never mend anything, and
never stop at the first finding where it can go on.
"""

from collections.abc import Callable

from core.errors import CorruptLog
from eventstore.audit.chains import ChainWalk
from eventstore.audit.findings import EnoughFound, Fault, Findings, Report
from eventstore.audit.streams import StreamWalk
from eventstore.book import EVERY_STREAM, Book
from eventstore.numbering import Numbering

# How many of how many steps are done.
Progress = Callable[[int, int], None]


class Steps:
    """Steps that are done, told to whoever watches."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total, self._progress, self._done = total, progress, 0

    def heard(self, steps: int) -> None:
        """So many more are done."""
        self._done += steps
        if steps and self._progress is not None:
            self._progress(self._done, self._total)


def steps_in(events: int) -> int:
    """How many steps a check takes: each event is looked at in the order of arrival and in that of its stream."""
    return 2 * events


def check(book: Book, progress: Progress | None = None) -> Report:
    """Looks at everything. `progress` hears now and then how many of how many steps are done.

    What concerns single events comes first, in the order of their arrival: the first fault is where to look.
    """
    findings = Findings()
    heard = Steps(steps_in(book.size()), progress).heard
    parts: tuple[Callable[[], None], ...] = (
        lambda: ChainWalk(book, findings, Numbering(), up_to=None, heard=heard).run(),
        lambda: check_structure(book, findings),
        lambda: StreamWalk(book, EVERY_STREAM, findings, heard).run(),
        lambda: check_aliases(book, findings),
        lambda: compare_counts(book, findings),
    )
    try:
        for part in parts:
            # What cannot be read to its end is a finding, and the other parts may still tell more.
            try:
                part()
            except CorruptLog as error:
                findings.fault(Fault(what=str(error)))
    except EnoughFound:
        pass
    return findings.report()


def check_structure(book: Book, findings: Findings) -> None:
    """What the engine's own check says, its indices among it."""
    found = book.structure()
    if found is not None:
        findings.fault(Fault(what=f"the file is damaged: {found}"))


def check_aliases(book: Book, findings: Findings) -> None:
    """Every name leads to a stream that is there."""
    for alias in book.misled():
        findings.fault(Fault(what=f"an alias ({alias.space}) leads here, but there is no event", stream=alias.stream))


def compare_counts(book: Book, findings: Findings) -> None:
    """The counts that are kept are those that the messages come to."""
    kept = {key: value for key, value in book.counts().items() if value != (0, 0)}
    # By how they are written: in a damaged count a name may be no text.
    for key in sorted(kept.keys() | findings.counts.keys(), key=repr):
        if kept.get(key) != findings.counts.get(key):
            what = f"the count of {key} is kept as {kept.get(key)}, the messages come to {findings.counts.get(key)}"
            findings.fault(Fault(what=what))
