"""Answers for plans in a house on virtual time: setting them, and seeing what came of them.

The house begins on 30 January 2026 at 08:00 UTC, and all hours here count from there.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

import msgspec

from core.errors import AppendUnknown, Refused
from core.message import Message
from core.plan_requests import read_plan
from core.plan_times import moment_of
from core.plan_views import PlanChange, PlanState
from core.sealing import commitment_of
from eventstore.durable import Durable
from scenarios.laws.replay import as_it_lies
from scenarios.loop.run import run_virtual
from tests.promises.house import House, living
from tests.promises.other_side import START_US, Provider

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


async def refusal(house: House, asked: Json) -> str:
    """What setting a plan was refused with, empty where it was not."""
    try:
        await put(house, asked)
    except (AppendUnknown, Refused) as error:
        return str(error)
    return ""


async def note_refusal(house: House, asked: Json, refused: list[str]) -> None:
    """Sets a plan, and adds what it was refused with."""
    refused.append(await refusal(house, asked))


def assert_once_each(house: House, provider: Provider) -> None:
    """Each message arrived once at most, and what lies in the log makes sense, the plans' own rows included."""
    assert list(as_it_lies(house.durable)) == []
    assert plan_rows_broken(house.durable) == []
    taken = Counter(arrival.stream for arrival in provider.seen)
    assert set(taken.values()) <= {1}


EXPIRING: Final[Json] = {"kind": "expiring", "offset": "-PT2H", "expires_after": "PT30M"}
BEFORE: Final = plan("activation", "day_before", "hour_before", EXPIRING, people=range(4))
# One leaves and one comes, one kind goes and one comes, all else moves, and what expires is replaced.
AFTER: Final = plan("activation", "hour_before", "event_end", EXPIRING, people=range(1, 5), starts_h=60)

Outcome = dict[tuple[str, str], tuple[str, float | None]]
# The plan's messages at first, who got how many in the end, and how all messages ended.
Ending = tuple[Outcome, Counter[str], dict[str, int]]


async def outcome(house: House) -> Outcome:
    """How the plan's messages stand, and when they are due, by participant and kind."""
    assert (await show(house)).is_applied
    return {key: (message.status, hours(message.due_us)) for key, message in (await messages(house)).items()}


def undisturbed() -> Ending:
    """What BEFORE and then AFTER come to where nothing fails."""
    provider = Provider()

    async def main() -> Ending:
        async with living(provider=provider) as house:
            await put(house, BEFORE)
            await house.pass_time(10)
            await put(house, AFTER)
            await house.pass_time(10)
            found = await outcome(house)
            await house.pass_time(70 * 3_600)
            return found, Counter(arrival.to for arrival in provider.seen), house.statuses()

    return run_virtual(main)
