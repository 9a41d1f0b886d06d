"""Answers for capsules of logs in which people were forgotten: they tell it, and name nobody."""

from pathlib import Path
from typing import Final

import pytest

from core import events as e
from scenarios.file.loading import load
from scenarios.laws.registry import breaches
from scenarios.run.expecting import unmet
from scenarios.run.running import run_once
from tests.promises.capsules import cut, read_capsule, retold

_WORLDS: Final = Path(__file__).resolve().parents[1] / "planted" / "worlds"


@pytest.mark.parametrize("world", ["forgotten_in_flight", "forgotten_and_unwilling", "forgotten_before_a_crash"])
def test_a_capsule_forgets_whom_its_log_forgot(world: str) -> None:
    """The same people are forgotten again, what was open is cancelled by that alone, and what it expects is met."""
    evidence = run_once(load(_WORLDS / f"{world}.toml"), 1)
    again, _ = retold(evidence)
    assert unmet(again) == []
    assert breaches(again) == []
    for kind in (e.ErasureStarted, e.SubjectErased):
        counts = [sum(isinstance(entry.event, kind) for entry in one.events) for one in (evidence, again)]
        assert counts[0] == counts[1] > 0
    assert 'do = "cancel"' not in cut(evidence).text


def test_whoever_got_nothing_in_a_stretch_is_counted() -> None:
    """A capsule of the time after their last message cannot name them."""
    evidence = run_once(load(_WORLDS / "forgotten_and_unwilling.toml"), 1)
    capsule = cut(evidence, since_us=90_000_000, until_us=150_000_000)
    assert "people who were forgotten and got no message in this stretch (3)" in capsule.left_out
    assert read_capsule(capsule).operators == ()
