"""Crashes at boundaries: where the power goes out, what is then durable, and how many runs a sweep takes."""

from itertools import pairwise

import pytest

from core.policies import SECOND_US
from scenarios.file.tables import Crash
from scenarios.laws.registry import breaches
from scenarios.run.judging import crashes_of, judged, runs_of
from scenarios.run.running import run_once
from tests.promises.simulated import run, scenario, statuses

_WORLD = """\
crash = CRASH
[[arrive]]
name = "orders"
over = "1s"
count = 2
channel = "webhook"
to = "https://shop.example/orders"
idempotency_key = "order/{n}"
[[fault]]
attempt = 1
answer = { status = 503 }
[[expect]]
that = "delivered"
count = 2
"""
_EVERY = '"every boundary"'


@pytest.mark.slow
def test_every_boundary_of_a_run_is_crossed_once_and_survived() -> None:
    """A sweep crashes at each boundary of the run without a crash, and every law holds after each of them."""
    world = scenario(_WORLD.replace("CRASH", _EVERY))
    first, *swept = runs_of(world, 1, twice=False)
    assert [evidence.crash_at for evidence in swept] == [(n,) for n in range(1, first.boundaries + 1)]
    # Of nine appends before the first message each has three borders; then every attempt has nine of its own.
    assert first.boundaries > 40
    for evidence in swept:
        assert [life.ended_by for life in evidence.lives] == ["crash", "end"]
        assert judged(evidence).is_sound, judged(evidence).story


@pytest.mark.slow
def test_a_boundary_tells_what_is_durable() -> None:
    """Before a commit is durable a crash leaves nothing of it, after that all of it, and the log says which it was."""
    world = scenario(_WORLD.replace("CRASH", _EVERY))
    places = {evidence.crash_at[0]: evidence.lives[0].where for evidence in list(runs_of(world, 1, twice=False))[1:]}
    kinds = {where.partition(" of ")[0].partition(",")[0] for where in places.values()}
    assert kinds == {
        *("before_write", "before_sync", "before_answer"),
        *("before a request leaves", "after a request has left", "after an answer is here"),
    }
    for boundary, where in places.items():
        if "before_answer of 1 events" in where:
            earlier, later = (_durable_at_the_crash(boundary - 1), _durable_at_the_crash(boundary))
            assert later == earlier + 1, where


def _durable_at_the_crash(boundary: int) -> int:
    evidence = run_once(scenario(_WORLD.replace("CRASH", _EVERY)), 1, crash_at=(boundary,))
    crashed_us = evidence.lives[0].ended_us
    return sum(entry.at_us <= crashed_us for entry in evidence.events)


def test_the_daemon_is_down_for_as_long_as_the_file_says() -> None:
    """After a crash the next life begins that much later, at the instant at which the last one ended."""
    world = scenario(_WORLD.replace("CRASH", '{ boundaries = "every", down = "17s" }'))
    crashed, restarted = run_once(world, 1, crash_at=(30,)).lives
    assert restarted.began_us - crashed.ended_us == 17 * SECOND_US


@pytest.mark.parametrize(("boundaries", "at_most", "runs"), [(200, 1_000, 200), (200, 7, 7), (3, 3, 3), (1, 5, 1)])
def test_a_sweep_is_spread_evenly(boundaries: int, at_most: int, runs: int) -> None:
    """No more runs than allowed, all different, over the whole run, and elsewhere under another seed."""
    crash = Crash(at_most=at_most)
    chosen = [boundary for (boundary,) in crashes_of(crash, boundaries, seed=3)]
    assert len(set(chosen)) == runs
    assert 1 <= min(chosen) <= max(chosen) <= boundaries
    gaps = [later - earlier for earlier, later in pairwise(chosen)]
    assert all(abs(gap - boundaries / runs) <= 1 for gap in gaps)
    if runs < boundaries:
        assert chosen != [boundary for (boundary,) in crashes_of(crash, boundaries, seed=4)]


def test_a_second_crash_hits_the_recovery() -> None:
    """With a share of one each run crashes twice, the second time soon after the first, and the laws hold."""
    world = scenario(_WORLD.replace("CRASH", '{ boundaries = "every", at_most = 12, again = 1.0 }'))
    swept = list(runs_of(world, 2, twice=False))[1:]
    assert all(0 < later - earlier <= 24 for earlier, later in (evidence.crash_at for evidence in swept))
    # A second crash that would come after the end of the run never does.
    assert {len(evidence.lives) for evidence in swept} <= {2, 3}
    assert sum(len(evidence.lives) == 3 for evidence in swept) > len(swept) // 2
    assert [breach for evidence in swept for breach in breaches(evidence)] == []


def test_what_was_under_way_may_arrive_after_the_crash() -> None:
    """Of requests that had left when the power went out some arrive and some do not; both are in doubt, and resent."""
    text = """\
[[arrive]]
count = 40
channel = "webhook"
to = "https://shop{n}.example/orders"
[[provider]]
latency = { median = "4s" }
[[fault]]
at = "1500ms"
daemon = "crash"
"""
    evidence = run(text)
    first = [one for one in evidence.books.handed if one.attempt == 1]
    arrived = [one for one in first if one.arrives_us is not None]
    assert len(first) == 40
    assert 5 < len(arrived) < 35
    assert len(evidence.books.deliveries()) == 40 + len(arrived)
    assert set(statuses(evidence).values()) == {"delivered"}
