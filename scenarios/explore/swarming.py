"""A swarm of worlds around each file, in parallel processes.

This file answers for every seed's world being run and judged once, under the laws alone, and for a world that is no
scenario being told as the failure of this program that it is.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from adapters.config.loading import Mistaken, parsed, text_of
from scenarios.explore.stock import Tree
from scenarios.explore.worlds import World, world_of
from scenarios.file.loading import load
from scenarios.file.scenario import Scenario
from scenarios.marks import marks_of
from scenarios.run.judging import judged, runs_of
from scenarios.run.outcome import Outcome
from scenarios.run.pool import spread
from scenarios.run.swarming import TWICE_EVERY
from scenarios.world.ground import Parts

_CHUNK: Final = 10
# Worlds are small: one that has taken so many steps for each of its daemons gets nowhere, and there are thousands of
# others. Those of several never rest: each says that it lives, and listens to the others, however long a message waits.
STEPS_MAX: Final = 1_500_000
PARTS: Final = Parts(steps_max=STEPS_MAX)


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """Some seeds of a file; `marks`: whoever asked wants to know what was reached."""

    file: str
    seeds: tuple[int, ...]
    marks: bool


def swarm_around(
    files: Sequence[tuple[str, int]], runs: int, *, marks: bool, processes: int | None = None
) -> Iterator[list[Outcome]]:
    """The outcomes of `runs` worlds, shared out among the files; each one's seeds count up from the file's first."""
    shares = [(file, first, range(place, runs, len(files))) for place, (file, first) in enumerate(files)]
    chunks = [
        Chunk(file=file, seeds=tuple(range(first + begin, first + min(begin + _CHUNK, len(share)))), marks=marks)
        for begin in range(0, len(shares[0][2]), _CHUNK)
        for file, first, share in shares
        if begin < len(share)
    ]
    yield from spread(judge_worlds, chunks, processes=processes)


def judge_worlds(chunk: Chunk) -> list[Outcome]:
    """The outcomes of some worlds of a file, in this process."""
    return [_judged(chunk.file, seed, marks=chunk.marks) for seed in chunk.seeds]


def world_around(file: str, seed: int) -> World:
    """The world that a seed makes of a file."""
    tree, scenario = _base(file)
    return world_of(tree, scenario, seed)


def parts_of(scenario: Scenario) -> Parts:
    """What the daemons of a world are built from, and how many steps they have."""
    return msgspec.structs.replace(PARTS, steps_max=STEPS_MAX * scenario.daemons)


def _judged(file: str, seed: int, *, marks: bool) -> Outcome:
    try:
        world = world_around(file, seed)
    except Mistaken as mistaken:
        return _not_a_world(file, seed, str(mistaken))
    parts = parts_of(world.scenario)
    (evidence,) = runs_of(world.scenario, seed, twice=seed % TWICE_EVERY == 0, parts=parts)
    outcome = judged(evidence, swarm=True)
    return msgspec.structs.replace(outcome, marks=tuple(sorted(marks_of(evidence)))) if marks else outcome


def _not_a_world(file: str, seed: int, mistakes: str) -> Outcome:
    words = "the swarm made a world that is no scenario"
    return Outcome(
        file=file,
        seed=seed,
        crash_at=(),
        events=0,
        digest="",
        lives=0,
        boundaries=0,
        statuses={},
        deliveries=0,
        duplicates=0,
        breaches=(),
        unmet=(words,),
        story=f"{words}:\n{mistakes}",
        swarm=True,
    )


@cache
def _base(file: str) -> tuple[Tree, Scenario]:
    return parsed(text_of(Path(file)), Path(file)), load(Path(file))
