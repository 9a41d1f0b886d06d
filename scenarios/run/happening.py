"""What an expectation counts: one thing that happened, and how it is found.

This file answers for the value alone.
"""

from collections.abc import Callable, Iterator

import msgspec

from core.records import Recorded
from scenarios.laws.evidence import Evidence


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that counts, to a message where it is one's."""

    at_us: int
    key: str | None


Counter = Callable[[Evidence, int], Iterator[Happened]]
"""What counts for a word up to an instant since the start."""


def at(evidence: Evidence, entry: Recorded, key: str | None) -> Happened:
    """An event of the log."""
    return Happened(at_us=entry.at_us - evidence.scenario.start_us, key=key)
