"""`whatif`: a capsule or scenario under its own policies and under others, side by side.

This file answers for reading arguments and printing. How much of it was modelled is always printed: 0 where both runs
kept every law, 1 where one did not, 2 for a file with a mistake.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.cli.ending import Ended, misused
from adapters.cli.options import Json
from adapters.cli.printing import as_json, aside, line, progress, span, table

if TYPE_CHECKING:
    from scenarios.file.scenario import Scenario
    from scenarios.whatif.figures import Figures

_FILE = typer.Argument(metavar="FILE", help="A capsule or scenario", exists=True, dir_okay=False, readable=True)
_POLICY = typer.Option(
    help="A file with [policies.X] and [lanes.X.policy] that are laid over its own",
    exists=True,
    dir_okay=False,
    readable=True,
)
_PLOT = typer.Option(help="Write a picture of both runs as SVG", dir_okay=False)
_SEED = typer.Option(help="The seed, instead of the file's own", min=0)

Row = tuple[str, str, str, str]


def mount(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("whatif")(_whatif)


def _whatif(
    file: Annotated[Path, _FILE],
    *,
    policy: Annotated[Path, _POLICY],
    plot: Annotated[Path | None, _PLOT] = None,
    seed: Annotated[int | None, _SEED] = None,
    json_: Json = False,
) -> None:
    """Runs a world under its own policies and under others, and compares what comes out."""
    from scenarios.picture.writing import write
    from scenarios.run.running import run_once
    from scenarios.whatif.figures import figures_of

    own, other = _loaded(file, policy)
    chosen = own.seed if seed is None else seed
    runs = []
    with progress() as bar:
        task = bar.add_task("runs", total=2)
        for scenario in (own, other):
            runs.append(run_once(scenario, chosen))
            bar.advance(task)
        before, after = (figures_of(evidence) for evidence in runs)
    if plot is not None:
        write([(f"{own.name}: as it is", runs[0]), (f"{own.name}: {policy.name}", runs[1])], plot)
    if json_:
        from msgspec import to_builtins

        as_json({"ok": not (before.broken or after.broken), "own": to_builtins(before), "other": to_builtins(after)})
    else:
        _tell(own, policy, before, after)
    if before.broken or after.broken:
        raise Ended


def _loaded(file: Path, policy: Path) -> "tuple[Scenario, Scenario]":
    from adapters.config.loading import Mistaken
    from scenarios.file.loading import load
    from scenarios.whatif.overriding import under

    try:
        return load(file), under(file, policy)
    except Mistaken as mistaken:
        aside(str(mistaken))
        raise misused("the comparison cannot be made") from None


def _tell(own: "Scenario", policy: Path, before: "Figures", after: "Figures") -> None:
    line(own.name)
    table(("", "as it is", policy.name, "change"), [*_counts(before, after), *_times(before, after)])
    for words, figures in (("as it is", before), (policy.name, after)):
        whole = figures.recorded + figures.modelled
        line(f"{words}: {figures.modelled} of {whole} answers were modelled ({figures.modelled_share:.1%}).")
        for law in figures.broken:
            line(f"{words}: {law} does not hold.")


def _counts(before: "Figures", after: "Figures") -> list[Row]:
    names = (
        *("accepted", "delivered", "late", "dead", "expired", "cancelled"),
        *("open", "attempts", "duplicates", "recorded", "modelled"),
    )
    rows = [_row(_WORDS.get(name, name), getattr(before, name), getattr(after, name)) for name in names]
    for own, other in zip(before.peaks, after.peaks, strict=True):
        if own.count or other.count:
            words = f"peak of a {own.scope} in {span(own.within_us / 1_000_000)}"
            rows.append(_row(words, own.count, other.count))
    return rows


_WORDS = {
    "late": "late by over 1 min",
    "recorded": "answers recorded",
    "modelled": "answers modelled",
}


def _row(words: str, own: int, other: int) -> Row:
    return words, f"{own:,}", f"{other:,}", f"{other - own:+,}" if other != own else ""


def _times(before: "Figures", after: "Figures") -> list[Row]:
    rows: list[Row] = []
    for name, own in before.took_us.items():
        other = after.took_us[name]
        change = "" if own is None or other is None or own == other else f"{(other - own) / 1_000_000:+,.3f} s"
        rows.append((f"due to delivered, {_percentile(name)}", _time(own), _time(other), change))
    return rows


def _percentile(name: str) -> str:
    return "longest" if name == "p100" else name


def _time(took_us: int | None) -> str:
    return "-" if took_us is None else span(took_us / 1_000_000)
