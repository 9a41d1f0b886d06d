"""Every planted bug is shrunk to what it takes: a few messages, a crash at most, and the answers that matter."""

import tomllib

import pytest
from msgspec.structs import replace

from scenarios.explore.materialising import materialised
from scenarios.explore.shrinking import Failing, Shrinker
from scenarios.explore.worlds import tables
from scenarios.file.loading import load
from scenarios.laws.evidence import Evidence
from scenarios.laws.registry import breaches
from scenarios.run.judging import runs_of
from tests.planted import PLANTED, Planted

# A limit of ten is broken by the eleventh message.
_MESSAGES = {"limits begin anew after a restart": 11}
_STEPS_MAX = 300_000


def _broken(bug: Planted) -> Evidence:
    """The first run in which the bug shows."""
    base = load(bug.file)
    runs = (
        evidence
        for seed in range(base.seed, base.seed + bug.seeds)
        for evidence in runs_of(base, seed, twice=False, parts=bug.parts)
    )
    return next(evidence for evidence in runs if any(breach.law == bug.law for breach in breaches(evidence)))


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_shrunk_to_what_it_takes(name: str) -> None:
    """At most three messages and two faults break the same law."""
    bug = PLANTED[name]
    parts = replace(bug.parts, steps_max=_STEPS_MAX)
    tree = tomllib.loads(bug.file.read_text(encoding="utf-8"))
    small = Shrinker(Failing(law=bug.law), parts=parts).shrunk(materialised(tree, _broken(bug)))
    assert small is not None
    assert len(tables(small, "arrive")) <= _MESSAGES.get(name, 3)
    assert len(tables(small, "fault")) <= 2
