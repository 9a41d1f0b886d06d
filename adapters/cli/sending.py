"""`send`: one message handed over to a daemon.

This file answers for options that make a content on each channel; whatever else a content may hold is given as JSON.
"""

import json
import sys
from typing import Annotated, Final

import typer

from adapters.cli.ending import misused
from adapters.cli.options import DATA, Data, Json, Key, Tenant, Url
from adapters.cli.printing import as_json, instant, line
from adapters.cli.remote import reach

_SHORTHANDS: Final = {
    "email": ("subject", "text", "html"),
    "whatsapp": ("text",),
    "push": ("title", "body"),
    "webhook": ("type",),
}


def mount(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("send")(_send)


def _send(
    channel: Annotated[str, typer.Argument(help="email, whatsapp, push or webhook")],
    to: Annotated[str, typer.Argument(help="The address, number, device or URL")],
    *,
    content: Annotated[str | None, typer.Option("--content", help="The whole content as JSON; - reads it")] = None,
    subject: Annotated[str | None, typer.Option(help="Email: the subject")] = None,
    text: Annotated[str | None, typer.Option(help="Email, WhatsApp: the text")] = None,
    html: Annotated[str | None, typer.Option(help="Email: the HTML form")] = None,
    title: Annotated[str | None, typer.Option(help="Push: the title")] = None,
    body: Annotated[str | None, typer.Option(help="Push: the text")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Webhook: the type of the event")] = None,
    payload: Annotated[str | None, typer.Option(help="Webhook: the data of the event, as JSON")] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key is the same message")] = None,
    reference: Annotated[str | None, typer.Option(help="To find, cancel or move messages together")] = None,
    send_at: Annotated[str | None, typer.Option(help="Not before, such as 2026-01-30T08:00:00Z")] = None,
    expires_at: Annotated[str | None, typer.Option(help="Not after")] = None,
    lane: Annotated[str | None, typer.Option(help="Through this lane")] = None,
    order: Annotated[str | None, typer.Option(help="fifo or any")] = None,
    priority: Annotated[int | None, typer.Option(help="0 to 9")] = None,
    policy: Annotated[str | None, typer.Option(help="Under this policy")] = None,
    on_ambiguous: Annotated[str | None, typer.Option(help="resend, hold or fail")] = None,
    failover: Annotated[list[str] | None, typer.Option(help="Through these lanes, in order; once for each")] = None,
    fallback: Annotated[list[str] | None, typer.Option(help="What takes its place, as JSON; once for each")] = None,
    fallback_by: Annotated[str | None, typer.Option(help="When the fallback takes its place at the latest")] = None,
    cause: Annotated[str | None, typer.Option(help="The hook or message that led to it")] = None,
    metadata: Annotated[str | None, typer.Option(help="A JSON object of your own")] = None,
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
    tenant: Tenant = None,
    json_: Json = False,
) -> None:
    """Hands over one message."""
    given = _some(subject=subject, text=text, html=html, title=title, body=body, type=type_, data=_json(payload))
    when = _some(send_at=send_at, expires_at=expires_at, order=order, priority=priority)
    how = _some(lane=lane, policy=policy, on_ambiguous=on_ambiguous, metadata=_json(metadata))
    names = _some(idempotency_key=idempotency_key, reference=reference, cause=cause)
    instead = [_json(one) for one in fallback or ()]
    ways = _some(failover=failover or None, fallback=instead or None, fallback_by=fallback_by)
    asked = {"channel": channel, "to": to, "content": _content(channel, content, given), **when, **how, **names, **ways}
    answer = reach(url, key, data, tenant).post("v1", "messages", body=asked)
    if json_:
        as_json(answer)
        return
    again = ", the same as before" if answer["duplicate"] else ""
    line(f"{answer['id']} {answer['status']}{again}, due {instant(answer['due']) or 'never'} UTC")


def _content(channel: str, content: str | None, given: dict[str, object]) -> object:
    if content is not None and given:
        raise misused(f"--content is the whole content, so it cannot stand beside --{next(iter(given))}.")
    if content is not None:
        return _json(sys.stdin.read() if content == "-" else content)
    if not given and channel not in _SHORTHANDS:
        raise misused(f"{channel} is no channel: expected one of {', '.join(_SHORTHANDS)}.")
    if not given:
        options = " ".join(f"--{name}" for name in _SHORTHANDS[channel])
        raise misused(f"There is nothing to send: give --content or {options}.")
    return given


def _json(text: str | None) -> object:
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise misused(f"This is no JSON: {text[:60]} ({error}).") from None


def _some(**given: object) -> dict[str, object]:
    return {name: value for name, value in given.items() if value is not None}
