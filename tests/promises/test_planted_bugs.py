"""Planted bugs: each is found by its law under one of its first seeds, and a sound daemon has none of them."""

import pytest

from scenarios.file.loading import load
from scenarios.laws.registry import breaches
from scenarios.run.running import run_once
from tests.planted import PLANTED


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found_by_its_law(name: str) -> None:
    """In its small world the law that names the bug finds it within a few seeds; with sound parts every law holds."""
    planted = PLANTED[name]
    scenario = load(planted.file)
    seeds = range(scenario.seed, scenario.seed + planted.seeds)
    assert [breach for seed in seeds for breach in breaches(run_once(scenario, seed))] == []
    found = [{one.law for one in breaches(run_once(scenario, seed, parts=planted.parts))} for seed in seeds]
    assert any(planted.law in laws for laws in found), found


def test_planted_bugs_are_of_every_kind() -> None:
    """At least a dozen of them, and more than half of the laws have one."""
    assert len(PLANTED) >= 12
    assert len({planted.law for planted in PLANTED.values()}) >= 6
