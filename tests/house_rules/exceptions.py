"""Answers for the exceptions that the house rules know: exceptions.toml, decoded strictly.

It must never hold an exception without a reason, nor keep one that nothing needs any more.
"""

from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path

import msgspec

from tests.house_rules.naming import Finding
from tests.house_rules.sizes import Allowed, Dimension


class OverSize(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that is larger than its bound, at exactly its size."""

    at: str
    dimension: Dimension
    amount: int
    reason: str


class Excused(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place that may do what others may not; `at` is `path` or `path::function`."""

    at: str
    reason: str


class Exceptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of them: by size, by asking the machine (a file), by catching everything (a function)."""

    size: tuple[OverSize, ...] = ()
    asks_the_machine: tuple[Excused, ...] = ()
    catches_everything: tuple[Excused, ...] = ()

    def sizes(self) -> Allowed:
        """The amount that each oversize has, by what is measured and where."""
        return {(entry.dimension, entry.at): entry.amount for entry in self.size}


@cache
def known_exceptions() -> Exceptions:
    """What exceptions.toml says; a mistake in it raises msgspec.ValidationError with the place."""
    return msgspec.toml.decode(Path(__file__).with_name("exceptions.toml").read_bytes(), type=Exceptions)


def not_excused(found: Iterable[Finding], excused: Collection[Excused]) -> Iterator[str]:
    """Each finding whose place has no excuse, and each excuse whose place has nothing left to excuse."""
    findings = list(found)
    places = {entry.at for entry in excused}
    yield from (str(finding) for finding in findings if finding.at not in places)
    for unneeded in sorted(places - {finding.at for finding in findings}):
        yield f"exceptions.toml: {unneeded} needs no exception any more; remove its entry"
