"""Marks: each place that a swarm should get to is one that a shipped scenario gets to."""

from itertools import islice
from pathlib import Path

import pytest

from scenarios.draws import Draws
from scenarios.file.loading import load
from scenarios.marks import MARKS, marks_of
from scenarios.run.judging import runs_of
from scenarios.run.running import run_once
from tests.promises.simulated import run

_FILES = sorted(Path(__file__).parents[2].joinpath("scenarios").glob("*.toml"))
# Of a file that crashes at boundaries so many runs are looked at: the one that does not crash, and some that do.
_RUNS = 6


@pytest.mark.slow
def test_each_mark_is_reached_by_a_shipped_scenario() -> None:
    """Whoever adds a mark shows a file that gets there: under its own seed, or with one of its first crashes."""
    missing = set(MARKS)
    scenarios = [load(file) for file in _FILES]
    for scenario in scenarios:
        missing -= marks_of(run_once(scenario, scenario.seed))
    for scenario in scenarios:
        if missing and scenario.crash is not None:
            for evidence in islice(runs_of(scenario, scenario.seed, twice=False), _RUNS):
                missing -= marks_of(evidence)
    assert missing == set()


def test_a_quiet_world_reaches_no_mark() -> None:
    """Where one message is taken at once nothing noteworthy happens, so that no mark says more than it should."""
    assert marks_of(run('[[arrive]]\nchannel = "email"\nto = "reader@example.com"\n')) == frozenset()


def test_marks_change_nothing() -> None:
    """Looking for marks leaves a run as it was: the log of a run that was looked at is that of one that was not."""
    scenario = load(_FILES[0])
    seed = Draws(scenario.seed).integer("any", below=1_000)
    looked_at, other = run_once(scenario, seed), run_once(scenario, seed)
    assert marks_of(looked_at) <= set(MARKS)
    assert looked_at.digest == other.digest
