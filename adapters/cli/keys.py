"""`keys add`, `keys list` and `keys revoke`: who may ask a daemon for what.

This file answers for reading arguments and printing answers. A secret is printed once, alone on its line, and nowhere
else.
"""

from typing import Annotated, cast

import typer

from adapters.cli.ending import misused
from adapters.cli.options import DATA, Data, Json, Key, Url
from adapters.cli.printing import as_json, aside, instant, line, table
from adapters.cli.remote import Answer, reach


def mount(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(help="Adds, lists and revokes API keys.", no_args_is_help=True, rich_markup_mode=None)
    group.command("add")(_add)
    group.command("list")(_list)
    group.command("revoke")(_revoke)
    app.add_typer(group, name="keys")


def _add(
    *,
    role: Annotated[str, typer.Option(help="read, send, operate or admin; each includes those before it")],
    tenant: Annotated[str | None, typer.Option(help="For this tenant alone")] = None,
    all_tenants: Annotated[bool, typer.Option("--all-tenants", help="For all tenants")] = False,
    label: Annotated[str, typer.Option(help="What it is for")] = "",
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
    json_: Json = False,
) -> None:
    """Makes a key. Its secret is printed once and kept nowhere."""
    if (tenant is None) != all_tenants:
        raise misused("A key is for one tenant or for all: give either --tenant NAME or --all-tenants.")
    answer = reach(url, key, data).post("v1", "keys", body={"role": role, "tenant": tenant, "label": label})
    if json_:
        as_json(answer)
        return
    aside(f"{answer['id']}, role {answer['role']}, {_reach(answer)}. This is its secret, shown once:")
    line(str(answer["secret"]))


def _list(*, url: Url = None, key: Key = None, data: Data = DATA, json_: Json = False) -> None:
    """Lists keys, without their secrets."""
    answer = reach(url, key, data).get("v1", "keys")
    if json_:
        as_json(answer)
        return
    table(
        ("id", "tenant", "role", "label", "added (UTC)", "revoked"),
        (
            (one["id"], one["tenant"] or "all", one["role"], one["label"] or None, instant(one["added_at"]), _yes(one))
            for one in cast("list[Answer]", answer["keys"])
        ),
    )


def _revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="A key's id")],
    *,
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
    json_: Json = False,
) -> None:
    """Revokes a key at once."""
    reach(url, key, data).delete("v1", "keys", key_id)
    if json_:
        as_json({"id": key_id, "revoked": True})
    else:
        line(f"{key_id} opens nothing any more.")


def _reach(answer: Answer) -> str:
    return f"for tenant {answer['tenant']}" if answer["tenant"] else "for all tenants"


def _yes(answer: Answer) -> str | None:
    return "yes" if answer["revoked"] else None
