"""`devices`: which devices a user has, and which of them get pushes.

This file answers for reading arguments and printing answers. It must never ask for a token, nor show one.
"""

from typing import Annotated, cast

import typer

from adapters.cli.options import DATA, Data, Json, Key, Tenant, Url
from adapters.cli.printing import as_json, instant, line, table
from adapters.cli.remote import Answer, reach

User = Annotated[str, typer.Argument(metavar="USER", help="A user, as your application names them")]


def mount(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("devices")(_devices)


def _devices(
    user: User, *, url: Url = None, key: Key = None, data: Data = DATA, tenant: Tenant = None, json_: Json = False
) -> None:
    """Shows a user's devices and whether they get pushes."""
    answer = reach(url, key, data, tenant).get("v1", "devices", user)
    if json_:
        as_json(answer)
        return
    devices = cast("list[Answer]", answer["devices"])
    if not devices:
        line(f"{user} has no devices.")
        return
    table(
        ("device", "status", "platform", "app", "last seen (UTC)", "code"),
        (
            (one["device"], one["status"], one["platform"], one["app"] or None, instant(one["seen_at"]), one["code"])
            for one in devices
        ),
    )
