"""The swarm: worlds around a file that are files themselves, in which planted bugs are found and shrunk."""

import tomllib
from pathlib import Path

import pytest

from scenarios.explore.reducing import fewest
from scenarios.explore.stock import STOCK
from scenarios.explore.worlds import tables, world_of
from scenarios.file.loading import load, read
from scenarios.file.writing import text_of
from scenarios.laws.registry import breaches
from scenarios.run.running import run_once
from tests.promises.exploring import BASE, BUGS, FILE, found_by_the_swarm, smallest, tree

pytestmark = pytest.mark.slow

_FILES = sorted(Path("scenarios").glob("*.toml"))
# One that is found at once; the others are looked for in more worlds, some of which go on for long.
_QUICK = ("a channel that repeats by itself",)
_BUDGET = 60


def test_a_world_follows_from_file_and_seed() -> None:
    """The same seed makes the same world; others make others, in thirds under each order of steps."""
    worlds = [world_of(tree(), BASE, seed) for seed in range(12)]
    assert world_of(tree(), BASE, 7) == worlds[7]
    assert len({text_of(world.tree) for world in worlds}) == 12
    assert [world.scenario.schedule for world in worlds[:4]] == ["fifo", "walk", "pct", "fifo"]
    assert all(world.scenario.expects == () for world in worlds)


def test_a_world_is_a_file_like_any_other() -> None:
    """What is written of a world is read as the scenario that was run."""
    for seed in range(8):
        world = world_of(tree(), BASE, seed)
        assert read(text_of(world.tree), FILE) == world.scenario


def test_every_kind_of_fault_is_in_some_worlds_and_not_in_others() -> None:
    """No kind is always there, since some suppress what others would show; none is forgotten."""
    many = [len(world_of(tree(), BASE, seed).scenario.faults) for seed in range(60)]
    assert min(many) == 0
    assert max(many) > len(STOCK) // 2


def test_no_world_stays_slower_than_our_deadlines() -> None:
    """A provider whose answers take 20 s does so while the run lasts: after that every line can come to rest."""
    sides = [side for seed in range(40) for side in world_of(tree(), BASE, seed).scenario.providers]
    slow = [side for side in sides if side.latency.median_us >= 800_000]
    assert slow
    assert all(side.for_us == BASE.runs_for_us for side in slow)


@pytest.mark.slow
@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.stem)
def test_the_worlds_around_every_shipped_file_are_scenarios(file: Path) -> None:
    """Whatever a seed makes of a file is checked as the file is, and has no mistake."""
    base = load(file)
    for seed in range(40):
        assert world_of(_tree(file), base, seed).scenario.file == str(file)


def _tree(file: Path) -> dict[str, object]:
    return tomllib.loads(file.read_text(encoding="utf-8"))


def test_as_few_parts_as_do_it() -> None:
    """Of a hundred parts the three that matter are found in far fewer tries than there are parts of parts."""
    tried = 0

    def still(parts: object) -> bool:
        nonlocal tried
        tried += 1
        return isinstance(parts, list) and {7, 50, 93} <= set(parts)

    assert fewest(range(100), still) == [7, 50, 93]
    assert tried < 120
    assert fewest([1, 2], lambda _parts: True) == []


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in _QUICK else pytest.mark.slow) for name in BUGS]
)
def test_a_planted_bug_is_found_and_shrunk(name: str) -> None:
    """Within the budget, to a file of at most three messages and two faults that breaks the same law."""
    bug = BUGS[name]
    found = found_by_the_swarm(bug, seeds=_BUDGET)
    assert found is not None
    small = smallest(*found, bug)
    assert small is not None
    scenario = read(text_of(small), FILE)
    assert len(tables(small, "arrive")) <= 3
    assert len(tables(small, "fault")) <= 2
    evidence = run_once(scenario, scenario.seed, parts=bug.parts)
    assert bug.law in {breach.law for breach in breaches(evidence)}
