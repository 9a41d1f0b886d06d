"""Many seeds of many files, in parallel processes.

This file answers for every seed of every file being judged once, and for telling how far it has got. A process runs its
seeds one after another, each in a world of its own.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from scenarios.file.loading import load
from scenarios.file.scenario import Scenario
from scenarios.run.judging import judged, runs_of
from scenarios.run.outcome import Outcome
from scenarios.run.pool import spread

# Seeds that a process takes at once: enough to be worth the message, few enough to keep all of them busy to the end.
_CHUNK: Final = 10
# Of so many seeds one is run twice and its logs are compared.
TWICE_EVERY: Final = 20

Work = tuple[str, tuple[int, ...]]


def swarm(files: Sequence[tuple[str, int]], runs: int, *, processes: int | None = None) -> Iterator[list[Outcome]]:
    """The outcomes of `runs` seeds of each file, counted up from the file's first, chunk by chunk as they are done."""
    work: list[Work] = [
        (file, tuple(range(first + begin, first + min(begin + _CHUNK, runs))))
        for begin in range(0, runs, _CHUNK)
        for file, first in files
    ]
    yield from spread(judge_seeds, work, processes=processes)


def judge_seeds(work: Work) -> list[Outcome]:
    """The outcomes of some seeds of a file, in this process."""
    file, seeds = work
    scenario = _scenario(file)
    return [judged(evidence) for seed in seeds for evidence in runs_of(scenario, seed, twice=seed % TWICE_EVERY == 0)]


@cache
def _scenario(file: str) -> Scenario:
    return load(Path(file))
