"""What a file expects, held against a finished run.

This file answers for the verdict and its words; what each word counts is counting.py's business.
"""

from collections.abc import Iterator, Sequence

from adapters.config.units import shown_span
from scenarios.file.tables import MEASURED, Expect
from scenarios.laws.evidence import Evidence
from scenarios.run.counting import happened, measured, share_of
from scenarios.run.happening import Happened


def unmet(evidence: Evidence) -> list[str]:
    """Every expectation that the run did not meet, in one sentence each."""
    return [
        f"expect[{index}]: {words}"
        for index, expect in enumerate(evidence.scenario.expects)
        for words in _broken(evidence, expect)
    ]


def _broken(evidence: Evidence, expect: Expect) -> Iterator[str]:
    name = _name(expect)
    if expect.that in MEASURED:
        yield from _bounds(expect, name, measured(evidence, expect), is_span=expect.that == "lateness")
        return
    found = happened(evidence, expect)
    yield from _bounds(expect, name, len(found), is_span=False)
    yield from _shares(evidence, expect, name, found)
    first_us = min((one.at_us for one in found), default=None)
    if expect.not_before_us is not None and first_us is not None and first_us < expect.not_before_us:
        yield f"{name} first at {_shown(first_us)}, expected not before {shown_span(expect.not_before_us)}"


def _shares(evidence: Evidence, expect: Expect, name: str, found: Sequence[Happened]) -> Iterator[str]:
    if (expect.at_least_share, expect.at_most_share) == (None, None):
        return
    share = share_of(evidence, expect, found)
    if expect.at_least_share is not None and share < expect.at_least_share:
        yield f"{name}: {share:.4g} of them, expected at least {expect.at_least_share:g}"
    if expect.at_most_share is not None and share > expect.at_most_share:
        yield f"{name}: {share:.4g} of them, expected at most {expect.at_most_share:g}"


def _bounds(expect: Expect, name: str, value: int, *, is_span: bool) -> Iterator[str]:
    shown = _shown if is_span else str
    if expect.count is not None and value != expect.count:
        yield f"{name}: {shown(value)}, expected exactly {expect.count}"
    if expect.at_least is not None and value < expect.at_least:
        yield f"{name}: {shown(value)}, expected at least {shown(expect.at_least)}"
    if expect.at_most is not None and value > expect.at_most:
        yield f"{name}: {shown(value)}, expected at most {shown(expect.at_most)}"


def _name(expect: Expect) -> str:
    words = [expect.that.replace("_", " ")]
    chosen = ("lane", "channel", "tenant", "host", "to", "arrivals", "message")
    words += [f"{key} {value}" for key in chosen if (value := getattr(expect, key)) is not None]
    if expect.held_by is not None:
        words.append(f"by {expect.held_by}")
    if expect.since_us is not None:
        words.append(f"since {shown_span(expect.since_us)}")
    if expect.by_us is not None:
        words.append(f"by {shown_span(expect.by_us)}")
    if expect.within_us is not None:
        words.append(f"within {shown_span(expect.within_us)} of a {expect.scope}")
    return ", ".join(words)


def _shown(span_us: int) -> str:
    return f"{span_us / 1_000_000:.6g} s"
