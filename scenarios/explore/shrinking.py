"""The smallest world in which the same still fails.

This file answers for every step keeping what failed: the same law, or the same expectation, missed in the same way.
Parts are left out by what they are called, so that what stays is as it was: everything else is drawn by its own key.
"""

import copy
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from adapters.config.loading import Mistaken
from scenarios.explore.missing import Miss, is_missed_alike, miss_in
from scenarios.explore.reducing import fewest
from scenarios.explore.simpler import pruned, simpler_spans, without_each_key
from scenarios.explore.stock import Tree
from scenarios.explore.swarming import PARTS
from scenarios.explore.worlds import tables
from scenarios.file.loading import read_tree
from scenarios.laws.evidence import Evidence
from scenarios.laws.registry import LAWS
from scenarios.run.outcome import Outcome
from scenarios.run.running import run_once
from scenarios.world.ground import Parts

# In this order: what makes a run long comes first, so that the rest is tried on short ones.
_LISTS: Final = ("arrive", "device", "plan", "peer", "operator", "fault", "answered", "provider")
_ROUNDS_MAX: Final = 4
_SAME_SEED: Final = 11


class Failing(msgspec.Struct, frozen=True, kw_only=True):
    """What must still fail: a law by its number, or one expectation, as its table says it."""

    law: int | None = None
    expect: Mapping[str, object] | None = None

    def fails(self, tree: Tree, parts: Parts, first: Miss | None = None) -> bool:
        """Whether it does in the world of a tree; a tree that is no scenario fails in no way that counts.

        `first` is how the world that is being shrunk misses its expectation.
        """
        evidence = _run(tree, parts)
        if evidence is None:
            return False
        if self.law is None:
            return miss_in(evidence) is not None if first is None else is_missed_alike(first, evidence)
        if self.law == _SAME_SEED:
            twin = run_once(evidence.scenario, evidence.seed, parts=parts)
            evidence = msgspec.structs.replace(evidence, twin=twin.digest)
        (law,) = (law for law in LAWS if law.number == self.law)
        return next(law.judge(evidence), None) is not None

    def missed(self, tree: Tree, parts: Parts) -> Miss | None:
        """How the world of a tree misses the expectation; None where it is met, or where it is about a law."""
        evidence = None if self.expect is None else _run(tree, parts)
        return None if evidence is None else miss_in(evidence)


def _run(tree: Tree, parts: Parts) -> Evidence | None:
    try:
        scenario = read_tree(tree, Path("shrunk.toml"), lines={})
    except Mistaken:
        return None
    return run_once(scenario, scenario.seed, parts=parts)


def failing_of(outcome: Outcome, tree: Tree) -> Failing:
    """What a failed run is shrunk for: the first law that it broke, else the first expectation that it did not meet."""
    if outcome.breaches:
        return Failing(law=outcome.breaches[0].law)
    place = int(outcome.unmet[0].partition("]")[0].removeprefix("expect["))
    return Failing(expect=tables(tree, "expect")[place])


class Shrinker:
    """Shrinks one world. `parts` are those of the run that failed; `stepped` hears of every world that was tried."""

    def __init__(self, failing: Failing, *, parts: Parts = PARTS, stepped: Callable[[], None] = lambda: None) -> None:
        self._failing = failing
        self._parts = parts
        self._stepped = stepped
        self._first: Miss | None = None
        self.tried = 0

    def shrunk(self, tree: Tree) -> Tree | None:
        """The smallest world that was found; None where the world as it is written down does not fail."""
        found = copy.deepcopy(tree)
        found["expect"] = [] if self._failing.expect is None else [dict(self._failing.expect)]
        self._first = self._failing.missed(found, self._parts)
        if not self._fails(found):
            return None
        for _ in range(_ROUNDS_MAX):
            before = copy.deepcopy(found)
            found = self._fewer_crashes(found)
            for name in _LISTS:
                found = self._fewer(found, name)
            found = without_each_key(found, self._fails)
            found = simpler_spans(found, self._fails)
            if found == before:
                break
        return {name: value for name, value in found.items() if value not in ([], {})}

    def _fails(self, tree: Tree) -> bool:
        self.tried += 1
        self._stepped()
        return self._failing.fails(tree, self._parts, self._first)

    def _fewer_crashes(self, tree: Tree) -> Tree:
        others = [fault for fault in tables(tree, "fault") if "daemon" not in fault]
        crashes = [fault for fault in tables(tree, "fault") if "daemon" in fault]
        kept = fewest(crashes, lambda some: self._fails({**tree, "fault": [*others, *some]}))
        return {**tree, "fault": [*others, *kept]}

    def _fewer(self, tree: Tree, name: str) -> Tree:
        def world(some: object) -> Tree:
            return pruned({**tree, name: some})

        return world(fewest(tables(tree, name), lambda some: self._fails(world(list(some)))))


def shrunk(tree: Tree, failing: Failing, *, stepped: Callable[[], None], parts: Parts = PARTS) -> Tree | None:
    """See Shrinker."""
    return Shrinker(failing, parts=parts, stepped=partial(stepped)).shrunk(tree)
