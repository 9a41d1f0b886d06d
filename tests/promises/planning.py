"""Answers for plans in a house on virtual time: setting them, and seeing what came of them.

The house begins on 30 January 2026 at 08:00 UTC, and so do all moments here. It must never judge.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from core.message import Message
from core.plan_requests import read_plan
from core.plan_times import moment_of
from core.plan_views import PlanChange, PlanState
from core.sealing import commitment_of
from eventstore.durable import Durable
from tests.promises.house import House
from tests.promises.other_side import START_US

Json = dict[str, object]
REFERENCE: Final = "event42"


def plan(
    *kinds: str | Json, people: Iterable[int] = range(3), starts_h: float = 48.0, version: int = 1, **fields: object
) -> Json:
    """A plan for an event so many hours from the beginning, of which people are reminded through webhooks.

    `version` is the number in every content, so that the other side sees which plan a message was made for.
    """
    starts = moment_of(START_US) + timedelta(hours=starts_h)
    content = {"webhook": {"type": "test", "data": {"n": version, "kind": "{kind}"}}}
    return {
        "event": {"starts_at": starts, "ends_at": starts + timedelta(hours=2), "time_zone": "UTC"},
        "participants": [
            {"id": f"p{n}", "channel": "webhook", "to": f"https://a.example/{n}", "values": {"kind": "x"}}
            for n in people
        ],
        "reminders": [{"content": content} | (kind if isinstance(kind, dict) else {"kind": kind}) for kind in kinds],
    } | fields


async def put(house: House, asked: Json, reference: str = REFERENCE) -> PlanChange:
    """Sets a plan."""
    request = read_plan(msgspec.json.encode(asked), is_zone=lambda _: True)
    return await house.system.plans.put("org1", reference, request)


async def cancel(house: House, reference: str = REFERENCE) -> PlanChange:
    """Cancels a plan."""
    return await house.system.plans.cancel("org1", reference)


async def show(house: House, reference: str = REFERENCE) -> PlanState:
    """A plan now."""
    return await house.system.plans.show("org1", reference)


def counts(change: PlanChange) -> tuple[int, int, int, int]:
    """How many messages were made, moved, cancelled, and kept."""
    return len(change.created), len(change.moved), len(change.cancelled), change.kept


def whys(change: PlanChange) -> dict[str, int]:
    """Why how many messages were left out."""
    return dict(Counter(why for _, why in change.skipped))


async def messages(house: House) -> dict[tuple[str, str], Message]:
    """The last message of the plan for each participant and kind."""
    return {one.key: house.message(one.id) for one in (await show(house)).messages}


def hours(instant_us: int | None) -> float | None:
    """How many hours from the beginning an instant lies."""
    return None if instant_us is None else (instant_us - START_US) / 3_600_000_000


def plan_rows_broken(durable: Durable) -> list[int]:
    """Plans whose row in the vault is not what their last event commits to."""
    return [
        head.stream
        for head in durable.heads.values()
        if head.kind == "plan"
        and commitment_of(durable.sealed[head.stream].private, durable.sealed[head.stream].salt)
        != durable.streams[head.stream][-1].event.commitment  # type: ignore[attr-defined]  # Both events have one.
    ]


zone_of = ZoneInfo
