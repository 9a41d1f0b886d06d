"""Crashes everywhere: one run for each boundary that a file's run crosses, in parallel processes.

This file answers for every boundary being the place of one crash, and on demand of a second one during the recovery.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from scenarios.file.loading import load
from scenarios.file.scenario import Scenario
from scenarios.file.tables import Crash
from scenarios.laws.evidence import Evidence
from scenarios.run.judging import crashes_of, judged
from scenarios.run.outcome import Outcome
from scenarios.run.pool import spread
from scenarios.run.running import run_once

_CHUNK: Final = 10


class Crashes(msgspec.Struct, frozen=True, kw_only=True):
    """Some runs of one seed of a file, each with the boundaries at which its power goes out."""

    file: str
    seed: int
    crashes: tuple[tuple[int, ...], ...]


def places_of(evidence: Evidence, *, again: bool) -> list[tuple[int, ...]]:
    """Where the runs of a sweep crash, `evidence` being that of the run without any crash."""
    crash = Crash(at_most=max(1, evidence.boundaries), again=1.0 if again else 0.0)
    return crashes_of(crash, evidence.boundaries, evidence.seed)


def sweep(
    file: str, seed: int, places: list[tuple[int, ...]], *, processes: int | None = None
) -> Iterator[list[Outcome]]:
    """The outcomes of all runs, chunk by chunk as they are done."""
    chunks = [
        Crashes(file=file, seed=seed, crashes=tuple(places[begin : begin + _CHUNK]))
        for begin in range(0, len(places), _CHUNK)
    ]
    yield from spread(judge_crashes, chunks, processes=processes)


def judge_crashes(work: Crashes) -> list[Outcome]:
    """The outcomes of some of the runs, in this process."""
    scenario = _scenario(work.file)
    return [judged(run_once(scenario, work.seed, crash_at=crash_at)) for crash_at in work.crashes]


@cache
def _scenario(file: str) -> Scenario:
    return load(Path(file))
