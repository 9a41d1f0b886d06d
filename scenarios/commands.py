"""`simulate`: scenario files on virtual time, under every law.

This file answers for reading arguments, and for the status: 0 where all laws and expectations held, 1 where one did
not, 2 for a file or an option with a mistake. What each way of exploring prints is explore/telling.py's business.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.cli.ending import Ended, Unread, misused, sentence
from adapters.cli.options import Json
from adapters.cli.printing import as_json, aside

if TYPE_CHECKING:
    from scenarios.file.scenario import Scenario
    from scenarios.run.outcome import Outcome
    from scenarios.run.stores import Store
    from scenarios.world.ground import Parts

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Scenario files", exists=True, dir_okay=False, readable=True)
]
Seed = Annotated[int | None, typer.Option(help="The seed, instead of the file's own; of several, the first", min=0)]
Runs = Annotated[int, typer.Option(help="So many seeds of each file, or with --swarm of all together", min=1)]
Swarm = Annotated[bool, typer.Option("--swarm", help="Worlds around the file: a seed chooses faults, paces and knobs")]
Sweep = Annotated[bool, typer.Option("--crash-sweep", help="Cut the power once at every boundary of the run")]
Again = Annotated[bool, typer.Option("--crash-again", help="With --crash-sweep: a second time during each recovery")]
CrashAt = Annotated[list[int] | None, typer.Option(help="Cut the power at this boundary of the run; may be repeated")]
Marks = Annotated[bool, typer.Option("--marks", help="With --swarm: fail where a mark was never reached")]
Place = Annotated[
    str,
    typer.Option(
        help="Where the log of a run is: memory; sqlite, a file that goes afterwards; or postgresql://user@host/database,"
        " in a database beside that one that goes afterwards"
    ),
]
Trace = Annotated[Path | None, typer.Option("--trace", help="Write the whole log as lines of JSON", dir_okay=False)]
Plot = Annotated[Path | None, typer.Option("--plot", help="Write a picture of the run as SVG", dir_okay=False)]
Written = Annotated[
    Path | None, typer.Option("--materialise", help="Write the run as a file without chance", dir_okay=False)
]
Shrunk = Annotated[
    Path | None, typer.Option("--shrink", help="Write the smallest file that still fails so", dir_okay=False)
]


# A dataclass, since nothing that a command's help imports may be as heavy as msgspec.
@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What somebody asked for, beside the files."""

    seed: int | None
    runs: int
    swarm: bool
    sweep: bool
    again: bool
    crash_at: tuple[int, ...]
    marks: bool
    store: str
    trace: Path | None
    plot: Path | None
    written: Path | None
    shrunk: Path | None

    @property
    def is_one_run(self) -> bool:
        """Whether each file is run but once."""
        return self.runs == 1 and not self.sweep

    def seed_of(self, scenario: "Scenario") -> int:
        """The seed, or the first of them."""
        return scenario.seed if self.seed is None else self.seed


