"""`shadow`: a policy asked beside a lane's own, what it came to, and its promotion.

This file answers for reading arguments and printing answers.
"""

from typing import Annotated, cast

import typer

from adapters.cli.ending import misused
from adapters.cli.lanes import LaneName
from adapters.cli.options import DATA, Data, Json, Key, Tenant, Url
from adapters.cli.printing import as_json, instant, line, span, table
from adapters.cli.remote import Answer, reach

Policy = Annotated[str | None, typer.Option(help="Ask this policy from now on: a built-in one, or one of [policies.X]")]
End = Annotated[bool, typer.Option("--end", help="Ask it no more")]
Promote = Annotated[bool, typer.Option("--promote", help="Make it the lane's policy")]


def mount(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("shadow")(_shadow)


def _shadow(
    lane: LaneName,
    *,
    policy: Policy = None,
    end: End = False,
    promote: Promote = False,
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
    tenant: Tenant = None,
    json_: Json = False,
) -> None:
    """Shows what a policy in shadow would have decided on a lane's traffic; begins, ends or promotes one."""
    if (policy is not None) + end + promote > 1:
        raise misused("--policy, --end and --promote are three different things: give one of them")
    daemon, path = reach(url, key, data, tenant), ("v1", "lanes", lane, "shadow")
    if end:
        daemon.delete(*path)
        _said({"lane": lane, "ended": True}, f"Lane {lane} has no policy in shadow any more.", json_=json_)
    elif promote:
        answer = daemon.post(*path, "promote")
        said = f"Lane {lane} goes by the policy {answer['policy']} from now on (version {answer['version']})."
        _said(answer, said, json_=json_)
    elif policy is not None:
        answer = daemon.put(*path, body={"policy": policy})
        said = f"The policy {policy} is asked beside that of lane {lane} from now on; it decides nothing."
        _said(answer, said, json_=json_)
    else:
        _show(daemon.get(*path), json_=json_)


def _said(answer: Answer, text: str, *, json_: bool) -> None:
    if json_:
        as_json(answer)
    else:
        line(text)


def _show(answer: Answer, *, json_: bool) -> None:
    if json_:
        as_json(answer)
        return
    decisions, alike = cast("int", answer["decisions"]), cast("int", answer["alike"])
    line(f"{answer['policy']} in shadow of lane {answer['lane']} since {instant(answer['since'])} UTC")
    line(f"{decisions} decisions, {alike} of them alike")
    if answer["delayed"]:
        total, longest = span(cast("float", answer["delayed_s"])), span(cast("float", answer["longest_delay_s"]))
        line(f"{answer['delayed']} of {answer['starts']} attempts held back, {total} together, {longest} at most")
    contrasts = cast("list[Answer]", answer["contrasts"])
    if contrasts:
        table(("was", "would have been", "times"), ((one["was"], one["would"], one["count"]) for one in contrasts))
    samples = cast("list[Answer]", answer["samples"])
    if samples:
        table(
            ("at (UTC)", "message", "attempt", "was", "due", "would have been", "due"),
            (
                (
                    *(instant(one["at"]), one["message"], one["attempt"], one["was"], instant(one["was_due"])),
                    *(one["would"], instant(one["would_due"])),
                )
                for one in samples
            ),
        )
