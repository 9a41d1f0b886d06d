"""`replay`: the state as of an instant, folded from the log in its file.

This file answers for finding the log and for printing what it comes to. It never writes, and may run beside a daemon.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from adapters.cli.ending import Ended, misused, sentence
from adapters.cli.options import DATA, Data, Json, Store
from adapters.cli.printing import line, progress, table

if TYPE_CHECKING:
    from adapters.config.store import Place, PostgresUrl
    from adapters.hindsight import Hindsight
    from adapters.overviews import Overview


def mount(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("replay")(_replay)


def _replay(
    *,
    at: Annotated[str | None, typer.Option(help="As of then, such as 2026-01-30T08:00:00Z. Default: the end")] = None,
    conversation: Annotated[str | None, typer.Option(help="Only this conversation, with its messages")] = None,
    data: Data = DATA,
    store: Store = None,
    json_: Json = False,
) -> None:
    """Shows the state as of an instant, folded from the log alone."""
    from adapters.moments import instant_us
    from core.ids import decode

    at_us = None if at is None else instant_us(at)
    if at is not None and at_us is None:
        raise misused(f"--at {at} is no instant such as 2026-01-30T08:00:00Z.")
    of = None if conversation is None else decode("conv", conversation)
    if conversation is not None and of is None:
        raise misused(f"--conversation {conversation} is no conversation's id.")
    file = log_file(store, data)
    if of is None:
        _print_whole(_seen_whole(file, at_us), json_=json_)
    else:
        _print_conversation(_seen(file, at_us, of), of, json_=json_)


def _seen(file: Path, at_us: int | None, of: int) -> "Hindsight":
    from adapters.hindsight import seen_at

    with refusals_told(), progress() as bar:
        task = bar.add_task("events", total=None)
        return seen_at(file, at_us, of, lambda events: bar.update(task, completed=events))


def _seen_whole(file: Path, at_us: int | None) -> "Overview":
    from adapters.overviews import overview_at

    with refusals_told(), progress() as bar:
        task = bar.add_task("events", total=None)
        return overview_at(file, at_us, lambda events: bar.update(task, completed=events))


def _print_whole(overview: "Overview", *, json_: bool) -> None:
    import msgspec

    from adapters.moments import moment
    from core.ids import encode

    counts = overview.counts
    open_until = {encode("conv", one): moment(until_us) for one, until_us in overview.open_until_us.items()}
    if json_:
        shown = {
            "at": moment(overview.at_us),
            "events": overview.events,
            "by_status": sum(map(Counter, counts.values()), Counter()),
            "by_lane": counts,
            "paused": overview.paused,
            "circuits_open_until": open_until,
            "parked_streams": len(overview.parked),
        }
        line(msgspec.json.encode(shown).decode())
        return
    line(f"After {overview.events:,} events, as of {moment(overview.at_us):%Y-%m-%d %H:%M:%S} UTC:")
    _print_counts(counts, overview.paused)
    for one, until in open_until.items():
        line(f"The circuit of {one} is {_circuit(until, moment(overview.at_us))}.")
    if overview.parked:
        line(f"{len(overview.parked)} streams hold events of a newer release and are left out from there.")


def _print_counts(counts: Mapping[str, Mapping[str, int]], paused: Mapping[str, str]) -> None:
    from core.views import ShownStatus

    present = [status for status in get_args(ShownStatus) if any(status in statuses for statuses in counts.values())]
    rows = (
        (lane, f"paused by {paused[lane]}" if lane in paused else "open", *(statuses.get(one) for one in present))
        for lane, statuses in counts.items()
    )
    table(("lane", "state", *present), rows)


def _print_conversation(hindsight: "Hindsight", of: int, *, json_: bool) -> None:
    import msgspec

    from adapters.moments import moment
    from adapters.web.states import MessageAnswer
    from core.ids import encode

    states = [MessageAnswer.of(state) for state in hindsight.of_conversation(of)]
    if not states:
        raise Ended(f"The log knows nothing of {encode('conv', of)} at that instant.")
    known = hindsight.conversations.get(of)
    until_us = None if known is None else known.circuit.open_until_us
    if json_:
        shown = {
            "at": moment(hindsight.at_us),
            "conversation": encode("conv", of),
            "circuit_open_until": None if until_us is None else moment(until_us),
            "messages": states,
        }
        line(msgspec.json.encode(shown).decode())
        return
    circuit = "closed" if until_us is None else _circuit(moment(until_us), moment(hindsight.at_us))
    line(f"{encode('conv', of)} as of {moment(hindsight.at_us):%Y-%m-%d %H:%M:%S} UTC, circuit {circuit}:")
    table(
        ("id", "status", "attempts", "due (UTC)", "reason"),
        ((one.id, one.status, one.attempts, one.due and f"{one.due:%Y-%m-%d %H:%M:%S}", one.reason) for one in states),
    )


def _circuit(until: datetime, at: datetime) -> str:
    """A circuit that has opened: once its time is over, one attempt may go as its probe."""
    return f"{'open until' if until > at else 'half-open since'} {until:%Y-%m-%d %H:%M:%S} UTC"


def log_file(store: str | None, data: Path) -> Path:
    """The file of the log that is meant; of one in PostgreSQL a copy as of now, which goes away with this process."""
    return file_of(log_place(store, data))


def file_of(place: "Place") -> Path:
    """The same of a log that is known already."""
    return place if isinstance(place, Path) else _copied(place)


def own_file(store: str | None, data: Path, purpose: str) -> Path:
    """The same for a command that needs the file itself."""
    place = log_place(store, data)
    if not isinstance(place, Path):
        raise misused(
            f"A log in PostgreSQL cannot be {purpose} in place: copy it to a file with `tidings copy --as-it-is`."
        )
    return place


def log_place(store: str | None, data: Path) -> "Place":
    """Where the log is that is meant: what --store names (relative to here, as paths are), or the file in --data."""
    from adapters.config.store import DEFAULT_NAME, EXPECTED, place_of

    if store is None:
        return data / DEFAULT_NAME
    if "://" not in store:
        return Path(store)
    found = place_of(store, data)
    if found is None:
        raise misused(f"--store names no log: expected a file, or {EXPECTED}.")
    return found


def _copied(place: "PostgresUrl") -> Path:
    import atexit
    from functools import partial
    from shutil import rmtree
    from tempfile import mkdtemp

    import anyio

    from eventstore.copying.copying import extract

    # A directory for its owner alone: the copy has what the log has, addresses and contents too.
    folder = Path(mkdtemp(prefix="tidings-"))
    atexit.register(rmtree, folder, ignore_errors=True)
    file = folder / "tidings.db"
    with refusals_told(), heard("reading") as hear:
        anyio.run(partial(extract, place.url.reveal(), file, hear))
    return file


@contextmanager
def refusals_told() -> Iterator[None]:
    """Ends the command with one clear line where the log cannot be read."""
    from core.errors import TidingsError

    try:
        yield
    except TidingsError as error:
        raise Ended(sentence(error)) from None


@contextmanager
def heard(what: str) -> Iterator[Callable[[int, int], None]]:
    """Shows how far long work has come: what it gives is told how many of how many steps are done."""
    if not sys.stderr.isatty():
        # Nobody looks, and all that draws a bar takes longer to import than a short log to read.
        yield lambda _done, _total: None
        return
    with progress() as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
