"""Many seeds of many files, in parallel processes.

This file answers for every seed of every file being judged once, and for telling how far it has got. A process runs its
seeds one after another, each in a world of its own.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from scenarios.file.loading import load
from scenarios.file.scenario import Scenario
from scenarios.run.judging import judged, runs_of
from scenarios.run.outcome import Outcome

# Seeds that a process takes at once: enough to be worth the message, few enough to keep all of them busy to the end.
_CHUNK: Final = 10
# Of so many seeds one is run twice and its logs are compared.
_TWICE_EVERY: Final = 20

Work = tuple[str, tuple[int, ...]]


def swarm(files: Sequence[tuple[str, int]], runs: int, *, processes: int | None = None) -> Iterator[list[Outcome]]:
    """The outcomes of `runs` seeds of each file, counted up from the file's first, chunk by chunk as they are done."""
    work = [
        (file, tuple(range(first + begin, first + min(begin + _CHUNK, runs))))
        for begin in range(0, runs, _CHUNK)
        for file, first in files
    ]
    # Fresh processes: what a fork would bring along (threads, open files) has no business in a simulated run.
    with ProcessPoolExecutor(processes or _processors(), mp_context=get_context("spawn")) as pool:
        futures: list[Future[list[Outcome]]] = [pool.submit(judge_seeds, file, seeds) for file, seeds in work]
        try:
            yield from (future.result() for future in as_completed(futures))
        finally:
            for future in futures:
                future.cancel()


def judge_seeds(file: str, seeds: Sequence[int]) -> list[Outcome]:
    """The outcomes of some seeds of a file, in this process."""
    scenario = _scenario(file)
    return [judged(evidence) for seed in seeds for evidence in runs_of(scenario, seed, twice=seed % _TWICE_EVERY == 0)]


@cache
def _scenario(file: str) -> Scenario:
    return load(Path(file))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
