"""`verify` and `rebuild`: whether a log is sound, and making again what follows from its events.

This file answers for printing what was found; eventstore looks and mends. `verify` never writes and may run beside a
daemon; `rebuild` needs the log for itself.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from adapters.cli.ending import Ended
from adapters.cli.logfile import log_file, refusals_told
from adapters.cli.options import DATA, Data, Json, Store
from adapters.cli.printing import as_json, line, progress


def mount(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("verify")(_verify)
    app.command("rebuild")(_rebuild)


def _verify(*, data: Data = DATA, store: Store = None, json_: Json = False) -> None:
    """Checks the whole log and names everything that is wrong.

    Walks the chain of every shard, folds every stream, and compares what is kept beside the events.
    """
    from msgspec.structs import asdict

    from eventstore.sqlite.checking import verify

    file = log_file(store, data)
    with refusals_told(), _heard("verifying") as heard:
        report = verify(file, heard)
    if json_:
        as_json({**asdict(report), "faults": [asdict(fault) for fault in report.faults], "sound": not report.faults})
    else:
        for fault in report.faults:
            line(str(fault))
        verdict = f"{len(report.faults)} fault(s)" if report.faults else "sound"
        looked_at = f"{report.events:,} events, {report.streams:,} streams, {report.messages:,} messages"
        parked = f", {report.parked:,} of a newer release" if report.parked else ""
        line(f"{file}: {looked_at}{parked}: {verdict}.")
    if report.faults:
        raise Ended


def _rebuild(*, data: Data = DATA, store: Store = None, json_: Json = False) -> None:
    """Makes the heads and counts again from the events. No daemon may run meanwhile."""
    from msgspec.structs import asdict

    from eventstore.sqlite.checking import rebuild

    file = log_file(store, data)
    with refusals_told(), _heard("rebuilding") as heard:
        rebuilt = rebuild(file, heard)
    if json_:
        as_json(asdict(rebuilt))
    else:
        changes = f"{rebuilt.changed:,} heads were wrong or missing, {rebuilt.dropped:,} had no events"
        line(f"{file}: {rebuilt.messages:,} messages; {changes}.")


@contextmanager
def _heard(what: str) -> Iterator[Callable[[int, int], None]]:
    with progress() as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
