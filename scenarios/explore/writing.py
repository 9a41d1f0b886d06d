"""Runs on their way into files: one run as it was, or the smallest world that still fails as one of them did.

This file answers for the file saying where it comes from, and for printing the one command that runs it.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from adapters.cli.ending import Unread
from adapters.cli.printing import aside, line, progress
from adapters.config.loading import parsed, text_of
from scenarios.explore.materialising import materialised
from scenarios.explore.shrinking import Failing, Shrinker, failing_of
from scenarios.explore.stock import Tree
from scenarios.explore.swarming import PARTS, world_around
from scenarios.file import writing
from scenarios.file.loading import load
from scenarios.laws.evidence import Evidence
from scenarios.run.outcome import Outcome
from scenarios.run.running import run_once
from scenarios.run.telling import command


def write_down(outcomes: Sequence[Outcome], out: Path, *, quiet: bool) -> None:
    """Writes the run that failed, or else the first, with everything that chance decided in it."""
    outcome = next((one for one in outcomes if not one.is_sound), outcomes[0])
    tree, evidence = _again(outcome)
    out.write_text(writing.text_of(materialised(tree, evidence)), encoding="utf-8")
    if not quiet:
        with suppress(Unread):
            line(f"Written down in {out}. Run it with: tidings simulate {out}")


def shrink(outcomes: Sequence[Outcome], out: Path, *, quiet: bool) -> None:
    """Writes the smallest world that fails as the first failed run did; nothing where all held."""
    outcome = next((one for one in outcomes if not one.is_sound and one.events), None)
    if outcome is None:
        aside("Everything held, so there is nothing to shrink.")
        return
    tree, evidence = _again(outcome)
    failing = failing_of(outcome, tree)
    with progress() as bar:
        task = bar.add_task("worlds tried", total=None)
        shrinker = Shrinker(failing, parts=PARTS, stepped=lambda: bar.advance(task))
        found = shrinker.shrunk(materialised(tree, evidence))
    if found is None:
        aside(f"The run fails only as it is, not when it is written down. Run it again with: {command(outcome)}")
        return
    out.write_text(writing.text_of(_named(found, failing, outcome)), encoding="utf-8")
    if not quiet:
        with suppress(Unread):
            line(f"Shrunk to {_size(found)} in {shrinker.tried} runs. Run it with: tidings simulate {out}")


def _again(outcome: Outcome) -> tuple[Tree, Evidence]:
    """A run once more, and the tree of the file that its world is."""
    if outcome.swarm:
        world = world_around(outcome.file, outcome.seed)
        return world.tree, run_once(world.scenario, outcome.seed, parts=PARTS, crash_at=outcome.crash_at)
    file = Path(outcome.file)
    return parsed(text_of(file), file), run_once(load(file), outcome.seed, crash_at=outcome.crash_at)


def _named(tree: Tree, failing: Failing, outcome: Outcome) -> Tree:
    what = f"law {failing.law}: {outcome.breaches[0].name}" if failing.law is not None else outcome.unmet[0]
    where = f"Seed {outcome.seed} of {Path(outcome.file).name}" + (", in the swarm," if outcome.swarm else "")
    return {**tree, "name": f"Broken, {what}", "why": f"{where} broke this, and was shrunk to what it takes."}


def _size(tree: Tree) -> str:
    counted = {"message": "arrive", "fault": "fault", "recorded answer": "answered"}
    sizes = {word: len(found) if isinstance(found := tree.get(name, []), list) else 0 for word, name in counted.items()}
    return ", ".join(f"{size} {word}{'' if size == 1 else 's'}" for word, size in sizes.items())
