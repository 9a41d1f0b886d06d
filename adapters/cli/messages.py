"""`list`, `show` and `cancel`: messages, asked of a daemon.

This file answers for reading arguments and printing answers; story.py tells what became of one message.
"""

from typing import Annotated, cast

import typer

from adapters.cli.options import DATA, Data, Json, Key, Tenant, Url
from adapters.cli.printing import as_json, aside, instant, line, table
from adapters.cli.remote import Answer, reach
from adapters.cli.story import told


def mount(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("list")(_list)
    app.command("show")(_show)
    app.command("cancel")(_cancel)


def _list(
    *,
    status: Annotated[str | None, typer.Option(help="One status, or several with commas between")] = None,
    channel: Annotated[str | None, typer.Option(help="Of this channel")] = None,
    lane: Annotated[str | None, typer.Option(help="Of this lane")] = None,
    conversation: Annotated[str | None, typer.Option(help="Of this conversation")] = None,
    reference: Annotated[str | None, typer.Option(help="With this reference")] = None,
    cause: Annotated[str | None, typer.Option(help="What this hook or message led to")] = None,
    before: Annotated[str | None, typer.Option(help="Older than this message")] = None,
    limit: Annotated[int, typer.Option(help="So many at most", min=1)] = 50,
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
    tenant: Tenant = None,
    json_: Json = False,
) -> None:
    """Lists messages, newest first."""
    daemon = reach(url, key, data, tenant)
    narrowed = {
        "status": status,
        "channel": channel,
        "lane": lane,
        "conversation": conversation,
        "reference": reference,
        "cause": cause,
    }
    found: list[Answer] = []
    following = before
    while len(found) < limit:
        page = daemon.get("v1", "messages", **narrowed, before=following, limit=min(500, limit - len(found)))
        found += cast("list[Answer]", page["messages"])
        following = cast("str | None", page["next"])
        if following is None:
            break
    if json_:
        as_json({"messages": found, "next": following})
        return
    table(
        ("id", "status", "channel", "lane", "attempts", "due (UTC)", "last error"),
        (
            (one["id"], _status(one), one["channel"], one["lane"], one["attempts"], instant(one["due"]), _error(one))
            for one in found
        ),
    )
    if following is not None:
        aside(f"There are more: --before {following}")


def _show(
    message: Annotated[str, typer.Argument(help="A message's id")],
    *,
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
    tenant: Tenant = None,
    json_: Json = False,
) -> None:
    """Tells what became of a message, from its first event to now."""
    daemon = reach(url, key, data, tenant)
    state = daemon.get("v1", "messages", message)
    events = cast("list[Answer]", daemon.get("v1", "messages", message, "events")["events"])
    if json_:
        as_json({"message": state, "events": events})
        return
    for sentence in told(state, events):
        line(sentence)


def _cancel(
    message: Annotated[str, typer.Argument(help="A message's id")],
    *,
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
    tenant: Tenant = None,
    json_: Json = False,
) -> None:
    """Cancels a message.

    One whose attempt is out is cancelled unless that attempt is taken.
    """
    state = reach(url, key, data, tenant).post("v1", "messages", message, "cancel")
    if json_:
        as_json(state)
    elif state["cancel_requested"]:
        line(f"{state['id']} is in flight: it is cancelled unless this attempt is taken.")
    else:
        line(f"{state['id']} is {state['status']}.")


def _status(state: Answer) -> str:
    return f"{state['status']} ({state['held_by']})" if state["held_by"] else str(state["status"])


def _error(state: Answer) -> str | None:
    error = state["last_error"]
    if not isinstance(error, dict):
        return None
    return f"{error['code']} {error['detail']}".strip()
