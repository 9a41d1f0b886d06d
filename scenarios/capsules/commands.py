"""`capsule`: a stretch of a log as a scenario file, and how true one is.

This file answers for reading arguments and printing: 0 where it was done, 1 where nothing was found or a capsule does
not tell the same story, 2 for misuse. It reads the log beside a running daemon and never writes to it.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from adapters.cli.ending import Ended, misused
from adapters.cli.logfile import log_file, refusals_told
from adapters.cli.options import DATA, Data, Json, Store
from adapters.cli.printing import as_json, aside, line, progress

if TYPE_CHECKING:
    from eventstore.sqlite.reading import ReadOnlyLog
    from scenarios.capsules.cutting import Capsule
    from scenarios.capsules.fidelity import Fidelity, OfSeveral
    from scenarios.capsules.stretch import Stretch

T = TypeVar("T")
Heard = Callable[[int], None]

_SINCE = typer.Option(help="From then on, such as 2026-01-30T08:00:00Z")
_UNTIL = typer.Option(help="Until before then. Default: the end of the log")
_OUT = typer.Option("-o", "--out", help="Where to write it. Default: to standard output", dir_okay=False)
_CHECK = typer.Option(
    "--check", help="Run this capsule and hold it against the log", exists=True, dir_okay=False, readable=True
)
_ALIKE = typer.Option(help="With --check: the share of messages that must tell the same story", min=0, max=1)


def mount(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("capsule")(_capsule)


def _capsule(
    *,
    since: Annotated[str | None, _SINCE] = None,
    until: Annotated[str | None, _UNTIL] = None,
    out: Annotated[Path | None, _OUT] = None,
    check: Annotated[Path | None, _CHECK] = None,
    alike: Annotated[float, _ALIKE] = 0.95,
    data: Data = DATA,
    store: Store = None,
    json_: Json = False,
) -> None:
    """Cuts a stretch of a log into a scenario file without personal data, or checks how true such a file is."""
    file = log_file(store, data)
    if check is not None:
        if since or until or out:
            raise misused("--check takes the stretch from the capsule, so it does not go with --since, --until and -o.")
        _tell_fidelity(_checked(check, file), alike, json_=json_)
        return
    since_us = _instant("--since", since)
    until_us = (1 << 62) if until is None else _instant("--until", until)
    if since_us >= until_us:
        raise misused("--since must lie before --until.")
    _write(_cut(file, since_us, until_us), out, json_=json_)


def _instant(option: str, text: str | None) -> int:
    from adapters.moments import instant_us

    found = None if text is None else instant_us(text)
    if found is None:
        raise misused(f"{option} {text or 'is missing: it'} is no instant such as 2026-01-30T08:00:00Z.")
    return found


def _cut(file: Path, since_us: int, until_us: int) -> "Capsule":
    from adapters.chance import fresh_installation_key
    from scenarios.capsules.cutting import capsule_of
    from scenarios.capsules.privacy import leaks
    from scenarios.capsules.stretch import read_stretch

    async def cut(log: "ReadOnlyLog", heard: Heard) -> "tuple[Capsule, list[str]]":
        stretch = await read_stretch(log, since_us, until_us, heard)
        capsule = capsule_of(stretch, fresh_installation_key())
        rows = [row for stream in capsule.streams if (row := await log.sealed_of(stream)) is not None]
        return capsule, leaks(capsule.text, rows, capsule.ours)

    capsule, found = _read(file, cut)
    if not capsule.messages:
        raise Ended("The log has no message in that stretch.")
    if found:
        raise Ended(f"Nothing was written, since private texts stand in the capsule: {', '.join(found[:10])}.")
    return capsule


def _checked(capsule: Path, file: Path) -> "Fidelity":
    from adapters.config.loading import Mistaken
    from scenarios.capsules.fidelity import fidelity_of
    from scenarios.capsules.naming import cast_of
    from scenarios.capsules.stretch import read_stretch
    from scenarios.file.loading import load
    from scenarios.run.running import run_once

    try:
        scenario = load(capsule)
    except Mistaken as mistaken:
        aside(str(mistaken))
        raise misused("the scenario cannot be run") from None
    since_us, until_us = scenario.start_us, scenario.start_us + scenario.runs_for_us

    async def read(log: "ReadOnlyLog", heard: Heard) -> "Stretch":
        return await read_stretch(log, since_us, until_us, heard)

    stretch = _read(file, read)
    with progress() as bar:
        bar.add_task("running it again", total=None)
        again = run_once(scenario, scenario.seed)
    return fidelity_of(stretch, cast_of(stretch), again)


def _read(file: Path, ask: "Callable[[ReadOnlyLog, Heard], Awaitable[T]]") -> T:
    """What is asked of a log that somebody else may be writing."""
    import anyio

    from eventstore.sqlite.reading import ReadOnlyLog

    async def asked(heard: Heard) -> T:
        log = await ReadOnlyLog.read(file)
        try:
            return await ask(log, heard)
        finally:
            await log.close()

    with refusals_told(), progress() as bar:
        task = bar.add_task("events", total=None)
        return anyio.run(asked, lambda events: bar.update(task, completed=events))


def _write(capsule: "Capsule", out: Path | None, *, json_: bool) -> None:
    from msgspec.structs import asdict

    if out is None and not json_:
        line(capsule.text.removesuffix("\n"))
        return
    if out is not None:
        try:
            out.write_text(capsule.text, encoding="utf-8")
        except OSError as error:
            raise Ended(f"{out} cannot be written: {error.strerror}.") from None
    if json_:
        shown = {name: value for name, value in asdict(capsule).items() if name not in {"streams", "ours"}}
        as_json({**shown, "text": None if out is not None else capsule.text})
        return
    carried = f" ({capsule.carried} of them open before)" if capsule.carried else ""
    line(f"Messages: {capsule.messages}{carried}. Recorded answers: {capsule.answers}. Outages: {capsule.outages}.")
    line("No address, content, reference or key of any of them is in the file. Left out:")
    for sentence in capsule.left_out:
        line(f"- {sentence}")


def _tell_fidelity(fidelity: "Fidelity", alike: float, *, json_: bool) -> None:
    from msgspec import to_builtins

    from adapters.cli.printing import span

    if json_:
        as_json({"ok": fidelity.share >= alike, "share": fidelity.share, **to_builtins(fidelity)})
    else:
        tolerance = span(fidelity.tolerance_us / 1_000_000)
        line(
            f"{fidelity.alike} of {fidelity.messages} messages tell the same story ({fidelity.share:.1%}):"
            f" the same events in the same order, each within {tolerance}."
        )
        if fidelity.carried:
            line(f"Of the {fidelity.carried} that were open before, {fidelity.carried_alike} do.")
        line(f"The log has {fidelity.events} events; alike ones are {fidelity.apart_us / 1_000:.0f} ms apart at most.")
        if fidelity.several is not None:
            _tell_several(fidelity.several)
        if fidelity.first is not None:
            line(f"The first difference is {fidelity.first}.")
    if fidelity.share < alike:
        raise Ended


def _tell_several(several: "OfSeveral") -> None:
    again = f"{several.retold}" if several.apart_us is None else f"each within {several.apart_us / 1_000:.0f} ms of it"
    line(f"Changes of the daemon that acts: {several.recorded}, in the re-run {again}. What cannot be told of several:")
    for sentence in several.untold:
        line(f"- {sentence}")
