"""Answers for the benchmarks' arithmetic: middle, spread, ranks, windows, verdicts and the table.

It must never time anything: a figure is for people to read, not for a test to fail on.
"""

import bisect
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from benchmarks import messages
from benchmarks.arrivals import Arrivals
from benchmarks.cases import CASES
from benchmarks.figures import Figure, Mark, busiest, median, percentile, spread
from benchmarks.load import Plan, requests
from benchmarks.table import Remarks, document, number, table

_CALM = Remarks(runs=3, lasted_s=60.0, foreign_share=0.0, failed={})


def _figure(
    *values: float, limits: tuple[float, ...] = (), marks: tuple[Mark, ...] = (Mark(first_line=0.4, aim=0.8),)
) -> Figure:
    limit = "ideal" if limits else ""
    return Figure(case="live", what="delivered", unit="msg/s", values=values, limit=limit, limits=limits, marks=marks)


@pytest.mark.parametrize(("values", "middle"), [([3.0], 3.0), ([9.0, 1.0, 2.0], 2.0), ([4.0, 1.0, 2.0, 9.0], 3.0)])
def test_the_median_is_the_middle_whatever_the_order(values: list[float], middle: float) -> None:
    """An odd number of runs gives the one in the middle, an even number the mean of two."""
    assert median(values) == middle


def test_the_spread_is_a_share_of_the_median() -> None:
    """Runs of 90, 100 and 120 lie 30 % apart, and one run lies nowhere apart."""
    assert spread([100.0, 90.0, 120.0]) == pytest.approx(0.3)
    assert spread([100.0]) == 0


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100), (0.001, 1)])
def test_a_percentile_is_a_value_that_occurred(share: float, value: int) -> None:
    """The nearest rank among 1 to 100 is the number itself, never one in between."""
    assert percentile(list(range(100, 0, -1)), share) == value


@given(st.lists(st.integers(0, 200), max_size=60), st.integers(1, 80))
def test_the_busiest_window_is_found_wherever_it_starts(instants: list[int], window: int) -> None:
    """No half-open window that starts at an instant holds more, and one holds as many."""
    ordered = sorted(instants)
    held = (bisect.bisect_left(ordered, start + window) - ordered.index(start) for start in ordered)
    assert busiest(instants, window) == max(held, default=0)


def test_instants_one_window_apart_share_none() -> None:
    """A limit of one a second allows a hand-over exactly one second after another."""
    assert busiest([0, 1_000_000], 1_000_000) == 1
    assert busiest([0, 999_999], 1_000_000) == 2


@pytest.mark.parametrize(
    ("rate", "verdict"), [(800.0, "aim"), (799.0, "first line"), (400.0, "first line"), (399.0, "SHORT")]
)
def test_a_ratio_is_judged_by_its_medians(rate: float, verdict: str) -> None:
    """0.8 of the limit is the aim and 0.4 the first line; an outlier among the runs moves neither."""
    figure = _figure(1.0, rate, 10_000.0, limits=(1_000.0, 1.0, 1_000.0))
    assert figure.verdict == verdict


def test_less_can_be_better_and_one_mark_of_several_is_enough() -> None:
    """Latency is judged downwards, and the better of two marks counts."""
    assert _figure(2.1, limits=(1.0,), marks=(Mark(first_line=3, aim=2, better="less"),)).verdict == "first line"
    either = (Mark(first_line=30_000, aim=60_000, of="value"), Mark(first_line=0.5, aim=0.5))
    assert _figure(10_000.0, limits=(15_000.0,), marks=either).verdict == "aim"
    assert _figure(31_000.0, limits=(99_000.0,), marks=either).verdict == "first line"
    assert _figure(10_000.0, limits=(99_000.0,), marks=either).verdict == "SHORT"


def test_a_figure_without_a_mark_is_only_shown() -> None:
    """There is no verdict where there is no target."""
    assert _figure(10.0, marks=()).verdict == ""


def test_a_figure_that_falls_short_is_shown_like_any_other() -> None:
    """The table has value, limit, ratio, target and verdict of a figure below its first line."""
    console = Console(width=160, file=io.StringIO(), record=True)
    console.print(table([_figure(3_000.0, limits=(10_000.0,))]))
    row = console.export_text().splitlines()[1]
    for shown in ("live", "3,000 msg/s", "ideal", "10,000", "0.30", "≥ 0.4x", "≥ 0.8x", "SHORT"):
        assert shown in row


def test_noise_and_failures_are_said_under_the_table() -> None:
    """Runs far apart, a busy machine and a case without a figure each get a sentence."""
    calm = _CALM.lines([_figure(100.0, 101.0)])
    remarks = Remarks(runs=3, lasted_s=60.0, foreign_share=0.4, failed={"smtp": "it did not start"})
    said = remarks.lines([_figure(100.0, 180.0)])
    assert len(calm) == 1
    assert [word for word in ("smtp has no figure", "live: delivered", "40%") if word not in "\n".join(said)] == []


def test_the_document_keeps_every_run() -> None:
    """A program that reads the JSON sees the runs, the medians and the verdict."""
    (row,) = document([_figure(1.0, 3.0, 2.0, limits=(4.0,))], _CALM)["figures"]
    assert (row["values"], row["value"], row["ratio"], row["verdict"]) == ((1.0, 3.0, 2.0), 2.0, 0.5, "first line")


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0, "0"), (0.035, "0.035"), (99.96, "100"), (12_345.6, "12,346"), (1.5, "1.5")]
)
def test_numbers_are_shown_with_what_matters(value: float, shown: str) -> None:
    """Small ones keep three digits, large ones are grouped."""
    assert number(value) == shown


@pytest.mark.parametrize(
    "message",
    [messages.webhook(17, conversation=3, sink_url="http://127.0.0.1:1"), messages.email(17, conversation=3)],
)
def test_a_sink_knows_every_message_again(message: bytes) -> None:
    """The number that a message was made with is read out of what is delivered, and stays unique."""
    assert messages.number_in(message) == 17
    assert message.count(messages.MARK) == 1


def test_a_sink_refuses_a_share_of_first_attempts_and_no_second_one() -> None:
    """About a fifth of the messages is refused once, the same ones in every run, and each is taken when it returns."""
    arrivals = [Arrivals(refuse_share=0.2) for _ in range(2)]
    first = [[sink.take(number) for number in range(10_000)] for sink in arrivals]
    refused = [number for number, welcome in enumerate(first[0]) if not welcome]
    assert first[0] == first[1]
    assert len(refused) == pytest.approx(2_000, rel=0.1)
    assert all(arrivals[0].take(number) for number in refused)


def test_a_batch_plan_is_cut_into_requests_of_whole_lines() -> None:
    """Ten messages in batches of four are three requests with ten lines in all."""
    plan = Plan(port=1, key="k", count=10, lines=4, sink_url="http://127.0.0.1:1")
    asked = requests(plan)
    assert len(asked) == 3
    assert sum(request.partition(b"\r\n\r\n")[2].count(b"\n") for request in asked) == 10


def test_every_case_of_the_list_can_be_asked_for() -> None:
    """The cases bear the names by which users ask for them, and there are no others."""
    asked = "accept accept-batch hooks live drain steady flaky smtp replay restart verify pending idle fair limits"
    assert set(CASES) == {*asked.split(), "simulate", "postgres", "nodes", "takeover", "grow"}
