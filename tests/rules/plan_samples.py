"""Answers for plans that tests begin with: one event in Jerusalem, two people, and whatever a test changes."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from adapters.zones import zone_named
from core.plan_requests import PlanRequest, read_plan
from core.plans import Plan

Json = dict[str, object]

EVENT: Final[Json] = {
    "starts_at": "2026-06-10T18:30:00+03:00",
    "ends_at": "2026-06-10T20:00:00+03:00",
    "time_zone": "Asia/Jerusalem",
}
ANN: Final[Json] = {"id": "ann", "channel": "email", "to": "ann@example.com", "values": {"name": "Ann"}}
BOB: Final[Json] = {"id": "bob", "channel": "whatsapp", "to": "+972501234567", "values": {"name": "Bob"}}
CONTENT: Final[Json] = {
    "email": {"subject": "Dear {name}", "text": "See you."},
    "whatsapp": {"text": "Hello {name}"},
}


def asked(*kinds: str | Json, people: tuple[Json, ...] = (ANN, BOB), **event: object) -> Json:
    """A plan with reminders of these kinds."""
    reminders = [{"content": CONTENT} | (kind if isinstance(kind, dict) else {"kind": kind}) for kind in kinds]
    return {"event": EVENT | event, "participants": list(people), "reminders": reminders}


def read(plan: Json) -> PlanRequest:
    """The request that a body comes to."""
    return read_plan(msgspec.json.encode(plan), is_zone=is_zone)


def plan_of(*kinds: str | Json, people: tuple[Json, ...] = (ANN, BOB), **event: object) -> Plan:
    """A plan called event42."""
    return Plan("event42", read(asked(*kinds, people=people, **event)), zone_of=ZoneInfo)


def is_zone(name: str) -> bool:
    """Whether there is such a time zone."""
    return zone_named(name) is not None


def us(text: str) -> int:
    """An instant in microseconds from RFC 3339 text with an offset."""
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)


def local(instant_us: int, zone: str) -> str:
    """What a clock in a zone shows at an instant, with its offset."""
    return (_EPOCH + timedelta(microseconds=instant_us)).astimezone(ZoneInfo(zone)).isoformat()


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
