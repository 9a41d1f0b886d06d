"""Small worlds for tests: a scenario from a few lines, and what a run of it left."""

from pathlib import Path

from scenarios.file.loading import read
from scenarios.file.scenario import Scenario
from scenarios.laws.evidence import Evidence
from scenarios.laws.registry import breaches
from scenarios.run.running import run_once

HEAD = """\
name = "A small world"
why = "A promise is looked at."
start = 2026-01-30T08:00:00Z
"""


def scenario(text: str, *, runs_for: str = "2h") -> Scenario:
    """A scenario; `text` may hold keys of the whole file before its first table."""
    return read(f'{HEAD}runs_for = "{runs_for}"\n{text}', Path("small.toml"))


def run(text: str, *, seed: int = 1, runs_for: str = "2h") -> Evidence:
    """A finished run in which every law held."""
    evidence = run_once(scenario(text, runs_for=runs_for), seed)
    assert breaches(evidence) == []
    return evidence


def statuses(evidence: Evidence) -> dict[str, str]:
    """The status of each message at the end, by its name in the world."""
    return {
        story.accepted.trace: evidence.durable.heads[story.stream].status
        for story in evidence.chronicle.stories.values()
    }
