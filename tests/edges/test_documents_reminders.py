"""Answers for the page about reminders: its kinds, moments and numbers are those of the code."""

from typing import Final

import pytest

from core.alternatives import FALLBACKS_MAX
from core.plan_requests import PARTICIPANTS_MAX, REFERENCE_CHARS_MAX, REMINDERS_MAX
from core.plan_times import KNOWN, SPAN_DAYS_MAX, Timing, span_of
from tests.edges.documents.pages import ROOT, codes_in, table_under

PAGE: Final = ROOT / "docs" / "reminders.md"
_IN_WORDS: Final = {4: "four", 10: "ten"}


def _timing(offset: str, anchor: str, clock: str) -> Timing:
    """What a row of the table says."""
    codes = codes_in(offset)
    span = span_of(codes[0]) if codes else None
    assert (span is None) is (offset == "at once")
    minute = None
    if clock[:2].isdigit():
        minute = int(clock[:2]) * 60 + int(clock[3:5])
    return Timing(span=span, anchor="end" if anchor == "end" else "start", at_minute=minute)


def test_each_kind_is_due_as_the_table_says() -> None:
    """The table names every kind that has a time of its own, and just those that take another time of day."""
    rows = table_under(PAGE, "When reminders are due")
    assert {codes_in(kind)[0]: _timing(*rest) for kind, *rest in rows} == KNOWN
    takes = {codes_in(kind)[0] for kind, *_, clock in rows if clock.endswith("or `at`")}
    assert takes == {kind for kind, timing in KNOWN.items() if timing.span is not None and not timing.span.elapsed_us}


@pytest.mark.parametrize(
    "words",
    [
        f"up to {PARTICIPANTS_MAX:,}:",
        f"up to {REMINDERS_MAX}:",
        f"up to {_IN_WORDS[FALLBACKS_MAX]} of",
        f"up to {REFERENCE_CHARS_MAX} characters",
        f"{_IN_WORDS[SPAN_DAYS_MAX // 372]} years at most",
    ],
)
def test_numbers_on_the_page_are_those_of_the_code(words: str) -> None:
    """What is said in words has the numbers that hold."""
    assert words in " ".join(PAGE.read_text().split())
