"""Capsules of simulated logs, for tests: a world that is run, cut and run again."""

from pathlib import Path

from scenarios.capsules.cutting import Capsule, capsule_of
from scenarios.capsules.fidelity import Fidelity, fidelity_of
from scenarios.capsules.naming import cast_of
from scenarios.capsules.stretch import Gathering, Stretch
from scenarios.file.loading import read
from scenarios.file.scenario import Scenario
from scenarios.laws.evidence import Evidence
from scenarios.run.running import run_once

KEY = b"the key of one capsule, and of no other"


def stretch_of(evidence: Evidence, *, since_us: int = 0, until_us: int | None = None) -> Stretch:
    """A stretch of a run's log, its bounds being since the start."""
    scenario = evidence.scenario
    until_us = scenario.runs_for_us if until_us is None else until_us
    gathering = Gathering(scenario.start_us + since_us, scenario.start_us + until_us)
    gathering.take(evidence.events)
    return gathering.stretch()


def cut(evidence: Evidence, *, since_us: int = 0, until_us: int | None = None, key: bytes = KEY) -> Capsule:
    """The capsule of a stretch of a run."""
    return capsule_of(stretch_of(evidence, since_us=since_us, until_us=until_us), key)


def read_capsule(capsule: Capsule) -> Scenario:
    """The scenario that a capsule is."""
    return read(capsule.text, Path("capsule.toml"))


def retold(evidence: Evidence) -> tuple[Evidence, Fidelity]:
    """The re-run of a whole log's capsule, and how true it is."""
    stretch = stretch_of(evidence)
    again = run_once(read_capsule(capsule_of(stretch, KEY)), 99)
    return again, fidelity_of(stretch, cast_of(stretch), again)
