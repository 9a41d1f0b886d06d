"""The tables of what applications tell us about their users: devices that get pushes, and plans of reminders.

This file answers for their keys, and for the bodies that plans come to. What two keys together must not say is checked
in checking.py.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal

import msgspec
from msgspec import field

from adapters.config.kinds import Count, PositiveUs, SpanUs, Table, Text
from adapters.config.providers import CHANNELS
from adapters.config.reading import Required
from adapters.config.units import Unfit, choice, zone
from core.plan_times import KNOWN
from scenarios.file.readings import filled, template
from scenarios.file.selecting import Share, Template

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# What a reminder says; places are filled by the plan itself.
_SAYS: Final[Mapping[str, Mapping[str, str]]] = {
    "email": {"subject": "Reminder for {name}", "text": "This is your reminder, {name}."},
    "whatsapp": {"text": "This is your reminder, {name}"},
    "push": {"title": "A reminder", "body": "This is your reminder, {name}"},
    "webhook": {"body": "This is your reminder, {name}"},
}


def _kinds(raw: object) -> tuple[dict[str, str], ...]:
    """Kinds that have a time of their own, or tables such as { kind = "early", offset = "-PT2H" }."""
    expected = f'an array of {", ".join(KNOWN)}, or of tables such as {{ kind = "early", offset = "-PT2H" }}'
    if not isinstance(raw, list) or not raw:
        raise Unfit(expected)
    found: list[dict[str, str]] = []
    for one in raw:
        table = {"kind": one} if isinstance(one, str) else one
        if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
            raise Unfit(expected)
        found.append({str(name): str(value) for name, value in table.items()})
    return tuple(found)


Kinds = Annotated[tuple[dict[str, str], ...], _kinds]


class Device(Table, frozen=True, kw_only=True):
    """Devices that applications register with their tokens, or remove: one for each number, spread over a time.

    Whoever is not answered asks again. `repeat` is the share that asks twice.
    """

    at_us: SpanUs = field(default=0, name="at")
    over_us: SpanUs = field(default=0, name="over")
    count: Count = 1
    tenant: Text = "org"
    user: Annotated[str, template, Required] = ""
    device: Template = "phone"
    token: Template = "token-{n}"  # noqa: S105 - a token of nobody
    do: Annotated[Literal["register", "remove"], choice("register", "remove")] = "register"
    repeat: Share = 0.0


class Plan(Table, frozen=True, kw_only=True):
    """A plan as it is wanted from `at` on, in full; one of the same reference before it is changed to this.

    `starts_at` and `ends_at` of the event are spans since the start. Each of `participants` is reminded once for each
    of `reminders`.
    """

    at_us: SpanUs = field(default=0, name="at")
    tenant: Text = "org"
    reference: Annotated[Text, Required] = ""
    starts_at_us: SpanUs = field(default=0, name="starts_at")
    ends_at_us: SpanUs | None = field(default=None, name="ends_at")
    time_zone: Annotated[str, zone] = "UTC"
    participants: Count = 1
    channel: Annotated[str, choice(*CHANNELS)] = "email"
    to: Template = "participant{n}@example.com"
    lane: Text | None = None
    reminders: Kinds = ({"kind": "activation"},)
    expires_after_us: PositiveUs | None = field(default=None, name="expires_after")
    do: Annotated[Literal["put", "cancel"], choice("put", "cancel")] = "put"
    repeat: Share = 0.0


def plan_body(plan: Plan, start_us: int) -> bytes:
    """What an application puts."""
    event = {"starts_at": _moment(start_us + plan.starts_at_us), "time_zone": plan.time_zone}
    if plan.ends_at_us is not None:
        event["ends_at"] = _moment(start_us + plan.ends_at_us)
    people = [
        {"id": f"p{n}", "channel": plan.channel, "to": filled(plan.to, n), "values": {"name": _name(n)}}
        | ({} if plan.lane is None else {"lane": plan.lane})
        for n in range(1, plan.participants + 1)
    ]
    expires = {} if plan.expires_after_us is None else {"expires_after": f"PT{plan.expires_after_us // 1_000_000}S"}
    reminders = [{**one, **expires, "content": {plan.channel: _SAYS[plan.channel]}} for one in plan.reminders]
    return msgspec.json.encode({"event": event, "participants": people, "reminders": reminders})


def messages_of(plan: Plan) -> Iterator[tuple[str, bytes]]:
    """Every message that a plan may come to, each with its name in this world and as a client would post it."""
    for n in range(1, plan.participants + 1):
        content = {key: value.replace("{name}", _name(n)) for key, value in _SAYS[plan.channel].items()}
        asked = {"channel": plan.channel, "to": filled(plan.to, n), "content": content}
        body = msgspec.json.encode(asked if plan.lane is None else {**asked, "lane": plan.lane})
        for reminder in plan.reminders:
            yield f"{plan.reference}/p{n}.{reminder.get('kind', '')}", body


def _name(number: int) -> str:
    return f"person number {number}"


def _moment(instant_us: int) -> str:
    return (_EPOCH + timedelta(microseconds=instant_us)).isoformat()
