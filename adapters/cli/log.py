"""`log`: the events of a daemon's log, as far as it goes or as it grows.

This file answers for printing events, one a line, and for the cursor from which to go on.
"""

from collections.abc import Mapping
from itertools import islice
from typing import Annotated, cast

import typer

from adapters.cli.options import DATA, Data, Json, Key, Tenant, Url
from adapters.cli.printing import as_json, aside, instant, line
from adapters.cli.remote import Answer, Daemon, reach

_PAGE = 1_000


def mount(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("log")(_log)


def _log(
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as the log grows")] = False,
    after: Annotated[str | None, typer.Option(help="The cursor of an earlier look")] = None,
    limit: Annotated[int | None, typer.Option(help="So many events at most", min=1)] = None,
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
    tenant: Tenant = None,
    json_: Json = False,
) -> None:
    """Prints the events of the log, or follows it as it grows.

    One event a line; a cursor says where a later look goes on.
    """
    daemon = reach(url, key, data, tenant)
    if follow:
        _follow(daemon, after, limit, json_=json_)
    else:
        _page_through(daemon, after, limit, json_=json_)


def _page_through(daemon: Daemon, after: str | None, limit: int | None, *, json_: bool) -> None:
    left = limit
    while left is None or left > 0:
        page = daemon.get("v1", "events", after=after, limit=min(_PAGE, left or _PAGE))
        events = cast("list[Answer]", page["events"])
        after = str(page["next"])
        for event in events:
            _print(event, json_=json_)
        left = None if left is None else left - len(events)
        if not page["more"]:
            break
    aside(f"go on with --after {after}")


def _follow(daemon: Daemon, after: str | None, limit: int | None, *, json_: bool) -> None:
    for cursor, event in islice(daemon.follow("v1", "events", "stream", after=after), limit):
        _print({**event, "cursor": cursor} if json_ else event, json_=json_)


def _print(event: Answer, *, json_: bool) -> None:
    if json_:
        as_json(event)
        return
    data = cast("Mapping[str, object]", event["data"])
    told = " ".join(f"{name}={_short(value)}" for name, value in data.items() if value not in (None, "", False))
    line(f"{instant(event['at'])}  {event['stream']} {event['version']:>3}  {event['type']}  {told}".rstrip())


def _short(value: object) -> str:
    if isinstance(value, Mapping):
        return ",".join(str(part) for name, part in value.items() if part and name != "detail")[:60]
    return str(value)[:60]
