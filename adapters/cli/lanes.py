"""`lanes`, `pause` and `resume`: what each lane is doing, and stopping it.

This file answers for reading arguments and printing answers.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, cast

import typer

from adapters.cli.options import DATA, Data, Json, Key, Tenant, Url
from adapters.cli.printing import as_json, instant, line, span, table
from adapters.cli.remote import Answer, reach

LaneName = Annotated[str, typer.Argument(metavar="LANE", help="A lane's name")]


def mount(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("lanes")(_lanes)
    app.command("pause")(_pause)
    app.command("resume")(_resume)


def _lanes(*, url: Url = None, key: Key = None, data: Data = DATA, tenant: Tenant = None, json_: Json = False) -> None:
    """Shows every lane, what waits there and what holds it up."""
    answer = reach(url, key, data, tenant).get("v1", "lanes")
    if json_:
        as_json(answer)
        return
    table(
        ("lane", "channel", "provider", "state", "waiting", "in flight", "late by", "drained in", "limits"),
        (_row(lane) for lane in cast("list[Answer]", answer["lanes"])),
    )


def _pause(
    lane: LaneName, *, url: Url = None, key: Key = None, data: Data = DATA, tenant: Tenant = None, json_: Json = False
) -> None:
    """Lets nothing out of a lane until it is resumed."""
    _told(reach(url, key, data, tenant).post("v1", "lanes", lane, "pause"), json_=json_)


def _resume(
    lane: LaneName, *, url: Url = None, key: Key = None, data: Data = DATA, tenant: Tenant = None, json_: Json = False
) -> None:
    """Lets a lane go on."""
    _told(reach(url, key, data, tenant).post("v1", "lanes", lane, "resume"), json_=json_)


def _told(lane: Answer, *, json_: bool) -> None:
    if json_:
        as_json(lane)
    else:
        line(f"Lane {lane['name']} is {_state(lane)}; {lane['depth']} waiting, {lane['in_flight']} in flight.")


def _row(lane: Answer) -> tuple[object, ...]:
    forecast_s = cast("float | None", lane["drain_forecast_s"])
    late_s = cast("float", lane["lateness_s"])
    return (
        lane["name"],
        lane["channel"],
        lane["provider"],
        _state(lane),
        lane["depth"],
        lane["in_flight"],
        span(late_s) if late_s else None,
        None if forecast_s is None else span(forecast_s),
        ", ".join(_limits(cast("list[Answer]", lane["limits"]))) or None,
    )


def _state(lane: Answer) -> str:
    if lane["paused"]:
        code = f" {lane['pause_code']}" if lane["pause_code"] else ""
        return f"paused by {lane['paused_by']}{code}"
    if lane["throttled_until"]:
        return f"throttled until {instant(lane['throttled_until'])}"
    if lane["breaker"] != "closed":
        return f"breaker {str(lane['breaker']).replace('_', '-')}"
    return "open"


def _limits(limits: Iterable[Mapping[str, object]]) -> list[str]:
    shown = []
    for limit in limits:
        window_s = cast("float | None", limit["window_s"])
        if limit["scope"] == "concurrency" or not limit["used"]:
            continue  # What is in flight has a column of its own, and an unused limit says nothing.
        tenant = f" of {limit['tenant']}" if limit["tenant"] else ""
        window = f" in {span(window_s)}" if window_s else ""
        shown.append(f"{limit['scope']}{tenant} {limit['used']}/{limit['of']}{window}")
    return shown
