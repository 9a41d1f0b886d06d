"""One seed of one scenario, judged: its run, the runs that crash at its boundaries, and a second one for comparison.

This file answers for which runs a seed stands for.
"""

from collections.abc import Iterator

import msgspec

from scenarios.draws import Draws
from scenarios.file.scenario import Scenario
from scenarios.file.tables import Crash
from scenarios.laws.evidence import Evidence
from scenarios.laws.registry import breaches
from scenarios.run.counting import COUNTERS
from scenarios.run.expecting import unmet
from scenarios.run.outcome import Outcome
from scenarios.run.running import run_once
from scenarios.run.telling import story_of
from scenarios.world.ground import Parts

# A second crash hits within so many boundaries of the first: those of a recovery, and of what comes right after it.
_AGAIN_WITHIN = 24


def runs_of(scenario: Scenario, seed: int, *, twice: bool, parts: Parts | None = None) -> Iterator[Evidence]:
    """Every run that a seed stands for. `twice` runs the first of them again, so that law 11 has something to judge."""
    parts = parts if parts is not None else Parts()
    first = run_once(scenario, seed, parts=parts)
    if twice:
        first = msgspec.structs.replace(first, twin=run_once(scenario, seed, parts=parts).digest)
    yield first
    if scenario.crash is not None:
        for crash_at in crashes_of(scenario.crash, first.boundaries, seed):
            yield run_once(scenario, seed, parts=parts, crash_at=crash_at)


def crashes_of(crash: Crash, boundaries: int, seed: int) -> list[tuple[int, ...]]:
    """Where each run of a sweep crashes: at every boundary, or at as many as the file allows, evenly spread."""
    draws = Draws(seed)
    count = min(boundaries, crash.at_most)
    offset = draws.draw("sweep")
    chosen = dict.fromkeys(1 + int((number + offset) * boundaries / count) for number in range(count))
    return [_crash_at(crash, min(boundary, boundaries), draws) for boundary in chosen]


def _crash_at(crash: Crash, boundary: int, draws: Draws) -> tuple[int, ...]:
    if draws.draw("again", boundary) >= crash.again:
        return (boundary,)
    return boundary, boundary + 1 + draws.integer("again at", boundary, below=_AGAIN_WITHIN)


def judged(evidence: Evidence, *, swarm: bool = False, store: str = "") -> Outcome:
    """A finished run under all laws and all that its file expects; `swarm` and `store` are as Outcome has them."""
    broken, missed = tuple(breaches(evidence)), tuple(unmet(evidence))
    statuses: dict[str, int] = {}
    for head in evidence.durable.heads.values():
        if head.kind == "msg":
            statuses[head.status] = statuses.get(head.status, 0) + 1
    bare = Outcome(
        file=evidence.scenario.file,
        seed=evidence.seed,
        crash_at=evidence.crash_at,
        events=len(evidence.durable.rows),
        digest=evidence.digest.hex(),
        lives=len(evidence.lives),
        boundaries=evidence.boundaries,
        statuses=dict(sorted(statuses.items())),
        deliveries=len(evidence.deliveries),
        duplicates=sum(1 for _ in COUNTERS["duplicates"](evidence, 0)),
        breaches=broken,
        unmet=missed,
        swarm=swarm,
        store=store,
    )
    return bare if bare.is_sound else msgspec.structs.replace(bare, story=story_of(evidence, bare))
