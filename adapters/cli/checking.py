"""`verify` and `rebuild`: whether a log is sound, and making again what follows from its events.

This file answers for printing what was found; eventstore looks and mends. `verify` never writes and may run beside a
daemon; `rebuild` needs the log for itself.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.cli.ending import Ended
from adapters.cli.logfile import file_of, heard, log_place, own_file, refusals_told
from adapters.cli.options import DATA, Data, Json, Store
from adapters.cli.printing import as_json, line

if TYPE_CHECKING:
    from adapters.config.store import Place
    from eventstore.audit.findings import Fault, InFlight, Report
    from eventstore.integrity import Progress


def mount(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("verify")(_verify)
    app.command("rebuild")(_rebuild)


def _verify(
    *,
    seals: Annotated[
        Path | None,
        typer.Option("--seals", help="Checkpoints that were kept elsewhere", exists=True, dir_okay=False),
    ] = None,
    public_key: Annotated[
        str | None, typer.Option("--public-key", help="The key of the checkpoints, or its file. Default: in --data")
    ] = None,
    data: Data = DATA,
    store: Store = None,
    json_: Json = False,
) -> None:
    """Checks the whole log and names everything that is wrong, the first of it first.

    Walks the chain of every shard, folds every stream, and compares what is kept beside the events.
    """
    from msgspec import to_builtins
    from msgspec.structs import replace

    place = log_place(store, data)
    with refusals_told(), heard("verifying") as hear:
        report = _report(place, hear)
    with refusals_told():
        known, sealed = _sealed(place, seals, public_key)
    report = replace(report, faults=(*report.faults, *sealed))
    try:
        if json_:
            as_json({**to_builtins(report), "checkpoints": known, "sound": not report.faults})
        else:
            _print(place, report, known)
    finally:
        # Also where nobody reads it to its end: the status of that would call the log sound.
        if report.faults:
            raise Ended


def _rebuild(*, data: Data = DATA, store: Store = None, json_: Json = False) -> None:
    """Makes the heads, counts and indices again from the events. No daemon may run meanwhile.

    They are made in a copy, which takes the log's place once `verify` finds nothing wrong in it.
    """
    from msgspec.structs import asdict

    from eventstore.sqlite.rebuilding import rebuild

    file = own_file(store, data, "rebuilt")
    with refusals_told(), heard("rebuilding") as hear:
        rebuilt = rebuild(file, hear)
    if json_:
        as_json(asdict(rebuilt))
    else:
        changes = f"{rebuilt.changed:,} heads were wrong or missing, {rebuilt.dropped:,} had no events"
        line(f"{file}: {rebuilt.messages:,} messages; {changes}.")


def _print(place: "Place", report: "Report", checkpoints: int) -> None:
    for fault in report.faults:
        line(str(fault))
    for attempt in report.in_flight:
        line(_told(attempt))
    verdict = f"{len(report.faults)} fault(s)" if report.faults else "sound"
    looked_at = f"{report.events:,} events, {report.streams:,} streams, {report.messages:,} messages"
    parked = f", {report.parked:,} of a newer release" if report.parked else ""
    out = f", {report.attempts_open:,} attempts open" if report.attempts_open else ""
    sealed = f", {checkpoints:,} checkpoints" if checkpoints else ""
    line(f"{place}: {looked_at}{parked}{sealed}{out}: {verdict}.")


def _report(place: "Place", hear: "Progress") -> "Report":
    if isinstance(place, Path):
        from eventstore.sqlite.checking import verify

        return verify(place, hear)
    from eventstore.postgres.checking import verify as verify_there

    return verify_there(place.url.reveal(), hear)


def _sealed(place: "Place", seals: Path | None, given: str | None) -> "tuple[int, list[Fault]]":
    """How many checkpoints there are, and what does not hold of them."""
    from eventstore.sqlite.files import seals_path

    if seals is None and not (isinstance(place, Path) and seals_path(place).is_file()):
        # What reads them takes longer to import than a short log to check.
        return 0, []
    from adapters.sealing import public_key
    from eventstore.sqlite.sealing import read_seals, verify_sealed

    file = file_of(place)
    checkpoints = read_seals(seals or seals_path(file))
    if seals is not None and not checkpoints:
        raise Ended(f"{seals} holds no checkpoint: nothing is known of what was sealed.")
    return len(checkpoints), verify_sealed(file, checkpoints, public_key(file, given)) if checkpoints else []


def _told(attempt: "InFlight") -> str:
    from adapters.moments import moment
    from core.ids import encode

    since = f"{moment(attempt.started_us):%Y-%m-%d %H:%M:%S} UTC"
    return f"{encode('msg', attempt.stream)}: attempt {attempt.attempt} in {attempt.lane} is open since {since}"
