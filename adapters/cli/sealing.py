"""`seal`: signed checkpoints of the log, excerpts that prove one message's history, and the check of such an excerpt.

This file answers for printing what was sealed or found. The key and the checkpoints are files beside the log, which is
never written; the check needs neither.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.cli.ending import Ended, misused
from adapters.cli.logfile import heard, own_file, refusals_told
from adapters.cli.options import DATA, Data, Json, Store
from adapters.cli.printing import as_json, line

if TYPE_CHECKING:
    from eventstore.audit.excerpts import Excerpt


def mount(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("seal")(_seal)


def _seal(
    *,
    export: Annotated[
        str | None,
        typer.Option("--export", help="Print what proves this message's history to an outsider", metavar="ID"),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option("--check", help="Check such an excerpt, without any log", exists=True, dir_okay=False),
    ] = None,
    public_key: Annotated[
        str | None, typer.Option("--public-key", help="With --check: the key, or its file. Default: the one in --data")
    ] = None,
    data: Data = DATA,
    store: Store = None,
    json_: Json = False,
) -> None:
    """Signs where the log stands now, so that nobody can change or cut off what came before unnoticed.

    Checks what is new since the last checkpoint, and refuses to seal what does not hold.
    """
    if check is not None and export is not None:
        raise misused("--check and --export are two different things to do.")
    file = own_file(store, data, "sealed")
    if check is not None:
        _check(file, check, public_key, json_=json_)
    elif export is not None:
        _export(file, export)
    else:
        _sealed(file, json_=json_)


def _sealed(file: Path, *, json_: bool) -> None:
    from adapters.clock import SystemClock
    from adapters.sealing import public_path, sealing_seed
    from eventstore.sqlite.files import seals_path
    from eventstore.sqlite.opening import open_to_read
    from eventstore.sqlite.sealing import read_seals, seal

    with refusals_told(), heard("sealing") as hear:
        open_to_read(file).close()  # No key is made for a log that is not there.
        known = read_seals(seals_path(file))
        seed = sealing_seed(file, is_sealed=bool(known))
        made = seal(file, seed, SystemClock(floor_us=0).now_us(), hear)
    last = made or known[-1] if made or known else None
    if json_:
        shown = None if last is None else {"number": last.seal.number, "events": last.seal.up_to}
        as_json({"sealed": made is not None, "checkpoint": shown})
    elif made is None:
        line(f"{file}: nothing to seal since checkpoint {last.seal.number}." if last else f"{file}: no events yet.")
    else:
        seal_ = made.seal
        line(f"{file}: checkpoint {seal_.number} seals events {seal_.after + 1:,} to {seal_.up_to:,}.")
        line(f"Keep {seals_path(file)} and {public_path(file)} where whoever writes to the log cannot.")


def _export(file: Path, message: str) -> None:
    import msgspec

    from adapters.sealing import public_key
    from core.ids import decode
    from eventstore.sqlite.files import seals_path
    from eventstore.sqlite.sealing import excerpt, read_seals

    stream = decode("msg", message) or decode("hook", message)
    if stream is None:
        raise misused(f"--export {message} is no message's id.")
    with refusals_told():
        seals = read_seals(seals_path(file))
        if not seals:
            raise Ended(f"{file} is not sealed: run `tidings seal` first.")
        found = excerpt(file, stream, seals, message=message, public_key=public_key(file, None))
    # The number alone may be a lane's or a key's, and an excerpt must not call that a message.
    if found.events[0].type != "MessageAccepted":
        raise Ended(f"{file} knows nothing of {message}.")
    line(msgspec.json.format(msgspec.json.encode(found), indent=1).decode())


def _check(file: Path, place: Path, given: str | None, *, json_: bool) -> None:
    from adapters.moments import moment
    from adapters.sealing import public_key
    from eventstore.audit.excerpts import decoded, wrong_in

    with refusals_told():
        found = decoded(place.read_bytes())
        wrong = wrong_in(found, public_key(file, given))
        # What is not proved may be no event at all.
        events = [] if wrong else _told(found)
    if json_:
        as_json({"message": found.message, "events": events, "wrong": wrong, "proved": not wrong})
    else:
        for what in wrong:
            line(what)
        for event in events:
            line(f"{event['at']}  {event['version']:>3}  {event['type']}")
        until = max((seal.at_us for seal in found.checkpoints), default=0)
        verdict = f"{len(wrong)} fault(s)" if wrong else f"proved, as sealed at {moment(until):%Y-%m-%d %H:%M:%S} UTC"
        line(f"{found.message}: {len(found.events)} events: {verdict}.")
    if wrong:
        raise Ended


def _told(found: "Excerpt") -> list[dict[str, object]]:
    from msgspec import to_builtins

    from adapters.cloudevents import shown
    from eventstore.codec import recorded
    from eventstore.sqlite.searching import Found

    channel = "hook" if found.message.startswith("hook_") else ""
    events = (Found(recorded=recorded(event.row), channel=channel, conversation=0) for event in found.events)
    return [to_builtins(shown(event)) for event in events]
