"""`plan set`, `plan show` and `plan cancel`: who is reminded of what and when, asked of a daemon.

This file answers for reading arguments and printing answers.
"""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, cast

import typer

from adapters.cli.ending import Ended, misused
from adapters.cli.options import DATA, Data, Json, Key, Tenant, Url
from adapters.cli.printing import as_json, aside, instant, line, table
from adapters.cli.remote import Answer, reach

Reference = Annotated[str, typer.Argument(help="The plan's name, such as event42")]


def mount(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(help="Sets, shows and cancels reminder plans.", no_args_is_help=True, rich_markup_mode=None)
    group.command("set")(_set)
    group.command("show")(_show)
    group.command("cancel")(_cancel)
    app.add_typer(group, name="plan")


def _set(
    reference: Reference,
    file: Annotated[Path, typer.Argument(metavar="FILE.json", help="The whole plan as JSON; - reads it")],
    *,
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
    tenant: Tenant = None,
    json_: Json = False,
) -> None:
    """Makes a plan what the file says. The same file again changes nothing."""
    _tell(reach(url, key, data, tenant).put("v1", "plans", reference, body=_read(file)), json_=json_)


def _show(
    reference: Reference,
    *,
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
    tenant: Tenant = None,
    json_: Json = False,
) -> None:
    """Shows a plan's messages and what became of them."""
    plan = reach(url, key, data, tenant).get("v1", "plans", reference)
    if json_:
        as_json(plan)
        return
    event, messages = cast("Answer", plan["event"]), cast("list[Answer]", plan["messages"])
    state = "cancelled" if plan["cancelled"] else plan["state"]
    line(f"{plan['reference']}, revision {plan['revision']}, {state}; begins {event['starts_at']}")
    table(
        ("participant", "reminder", "message", "status", "due (UTC)"),
        ((one["participant"], one["kind"], one["id"], one["status"], instant(one["due"])) for one in messages),
    )


def _cancel(
    reference: Reference,
    *,
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
    tenant: Tenant = None,
    json_: Json = False,
) -> None:
    """Cancels everything of a plan that is open."""
    _tell(reach(url, key, data, tenant).delete("v1", "plans", reference), json_=json_)


def _tell(change: Answer, *, json_: bool) -> None:
    if json_:
        as_json(change)
        return
    counts = ", ".join(f"{len(cast('list[str]', change[name]))} {name}" for name in ("created", "moved", "cancelled"))
    line(f"{change['reference']}, revision {change['revision']}: {counts}, {change['kept']} kept.")
    skipped = cast("list[Answer]", change["skipped"])
    for (kind, why), count in Counter((str(one["kind"]), str(one["why"])) for one in skipped).items():
        aside(f"No {kind} for {count}: {why}.")


def _read(file: Path) -> object:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Ended(f"The plan {file} cannot be read: {error}.") from None
    try:
        return json.loads(text)
    except ValueError as error:
        raise misused(f"{file} is no JSON: {error}.") from None
