"""`redrive`: one dead letter back on the agenda, or many at a rate.

This file answers for asking first (`--dry-run`) and for showing how far a bulk redrive is; the daemon does it.
"""

from typing import Annotated, cast

import typer

from adapters.cli.ending import Ended, misused
from adapters.cli.options import DATA, Data, Json, Key, Tenant, Url
from adapters.cli.printing import as_json, aside, instant, line, progress, span
from adapters.cli.remote import Answer, Daemon, reach

_LOOK_EVERY_S = 0.5


def mount(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("redrive")(_redrive)


def _redrive(
    message: Annotated[str | None, typer.Argument(metavar="[ID]", help="A dead letter's id")] = None,
    *,
    all_: Annotated[bool, typer.Option("--all", help="Every dead letter that fits the options")] = False,
    channel: Annotated[str | None, typer.Option(help="With --all: of this channel")] = None,
    lane: Annotated[str | None, typer.Option(help="With --all: of this lane")] = None,
    conversation: Annotated[str | None, typer.Option(help="With --all: of this conversation")] = None,
    rate: Annotated[str | None, typer.Option(help="With --all: no faster than, such as 10/s")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would do")] = False,
    wait: Annotated[bool, typer.Option(help="Stay until a bulk redrive is through")] = True,
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
    tenant: Tenant = None,
    json_: Json = False,
) -> None:
    """Puts dead letters back on the agenda."""
    if (message is None) != all_:
        raise misused("Name one dead letter, or give --all.")
    narrowed = {"channel": channel, "lane": lane, "conversation": conversation}
    wanted = {name: value for name, value in narrowed.items() if value is not None}
    if message is not None and (wanted or rate or dry_run):
        raise misused("--channel, --lane, --conversation, --rate and --dry-run go with --all.")
    daemon = reach(url, key, data, tenant)
    if message is not None:
        _one(daemon, message, json_=json_)
    elif dry_run:
        _plan(daemon.post("v1", "redrives", body=_order(wanted, rate, dry_run=True)), json_=json_)
    else:
        _many(daemon, _order(wanted, rate, dry_run=False), wait=wait, json_=json_)


def _order(wanted: dict[str, str], rate: str | None, *, dry_run: bool) -> Answer:
    return {"filter": wanted, "dry_run": dry_run, **({"rate": rate} if rate is not None else {})}


def _one(daemon: Daemon, message: str, *, json_: bool) -> None:
    state = daemon.post("v1", "messages", message, "redrive")
    if json_:
        as_json(state)
    else:
        line(f"{state['id']} is {state['status']} again, due {instant(state['due'])} UTC.")


def _plan(plan: Answer, *, json_: bool) -> None:
    if json_:
        as_json(plan)
        return
    estimate_s = cast("float | None", plan["estimate_s"])
    time = "as fast as the lanes' limits allow" if estimate_s is None else f"in about {span(estimate_s)}"
    if plan["count"]:
        ages = f", accepted {instant(plan['oldest'])} to {instant(plan['newest'])} UTC"
        line(f"{plan['count']} dead letters{ages}, would be redriven {time}.")
    else:
        line("There is no such dead letter.")


def _many(daemon: Daemon, order: Answer, *, wait: bool, json_: bool) -> None:
    begun = daemon.post("v1", "redrives", body=order)
    job = str(begun["id"])
    if not wait:
        if json_:
            as_json(begun)
        else:
            line(f"{job} redrives {cast('Answer', begun['plan'])['count']} dead letters.")
        return
    try:
        state = _watched(daemon, job)
    except KeyboardInterrupt:
        aside(f"{job} goes on in the daemon.")
        raise
    if json_:
        as_json(state)
    else:
        line(f"{job} is {state['status']}: {state['moved']} of {state['count']} dead letters are back on the agenda.")
    if state["status"] != "done":
        raise Ended


def _watched(daemon: Daemon, job: str) -> Answer:
    from adapters.clock import rest

    with progress() as bar:
        task = bar.add_task("redriving", total=None)
        while True:
            state = daemon.get("v1", "redrives", job)
            bar.update(task, completed=cast("int", state["moved"]), total=cast("int", state["count"]))
            if state["status"] != "running":
                return state
            rest(_LOOK_EVERY_S)
