"""Laws 4 and 9 on logs made by hand: windows against counting them one by one, idle waits, and whose turn it is."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import events as e
from core.outcomes import Transient
from scenarios.laws.shares import tenants_take_turns
from scenarios.laws.spans import FOREVER, Spans, full, hole, uncovered
from scenarios.laws.windows import limits_hold_in_every_window
from tests.rules.doctored import Doctored

_spans = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)).map(lambda span: (span[0], span[0] + span[1])))


def _sent(log: Doctored, instants_s: list[float]) -> None:
    for stream, at_s in enumerate(instants_s, start=1):
        log.accept(stream, 0, conversation=stream, due_s=at_s)
        log.start(stream, at_s)
        log.take(stream, at_s + 0.01, sent_s=at_s)


@given(st.lists(st.integers(0, 3_000), max_size=40).map(sorted))
def test_a_limit_is_broken_exactly_where_some_window_holds_too_many(tenths: list[int]) -> None:
    """A finding says the same as counting the hand-overs of every window of a minute that begins with one of them."""
    instants_s = [tenth / 10 for tenth in tenths]
    log = Doctored('[policies.email]\nlimits = { lane = "5/min", recipient = "none" }\n')
    _sent(log, instants_s)
    worst = max((sum(1 for one in tenths if first <= one < first + 600) for first in tenths), default=0)
    found = [one for one in log.findings(limits_hold_in_every_window) if "allows 5 hand-overs" in one.words]
    assert bool(found) == (worst > 5)


@pytest.mark.parametrize(
    ("limits", "instants_s", "finding"),
    [
        ('gap = "2s"', [0, 2, 4.1], ""),
        ('gap = "2s"', [0, 1.999999], "1 hand-overs in 2 s"),
        ('tenant = "3/min"', [0, 1, 2, 60], ""),
        ('tenant = "3/min"', [0, 1, 2, 59.999999], "tenant org in lane email allows 3"),
        ('lane = "60/min", burst = 10', [n / 10 for n in range(10)], ""),
        ('lane = "60/min", burst = 10', [n / 10 for n in range(11)], "10 hand-overs in 10 s"),
    ],
)
def test_each_kind_of_limit_is_exact(limits: str, instants_s: list[float], finding: str) -> None:
    """A window is closed at its beginning and open at its end, to the microsecond."""
    base = 'lane = "none", ' if "lane" not in limits else ""
    log = Doctored(f'[policies.email]\nlimits = {{ {base}{limits}, recipient = "none" }}\n')
    _sent(log, instants_s)
    words = "\n".join(w for w in log.words(limits_hold_in_every_window).splitlines() if "allows" in w)
    assert (finding in words) if finding else words == ""


def test_concurrency_counts_what_is_in_flight() -> None:
    """An attempt that ends at an instant makes room for one that starts at it; one more than the bound is found."""
    log = Doctored('[policies.email]\nlimits = { lane = "none", recipient = "none", concurrency = 2 }\n')
    for stream, (start_s, end_s) in enumerate([(0, 5), (0, 9), (5, 9)], start=1):
        log.accept(stream, 0, conversation=stream)
        log.start(stream, start_s)
        log.take(stream, end_s)
    assert "allows 2" not in log.words(limits_hold_in_every_window)
    log.accept(4, 0, conversation=4)
    log.start(4, 8)
    log.events.sort(key=lambda entry: entry.at_us)
    assert "lane email allows 2 attempts in flight, and has 3" in log.words(limits_hold_in_every_window)


def test_a_recorded_instant_that_is_not_the_real_one_is_found() -> None:
    """The log's hand-overs are those that the other side's books tell of."""
    log = Doctored()
    log.accept(1, 0)
    log.start(1, 1)
    log.hand(1, 1.25)
    log.take(1, 2, sent_s=1)
    assert "left us 250000 us off" in log.words(limits_hold_in_every_window)


def test_a_wait_behind_a_limit_ends_when_it_lets_go() -> None:
    """A message that starts when its window has room waited for a reason; one that starts ten seconds later did not."""
    for late_s, findings in ((0, 0), (10, 1)):
        log = Doctored('[policies.email]\nlimits = { lane = "none", recipient = "none", tenant = "1/min" }\n')
        for stream, at_s in ((1, 0.0), (2, 60.0 + late_s)):
            log.accept(stream, 0, conversation=stream)
            log.start(stream, at_s)
            log.take(stream, at_s, sent_s=at_s)
        assert len(log.findings(limits_hold_in_every_window)) == findings


@pytest.mark.parametrize(("quiet_at", "findings"), [(3, 0), (30, 1)])
def test_a_tenant_that_waits_for_its_turn_is_found(quiet_at: int, findings: int) -> None:
    """While one tenant waits for the lane another may have a turn, and not ten."""
    log = Doctored('[policies.email]\nlimits = { lane = "none", recipient = "none", gap = "1s" }\n')
    order = ["noisy"] * quiet_at + ["quiet"] + ["noisy"] * (40 - quiet_at)
    for stream, tenant in enumerate(order, start=1):
        log.accept(stream, 0 if tenant == "noisy" else 1.5, conversation=stream, tenant=tenant)
    for stream in range(1, len(order) + 1):
        log.start(stream, stream)
        log.take(stream, stream, sent_s=stream)
    log.events.sort(key=lambda entry: entry.at_us)
    assert len(log.findings(tenants_take_turns)) == findings


def test_a_tenant_with_a_full_share_of_its_own_waits_for_nobody_else() -> None:
    """A tenant that its own limit keeps waiting is not kept waiting by others."""
    log = Doctored('[policies.email]\nlimits = { lane = "none", recipient = "none", tenant = "30/min", gap = "1s" }\n')
    log.accept(1, 0, conversation=1, tenant="quiet")
    log.start(1, 0)
    log.take(1, 0, sent_s=0)
    for stream in range(2, 30):
        log.accept(stream, 0, conversation=stream, tenant="noisy")
        log.start(stream, stream)
        log.add(stream, stream, e.AttemptFailed(attempt=1, outcome=Transient(), used=True, due_us=None,
                                                sent_at_us=log.us(stream), took_us=0))  # fmt: skip  # one event
    assert log.findings(tenants_take_turns) == []


# -- stretches of time


@given(_spans, st.integers(0, 5))
def test_stretches_cover_what_they_were_made_of(spans: list[tuple[int, int]], slack: int) -> None:
    """Every instant of every stretch is covered, and between two of them lies more than the slack."""
    merged = Spans(spans, slack)
    assert all(merged.end_at(at) is not None for start, end in spans for at in range(start, end))
    assert all(later[0] - earlier[1] > slack for earlier, later in pairwise(merged.spans()))


@given(_spans, st.integers(1, 4))
def test_full_is_where_so_many_lie_over_one_another(spans: list[tuple[int, int]], most: int) -> None:
    """An instant is full exactly where that many stretches hold it."""
    found = full(spans, most, 0)
    for at in range(90):
        assert (found.end_at(at) is not None) == (sum(start <= at < end for start, end in spans) >= most)


@given(_spans, _spans, st.tuples(st.integers(0, 40), st.integers(0, 40)), st.integers(0, 4))
def test_a_hole_is_found_exactly_where_nothing_covers(
    one: list[tuple[int, int]], other: list[tuple[int, int]], wait: tuple[int, int], slack: int
) -> None:
    """The first hole is the first run of uncovered instants longer than the slack; nothing uncovered is left out."""
    start, length = wait
    covers, end = [Spans(one), Spans(other)], start + length
    bare = [at for at in range(start, end) if all(cover.end_at(at) is None for cover in covers)]
    runs: list[list[int]] = []
    for at in bare:
        if runs and runs[-1][-1] == at - 1:
            runs[-1].append(at)
        else:
            runs.append([at])
    found = hole(start, end, covers, slack)
    # The last part of a wait may be shorter than the slack and is then no hole.
    expected = next((run[0] for run in runs if len(run) > slack), None)
    assert (None if found is None else found[0]) == expected
    assert [at for since, until in uncovered(start, end, covers) for at in range(since, until)] == bare


def test_nothing_covers_for_ever_unless_it_says_so() -> None:
    """An open stretch covers all that comes, an empty one nothing."""
    assert Spans([(5, FOREVER)]).end_at(10**18) == FOREVER
    assert Spans([(5, 5)]).end_at(5) is None
    assert Spans([]).next_start(0) == FOREVER
