"""`forget`: nothing private is kept of somebody any more.

This file answers for staying until that is so, and for saying how far it is; the daemon does it. It must never print
the address: what is printed may be kept.
"""

from typing import Annotated, cast

import typer

from adapters.cli.options import DATA, Data, Json, Key, Tenant, Url
from adapters.cli.printing import as_json, aside, line, progress
from adapters.cli.remote import Answer, Daemon, reach

_LOOK_EVERY_S = 0.5


def mount(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("forget")(_forget)


def _forget(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="email, whatsapp, push or webhook")],
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Whom to forget, as messages name them")],
    *,
    wait: Annotated[bool, typer.Option(help="Stay until it is over")] = True,
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
    tenant: Tenant = None,
    json_: Json = False,
) -> None:
    """Cancels what is open for an address and erases what is kept of it."""
    daemon = reach(url, key, data, tenant)
    state = daemon.post("v1", "subjects", "forget", body={"channel": channel, "address": address})
    if wait and state["status"] == "erasing":
        state = _watched(daemon, state)
    if json_:
        as_json(state)
    elif state["status"] == "erasing":
        line(f"{state['id']} is under way: {_so_far(state)} so far.")
    else:
        line(f"{state['id']} is over: {_so_far(state)}.")


def _watched(daemon: Daemon, state: Answer) -> Answer:
    from adapters.clock import rest

    try:
        with progress() as bar:
            task = bar.add_task("erasing", total=None)
            while state["status"] == "erasing":
                bar.update(task, completed=cast("int", state["messages"]))
                rest(_LOOK_EVERY_S)
                state = daemon.get("v1", "subjects", "forget", str(state["id"]))
            return state
    except KeyboardInterrupt:
        aside(f"{state['id']} goes on in the daemon.")
        raise


def _so_far(state: Answer) -> str:
    beside = [f"{state[name]} {name}" for name in ("devices", "plans") if state[name]]
    erased = f"what was private of {state['messages']} messages is gone ({state['cancelled']} were open)"
    return ", ".join([erased, *beside])
