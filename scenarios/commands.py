"""`simulate`: scenario files on virtual time, under every law.

This file answers for reading arguments and printing verdicts: 0 where all laws and expectations held, 1 where one did
not, 2 for a file or an option with a mistake.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.cli.ending import Ended, misused
from adapters.cli.options import Json
from adapters.cli.printing import as_json, aside, line, progress

if TYPE_CHECKING:
    from scenarios.file.scenario import Scenario
    from scenarios.run.outcome import Outcome

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Scenario files", exists=True, dir_okay=False, readable=True)
]
Seed = Annotated[int | None, typer.Option(help="The seed, instead of the file's own; of several, the first", min=0)]
Runs = Annotated[int, typer.Option(help="So many seeds of each file, in parallel", min=1)]
CrashAt = Annotated[list[int] | None, typer.Option(help="Cut the power at this boundary of the run; may be repeated")]
Out = Annotated[Path | None, typer.Option("--trace", help="Write the whole log as lines of JSON", dir_okay=False)]
Plot = Annotated[Path | None, typer.Option("--plot", help="Write a picture of the run as SVG", dir_okay=False)]

# Failures that read alike are told once, and of the others no more than a person reads.
_TOLD_MAX = 5


def mount(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("simulate")(_simulate)


def _simulate(
    files: Files,
    *,
    seed: Seed = None,
    runs: Runs = 1,
    crash_at: CrashAt = None,
    trace: Out = None,
    plot: Plot = None,
    json_: Json = False,
) -> None:
    """Runs scenarios against the production actors on virtual time, and checks every law and expectation."""
    scenarios = _loaded(files)
    if runs > 1:
        if trace is not None or plot is not None or crash_at:
            raise misused("--trace, --plot and --crash-at show one run, so they do not go with --runs")
        outcomes = _swarm(scenarios, seed, runs, json_=json_)
    else:
        if (trace or plot) is not None and len(scenarios) > 1:
            raise misused("--trace and --plot show one log, so they take one file")
        outcomes = [
            outcome
            for scenario in scenarios
            for outcome in _one(
                scenario, scenario.seed if seed is None else seed, tuple(crash_at or ()), (trace, plot), json_=json_
            )
        ]
    is_sound = all(outcome.is_sound for outcome in outcomes)
    if json_:
        from msgspec import to_builtins

        as_json({"ok": is_sound, "runs": to_builtins(outcomes)})
    if not is_sound:
        raise Ended


def _loaded(files: Sequence[Path]) -> "list[Scenario]":
    from adapters.config.loading import Mistaken
    from scenarios.file.loading import load

    loaded, mistakes = [], []
    for file in files:
        try:
            loaded.append(load(file))
        except Mistaken as mistaken:
            mistakes.append(str(mistaken))
    if mistakes:
        aside("\n".join(mistakes))
        raise misused("the scenario cannot be run" if len(mistakes) == 1 else "the scenarios cannot be run")
    return loaded


def _one(
    scenario: "Scenario", seed: int, crash_at: tuple[int, ...], outs: tuple[Path | None, Path | None], *, json_: bool
) -> "list[Outcome]":
    """One seed of one file, told in full; `outs` are where its log and its picture go."""
    from scenarios.picture import writing
    from scenarios.run.judging import judged, runs_of
    from scenarios.run.running import run_once
    from scenarios.run.telling import timeline_text
    from scenarios.run.tracing import write

    found = [run_once(scenario, seed, crash_at=crash_at)] if crash_at else list(runs_of(scenario, seed, twice=True))
    outcomes = [judged(evidence) for evidence in found]
    # What is looked at is the run that failed, where one did.
    shown = next((n for n, outcome in enumerate(outcomes) if not outcome.is_sound), 0)
    trace, plot = outs
    if trace is not None:
        write(found[shown], trace)
    if plot is not None:
        writing.write([(f"{scenario.name} (seed {seed})", found[shown])], plot)
    if not json_:
        line(f"{scenario.name} (seed {seed})")
        for row in timeline_text(found[shown]):
            line(f"  {row}")
        _verdict(outcomes, outcomes[shown])
    return outcomes


def _verdict(outcomes: "Sequence[Outcome]", shown: "Outcome") -> None:
    if not shown.is_sound:
        line(shown.story)
        return
    statuses = ", ".join(f"{count} {status}" for status, count in shown.statuses.items())
    again = f", {shown.duplicates} of them twice" if shown.duplicates else ""
    line(f"  {statuses}; the other side took {shown.deliveries - shown.duplicates}{again}; {shown.events} events")
    crashed = f", also after a crash at each of {len(outcomes) - 1} boundaries" if len(outcomes) > 1 else ""
    line(f"  All laws and expectations hold{crashed}.")


def _swarm(scenarios: "Sequence[Scenario]", seed: int | None, runs: int, *, json_: bool) -> "list[Outcome]":
    """Many seeds of every file: a line a file, then the failures that differ."""
    from scenarios.run.swarming import swarm

    outcomes: list[Outcome] = []
    with progress() as bar:
        task = bar.add_task("seeds", total=runs * len(scenarios))
        for chunk in swarm([(scenario.file, scenario.seed if seed is None else seed) for scenario in scenarios], runs):
            outcomes += chunk
            bar.advance(task, len({outcome.seed for outcome in chunk}))
    outcomes.sort(key=lambda outcome: (outcome.file, outcome.seed, outcome.crash_at))
    if not json_:
        for scenario in scenarios:
            _summary(scenario, [outcome for outcome in outcomes if outcome.file == scenario.file])
        _differing([outcome for outcome in outcomes if not outcome.is_sound])
    return outcomes


def _summary(scenario: "Scenario", outcomes: "Sequence[Outcome]") -> None:
    failed = len({outcome.seed for outcome in outcomes if not outcome.is_sound})
    seeds = len({outcome.seed for outcome in outcomes})
    crashes = sum(len(outcome.crash_at) for outcome in outcomes)
    verdict = f"{failed} of {seeds} seeds FAILED" if failed else f"{seeds} seeds hold"
    more = f", {crashes} crashes at boundaries" if crashes else ""
    events = sum(outcome.events for outcome in outcomes)
    line(f"{scenario.file}: {verdict}{more}; {events:,} events")


def _differing(failed: "Sequence[Outcome]") -> None:
    told: dict[tuple[str, str], Outcome] = {}
    for outcome in failed:
        told.setdefault((outcome.file, outcome.failure), outcome)
    for (file, failure), outcome in list(told.items())[:_TOLD_MAX]:
        alike = sum(1 for other in failed if (other.file, other.failure) == (file, failure))
        line(f"\n{file}: {failure} ({alike} runs)")
        line(outcome.story)
    if len(told) > _TOLD_MAX:
        line(f"\nand {len(told) - _TOLD_MAX} failures of other kinds")
