"""What each way of exploring prints: one run in full, or a line a file and then the failures that differ.

This file answers for words, and for telling how far things have got. With `quiet` nothing is printed. It must never end
a command since nobody reads it any more: the status says what came of all runs.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from adapters.cli.ending import Ended, Unread
from adapters.cli.printing import line, progress
from scenarios.explore.swarming import parts_of, swarm_around, world_around
from scenarios.explore.sweeping import places_of, sweep
from scenarios.file.scenario import Scenario
from scenarios.marks import MARKS, marks_of
from scenarios.picture import writing
from scenarios.run.judging import judged, runs_of
from scenarios.run.outcome import Outcome
from scenarios.run.running import run_once
from scenarios.run.swarming import swarm
from scenarios.run.telling import timeline_text
from scenarios.run.tracing import write
from scenarios.world.ground import Parts

# Failures that read alike are told once, and of the others no more than a person reads.
_TOLD_MAX: Final = 5
# What a shell takes for a program that Ctrl-C ended.
_CUT_SHORT: Final = 130

Start = tuple[Scenario, int]


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What one run is shown with: its crashes, whether its world is one of a swarm, and where log and picture go.

    `parts` are what its daemon is built from, None for the usual ones; `store` is where its log is then, in words.
    """

    crash_at: tuple[int, ...]
    swarm: bool
    trace: Path | None
    plot: Path | None
    parts: Parts | None = None
    store: str = ""


def one(scenario: Scenario, seed: int, shown: Shown, *, quiet: bool) -> list[Outcome]:
    """One seed of one file, told in full."""
    world = world_around(scenario.file, seed).scenario if shown.swarm else scenario
    parts = parts_of(world) if shown.swarm else shown.parts
    if shown.crash_at:
        found = [run_once(world, seed, crash_at=shown.crash_at, parts=parts or Parts())]
    else:
        found = list(runs_of(world, seed, twice=True, parts=parts))
    outcomes = [judged(evidence, swarm=shown.swarm, store=shown.store) for evidence in found]
    if shown.swarm:
        outcomes = [
            msgspec.structs.replace(outcome, marks=tuple(sorted(marks_of(evidence))))
            for outcome, evidence in zip(outcomes, found, strict=True)
        ]
    # What is looked at is the run that failed, where one did.
    place = next((n for n, outcome in enumerate(outcomes) if not outcome.is_sound), 0)
    if shown.trace is not None:
        write(found[place], shown.trace)
    if shown.plot is not None:
        writing.write([(f"{scenario.name} (seed {seed})", found[place])], shown.plot)
    if not quiet:
        with suppress(Unread):
            line(f"{scenario.name} (seed {seed})")
            for row in timeline_text(found[place]):
                line(f"  {row}")
            _verdict(outcomes, outcomes[place])
    return outcomes


def seeded(starts: Sequence[Start], runs: int, *, quiet: bool) -> list[Outcome]:
    """Many seeds of every file."""
    chunks = swarm([(scenario.file, seed) for scenario, seed in starts], runs)
    return _told(starts, gathered(chunks, "seeds", runs * len(starts)), quiet=quiet)


def swarmed(starts: Sequence[Start], runs: int, *, marks: bool, quiet: bool) -> list[Outcome]:
    """Many worlds, shared out among the files."""
    chunks = swarm_around([(scenario.file, seed) for scenario, seed in starts], runs, marks=marks)
    return _told(starts, gathered(chunks, "worlds", runs), quiet=quiet)


def swept(starts: Sequence[Start], *, again: bool, quiet: bool) -> list[Outcome]:
    """Every file's run, and a crash at each of its boundaries."""
    outcomes: list[Outcome] = []
    cut = ""
    for scenario, seed in starts:
        whole = run_once(scenario, seed)
        places = places_of(whole, again=again)
        found = gathered(sweep(scenario.file, seed, places), "crashes", len(places))
        outcomes += [judged(whole), *found.outcomes]
        cut = found.cut
        if cut:
            break
    return _told(starts, Gathered(outcomes=outcomes, cut=cut), quiet=quiet)