def mount(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("simulate")(_simulate)


def _simulate(
    files: Files,
    *,
    seed: Seed = None,
    runs: Runs = 1,
    swarm: Swarm = False,
    crash_sweep: Sweep = False,
    crash_again: Again = False,
    crash_at: CrashAt = None,
    marks: Marks = False,
    store: Place = "memory",
    trace: Trace = None,
    plot: Plot = None,
    materialise: Written = None,
    shrink: Shrunk = None,
    json_: Json = False,
) -> None:
    """Runs scenarios against the production actors on virtual time, and checks every law and expectation."""
    wanted = Wanted(
        seed=seed,
        runs=runs,
        swarm=swarm,
        sweep=crash_sweep,
        again=crash_again,
        crash_at=tuple(crash_at or ()),
        marks=marks,
        store=store,
        trace=trace,
        plot=plot,
        written=materialise,
        shrunk=shrink,
    )
    _check(wanted, files)
    scenarios = _loaded(files)
    outcomes, is_sound = _explored(scenarios, wanted, _store(wanted, scenarios), quiet=json_)
    if json_:
        from msgspec import to_builtins

        with suppress(Unread):
            as_json({"ok": is_sound, "runs": to_builtins(outcomes)})
    if not is_sound:
        raise Ended


def _check(wanted: Wanted, files: Sequence[Path]) -> None:
    """Options that do not go together."""
    if not wanted.is_one_run and (wanted.trace is not None or wanted.plot is not None or wanted.crash_at):
        raise misused("--trace, --plot and --crash-at show one run, so they do not go with --runs or --crash-sweep")
    if len(files) > 1 and (wanted.trace or wanted.plot) is not None:
        raise misused("what --trace and --plot show is one log, which takes one file")
    if wanted.sweep and (wanted.runs > 1 or wanted.swarm):
        raise misused("--crash-sweep crashes one run of each file everywhere, so it takes neither --runs nor --swarm")
    if wanted.again and not wanted.sweep:
        raise misused("--crash-again goes with --crash-sweep")
    if wanted.marks and not wanted.swarm:
        raise misused("--marks goes with --swarm")
    if wanted.written is not None and (len(files) > 1 or not wanted.is_one_run):
        raise misused("--materialise writes one run, so it takes one file, and neither --runs nor --crash-sweep")


def _store(wanted: Wanted, scenarios: "Sequence[Scenario]") -> "Store | None":
    """The store that was asked for, None for the usual one. Ends the command where a scenario cannot be run there."""
    if wanted.store == "memory":
        return None
    from scenarios.run.stores import store_of

    store = store_of(wanted.store)
    if store is None:
        raise misused("--store is memory, sqlite or postgresql://user@host/database")
    if not wanted.is_one_run or wanted.swarm:
        what = "runs each file once, so it goes with none of --runs, --swarm and --crash-sweep"
        raise misused(f"--store {store.name} {what}")
    for scenario in scenarios:
        if words := store.unfit(scenario):
            raise misused(f"{scenario.file} cannot be run with --store {store.name}: {words}")
    return store


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


@contextmanager
def _parts(store: "Store | None") -> "Iterator[Parts | None]":
    """What a daemon is built from, where its log is not the usual one."""
    if store is None:
        yield None
        return
    from core.errors import StoreRefused

    try:
        with store.parts() as parts:
            yield parts
    except StoreRefused as error:
        raise Ended(sentence(error)) from None


def _explored(
    scenarios: "Sequence[Scenario]", wanted: Wanted, store: "Store | None", *, quiet: bool
) -> "tuple[list[Outcome], bool]":
    """The outcomes of all runs, and whether everything held that was asked about."""
    from scenarios.explore import telling, writing

    starts = [(scenario, wanted.seed_of(scenario)) for scenario in scenarios]
    if wanted.swarm and not wanted.is_one_run:
        outcomes = telling.swarmed(starts, wanted.runs, marks=wanted.marks, quiet=quiet)
    elif wanted.sweep:
        outcomes = telling.swept(starts, again=wanted.again, quiet=quiet)
    elif wanted.runs > 1:
        outcomes = telling.seeded(starts, wanted.runs, quiet=quiet)
    else:
        with _parts(store) as parts:
            shown = telling.Shown(
                crash_at=wanted.crash_at,
                swarm=wanted.swarm,
                trace=wanted.trace,
                plot=wanted.plot,
                parts=parts,
                store="" if store is None else store.name,
            )
            outcomes = [outcome for start in starts for outcome in telling.one(*start, shown, quiet=quiet)]
    is_sound = all(outcome.is_sound for outcome in outcomes)
    if wanted.marks and telling.missed(outcomes, quiet=quiet):
        is_sound = False
    if wanted.written is not None:
        writing.write_down(outcomes, wanted.written, quiet=quiet)
    if wanted.shrunk is not None:
        writing.shrink(outcomes, wanted.shrunk, quiet=quiet)
    return outcomes, is_sound
