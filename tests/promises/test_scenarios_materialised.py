"""A run that is written down: nothing is left to chance, and the log is the same."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from scenarios.explore.materialising import materialised
from scenarios.explore.sweeping import Crashes, judge_crashes, places_of
from scenarios.file.loading import load, read
from scenarios.file.writing import text_of
from scenarios.laws.evidence import Evidence
from scenarios.run.running import run_once
from tests.promises.exploring import BASE, FILE, tree

_FILES = sorted(Path("scenarios").glob("*.toml"))
_SWEPT = [
    ("same_request_twice", False),
    ("receipts_before_outcomes", False),
    ("poison_message_at_the_head", False),
    ("same_request_twice", True),
]


def _by_stream(evidence: Evidence) -> Mapping[int, list[bytes]]:
    logs: dict[int, list[bytes]] = {}
    for entry in evidence.events:
        logs.setdefault(entry.stream, []).append(entry.link)
    return logs


def _written(whole: Mapping[str, object], evidence: Evidence) -> Evidence:
    """The run of what was written of a run."""
    scenario = read(text_of(materialised(whole, evidence)), FILE)
    assert all(arrive.repeat in {0, 1} and arrive.forged in {0, 1} for arrive in scenario.arrivals)
    assert not any(fault.answer for fault in scenario.faults)
    return run_once(scenario, scenario.seed)


@pytest.mark.parametrize("crash_at", [(), (31,), (40, 47)])
def test_what_is_written_down_gives_the_same_log(crash_at: tuple[int, ...]) -> None:
    """Every stream holds the same, with crashes and without; each attempt meets what is recorded of it."""
    evidence = run_once(BASE, 3, crash_at=crash_at)
    again = _written(tree(), evidence)
    assert _by_stream(again) == _by_stream(evidence)
    assert (again.books.modelled, again.books.recorded) == (0, len(evidence.books.met))
    assert len(again.lives) == len(evidence.lives) == 2 + len(crash_at)


def test_what_is_written_down_names_each_message_once() -> None:
    """As many tables as messages, each with its own number and instant, and the name that it had."""
    evidence = run_once(BASE, 3)
    scenario = read(text_of(materialised(tree(), evidence)), FILE)
    assert {f"{one.name}/{one.number}" for one in scenario.arrivals} == set(evidence.subjects)
    assert sum(one.repeat == 1 for one in scenario.arrivals) == sum(told.nth == 2 for told in evidence.books.told)


@pytest.mark.slow
@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.stem)
def test_every_shipped_file_can_be_written_down(file: Path) -> None:
    """One seed of each, with a crash in it: the same log, byte for byte."""
    whole = tomllib.loads(file.read_text(encoding="utf-8"))
    evidence = run_once(load(file), 5, crash_at=(23,))
    assert _written(whole, evidence).digest == evidence.digest


@pytest.mark.slow
@pytest.mark.parametrize(("name", "again"), _SWEPT)
def test_a_crash_anywhere_breaks_nothing(name: str, *, again: bool) -> None:
    """One crash at every boundary of a run, and a second one soon after: all laws hold."""
    file = f"scenarios/{name}.toml"
    whole = run_once(load(Path(file)), 5)
    places = places_of(whole, again=again)
    assert {place[0] for place in places} == set(range(1, whole.boundaries + 1))
    assert {len(place) for place in places} == {2 if again else 1}
    outcomes = judge_crashes(Crashes(file=file, seed=5, crashes=tuple(places)))
    assert [outcome.story for outcome in outcomes if outcome.breaches] == []
