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
from tests.promises.simulated import run

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


def test_an_erasure_from_before_a_stretch_cancels_in_it() -> None:
    """Nobody can name it any more, so each message that it ends is cancelled on its own, and for that reason alone."""
    evidence = run(
        '[disk]\nlatency = { median = "2s", p99 = "2s" }\n[[arrive]]\ncount = 5\nchannel = "email"\n'
        'to = "reader@example.com"\nsend_at = "1d"\n[[operator]]\nat = "20s"\ndo = "forget"\n'
    )
    begun = max(entry.at_us for entry in evidence.events if isinstance(entry.event, e.ErasureStarted))
    first = min(entry.at_us for entry in evidence.events if isinstance(entry.event, e.MessageCancelled))
    assert begun < first, "the stretch begins in between"
    capsule = cut(evidence, since_us=begun - evidence.scenario.start_us + 1)
    assert [order.do for order in read_capsule(capsule).operators] == ["cancel"] * 5


def test_a_stretch_names_nobody_by_what_came_later() -> None:
    """Whoever was forgotten before their first message of a stretch is counted, and that message stays as it was."""
    evidence = run_once(load(_WORLDS / "forgotten_and_unwilling.toml"), 1)
    capsule = cut(evidence, since_us=90_000_000)
    assert "people who were forgotten and got no message in this stretch (3)" in capsule.left_out
    assert [order.do for order in read_capsule(capsule).operators] == []
    assert capsule.messages == 3
