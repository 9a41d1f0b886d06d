"""`copy`: the whole log from one store to another, such as from a file to PostgreSQL and back.

This file answers for naming both stores, for the installation key going along, and for printing what was copied;
eventstore copies. No daemon may run on either.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.cli.ending import Ended, misused
from adapters.cli.logfile import heard, refusals_told
from adapters.cli.options import DATA, Data, Json
from adapters.cli.printing import as_json, aside, line

if TYPE_CHECKING:
    from adapters.config.store import Place
    from eventstore.copying.copying import Copied
    from eventstore.integrity import Progress


def mount(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("copy")(_copy)


def _copy(
    *,
    from_: Annotated[str, typer.Option("--from", help="The log: a file, or a URL as in the configuration")],
    to: Annotated[str, typer.Option("--to", help="An empty database, or a file that is not there yet")],
    as_it_is: Annotated[
        bool, typer.Option("--as-it-is", help="To a file: also a log that is not sound, such as to rebuild it")
    ] = False,
    data: Data = DATA,
    json_: Json = False,
) -> None:
    """Copies a whole log from a file to PostgreSQL, or back. No daemon may run on either.

    The events, their numbers and links, and all that follows from them. The log is verified, and read back from where
    it was copied to; until then nothing is there. The source stays as it is.
    """
    import anyio
    from msgspec.structs import asdict

    source, target = _place("--from", from_, data), _place("--to", to, data)
    if as_it_is and not isinstance(target, Path):
        raise misused("--as-it-is is for a copy to a file: a daemon is never given a log that is not sound.")
    with refusals_told(), heard("copying") as hear:
        copied = anyio.run(partial(_copied, source, target, hear, as_it_is=as_it_is))
    key = _take_key(source, target, data)
    if json_:
        as_json({"from": str(source), "to": str(target), **asdict(copied), "key": None if key is None else str(key)})
        return
    proved = "read back" if as_it_is else "verified and read back"
    line(f"{copied.events:,} events, {copied.messages:,} messages ({copied.rows:,} rows), {proved}.")
    line(f"From {source} to {target}.")
    if key is None:
        aside("The installation key did not go along: the daemon on the copy needs the one of this log.")
    else:
        line(f"The installation key is in {key}.")


def _place(option: str, given: str, data: Path) -> "Place":
    from adapters.config.store import EXPECTED, place_of

    found = Path(given) if "://" not in given else place_of(given, data)
    if found is None:
        raise misused(f"{option} names no log: expected a file, or {EXPECTED}.")
    return found


async def _copied(source: "Place", target: "Place", hear: "Progress", *, as_it_is: bool) -> "Copied":
    from adapters.chance import fresh_identity
    from eventstore.copying.copying import copy_to_file, copy_to_server

    if isinstance(source, Path) and not isinstance(target, Path):
        return await copy_to_server(source, target.url.reveal(), identity=fresh_identity(), hear=hear)
    if not isinstance(source, Path) and isinstance(target, Path):
        url = source.url.reveal()
        return await copy_to_file(url, target, identity=fresh_identity(), as_it_is=as_it_is, hear=hear)
    raise misused("--from and --to are a file and a database: for two of a kind use the store's own tools.")


def _take_key(source: "Place", target: "Place", data: Path) -> Path | None:
    """Where the installation key of the copy lies; None where the source has none in a file."""
    from adapters.installation import write_for_owner

    before, after = _key_of(source, data), _key_of(target, data)
    if not before.is_file():
        return after if after.is_file() else None
    key = before.read_text()
    if after.is_file() and after.read_text().strip() != key.strip():
        raise Ended(f"The log is copied, but {after} holds another key than {before}: put the right one there.")
    write_for_owner(after, key)
    return after


def _key_of(place: "Place", data: Path) -> Path:
    from adapters.installation import key_path, key_path_of

    return key_path(place) if isinstance(place, Path) else key_path_of(place.database, data)
