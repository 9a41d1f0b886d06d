"""`log`: the events of a log, as far as it goes or as it grows, or those that answer to a question.

This file answers for printing events, one a line, and for the cursor from which to go on.
"""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Final, Literal, cast

import typer

from adapters.cli.ending import misused
from adapters.cli.logfile import log_file
from adapters.cli.logsearch import Question, export_log, search_log
from adapters.cli.options import DATA, Data, Json, Key, Store, Tenant, Url
from adapters.cli.printing import as_json, aside, instant, line
from adapters.cli.remote import Answer, Daemon, reach

Format = Literal["lines", "cloudevents"]

_PAGE: Final = 1_000


def mount(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("log")(_log)


def _log(
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as the log grows")] = False,
    after: Annotated[str | None, typer.Option(help="The cursor of an earlier look")] = None,
    limit: Annotated[int | None, typer.Option(help="So many events at most", min=1)] = None,
    types: Annotated[list[str] | None, typer.Option("--type", help="Only events of this kind; may be repeated")] = None,
    stream: Annotated[str | None, typer.Option(help="Only those of this message, lane, key or other stream")] = None,
    conversation: Annotated[str | None, typer.Option(help="Only those of this conversation and its messages")] = None,
    lane: Annotated[str | None, typer.Option(help="Only those of this lane and of messages in it")] = None,
    channel: Annotated[str | None, typer.Option(help="Only those of this channel")] = None,
    since: Annotated[str | None, typer.Option(help="From then on, such as 2026-01-30T08:00:00Z")] = None,
    until: Annotated[str | None, typer.Option(help="Before then")] = None,
    format_: Annotated[Format, typer.Option("--format", help="How to print each event")] = "lines",
    source: Annotated[str, typer.Option(help="With cloudevents: the source that they name")] = "/tidings",
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
    store: Store = None,
    tenant: Tenant = None,
    json_: Json = False,
) -> None:
    """Prints the events of the log, or follows it as it grows.

    One event a line; a cursor says where a later look goes on. What narrows, --store and --format cloudevents read the
    log itself, which needs no daemon.
    """
    question = Question(
        types=types,
        stream=stream,
        conversation=conversation,
        tenant=tenant,
        lane=lane,
        channel=channel,
        since=since,
        until=until,
    )
    if question.narrows or store is not None or format_ == "cloudevents":
        if follow or after is not None:
            raise misused("--follow and --after ask a daemon: they go with no filter, --store or --format.")
        if not source.strip():
            raise misused("--source is empty: expected a URI, such as https://tidings.example.com.")
        _read(log_file(store, data), question, limit, None if format_ == "lines" else source, json_=json_)
        return
    daemon = reach(url, key, data, tenant)
    if follow:
        _follow(daemon, after, limit, json_=json_)
    else:
        _page_through(daemon, after, limit, json_=json_)


def _read(file: Path, question: Question, limit: int | None, source: str | None, *, json_: bool) -> None:
    if source is not None:
        export_log(file, question, limit, source)
    else:
        search_log(file, question, limit, lambda event: _print(event, json_=json_))


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