def missed(outcomes: Iterable[Outcome], *, quiet: bool) -> list[str]:
    """The marks that no run reached."""
    reached = {mark for outcome in outcomes for mark in outcome.marks}
    found = [mark for mark in MARKS if mark not in reached]
    if not quiet:
        with suppress(Unread):
            line(f"{len(MARKS) - len(found)} of {len(MARKS)} marks reached")
            for mark in found:
                line(f"  never reached: {mark}")
    return found


def _verdict(outcomes: Sequence[Outcome], shown: Outcome) -> None:
    if not shown.is_sound:
        line(shown.story)
        return
    statuses = ", ".join(f"{count} {status}" for status, count in shown.statuses.items())
    again = f", {shown.duplicates} of them twice" if shown.duplicates else ""
    line(f"  {statuses}; the other side took {shown.deliveries - shown.duplicates}{again}; {shown.events} events")
    crashed = f", also after a crash at each of {len(outcomes) - 1} boundaries" if len(outcomes) > 1 else ""
    what = "All laws hold" if shown.swarm else "All laws and expectations hold"
    line(f"  {what}{crashed}.")


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """The outcomes that came in. `cut` says how many of how many they are where somebody cut it short, else nothing."""

    outcomes: list[Outcome]
    cut: str = ""


def gathered(chunks: Iterator[list[Outcome]], what: str, total: int) -> Gathered:
    """What comes, until it is over or somebody has seen enough of it."""
    outcomes: list[Outcome] = []
    done = 0
    with progress() as bar:
        task = bar.add_task(what, total=total)
        try:
            for chunk in chunks:
                outcomes += chunk
                came = len({(outcome.file, outcome.seed, outcome.crash_at[:1]) for outcome in chunk})
                done += came
                bar.advance(task, came)
        except KeyboardInterrupt:
            return Gathered(outcomes=outcomes, cut=f"cut short after {done:,} of {total:,} {what}.")
    return Gathered(outcomes=outcomes)


def _told(starts: Sequence[Start], found: Gathered, *, quiet: bool) -> list[Outcome]:
    """Tells what was found. Where it was cut short that is all that comes of it."""
    outcomes = sorted(found.outcomes, key=lambda outcome: (outcome.file, outcome.seed, outcome.crash_at))
    if not quiet:
        with suppress(Unread):
            _told_in_short(starts, outcomes)
    if found.cut:
        raise Ended(found.cut, status=_CUT_SHORT)
    return outcomes


def _told_in_short(starts: Sequence[Start], outcomes: Sequence[Outcome]) -> None:
    for scenario, _ in starts:
        own = [outcome for outcome in outcomes if outcome.file == scenario.file]
        if own:
            _summary(scenario, own)
    _differing([outcome for outcome in outcomes if not outcome.is_sound])


def _summary(scenario: Scenario, outcomes: Sequence[Outcome]) -> None:
    failed = len({outcome.seed for outcome in outcomes if not outcome.is_sound})
    seeds = len({outcome.seed for outcome in outcomes})
    crashes = sum(len(outcome.crash_at) for outcome in outcomes)
    verdict = f"{failed} of {seeds} seeds FAILED" if failed else f"{seeds} seeds hold"
    more = f", {crashes} crashes at boundaries" if crashes else ""
    events = sum(outcome.events for outcome in outcomes)
    line(f"{scenario.file}: {verdict}{more}; {events:,} events")


def _differing(failed: Sequence[Outcome]) -> None:
    told: dict[tuple[str, str], Outcome] = {}
    for outcome in failed:
        told.setdefault((outcome.file, outcome.failure), outcome)
    for (file, failure), outcome in list(told.items())[:_TOLD_MAX]:
        alike = sum(1 for other in failed if (other.file, other.failure) == (file, failure))
        line(f"\n{file}: {failure} ({alike} runs)")
        line(outcome.story)
    if len(told) > _TOLD_MAX:
        line(f"\nand {len(told) - _TOLD_MAX} failures of other kinds")
