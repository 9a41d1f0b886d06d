"""Answers for reminder plans over HTTP: setting one says what changed, and looking at it names every message."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import anyio
import pytest

from core.views import Role
from eventstore.sqlite.log import SqliteLog
from tests.edges.web.house import EMAIL, House, Json, later, running

pytestmark = pytest.mark.anyio

WORDS: Json = {"email": {"subject": "Dear {name}", "text": "See you."}, "whatsapp": {"text": "Hello {name}"}}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def person(number: int, **changes: object) -> Json:
    """Somebody who is reminded by email."""
    who: Json = {
        "id": f"p{number}",
        "channel": "email",
        "to": f"p{number}@example.com",
        "values": {"name": f"P{number}"},
    }
    return who | changes


def plan(*kinds: str | Json, people: int = 2, days: float = 30, **fields: object) -> Json:
    """A plan for an event in so many days."""
    starts = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    return {
        "event": {"starts_at": starts, "ends_at": starts + timedelta(hours=2), "time_zone": "Europe/Berlin"},
        "participants": [person(number) for number in range(people)],
        "reminders": [{"content": WORDS} | (kind if isinstance(kind, dict) else {"kind": kind}) for kind in kinds],
    } | fields


def ids_in(given: Json, name: str) -> list[str]:
    """The messages that an answer names."""
    return cast("list[str]", given[name])


async def messages(house: House, reference: str = "event42") -> dict[tuple[str, str], Json]:
    """A plan's messages by participant and kind."""
    found = cast("list[Json]", (await house.ask(f"GET /v1/plans/{reference}", role="read")).json["messages"])
    return {(str(one["participant"]), str(one["kind"])): one for one in found}


async def test_a_plan_is_set_shown_moved_and_cancelled(house: House) -> None:
    """Each call answers what it changed, and the plan names every message with its state."""
    given = await house.ask("PUT /v1/plans/event42", plan("activation", "day_before", "event_end"), role="send")
    assert given.status == 200, given.body
    created = ids_in(given.json, "created")
    assert given.json | {"created": []} == {
        "reference": "event42", "revision": 1, "created": [], "moved": [], "cancelled": [], "kept": 0, "skipped": [],
    }  # fmt: skip
    assert len(created) == 6
    found = await messages(house)
    assert {str(one["id"]) for one in found.values()} == set(created)
    await house.until(found["p0", "activation"], "sent")
    await house.until(found["p1", "activation"], "sent")

    moved = await house.ask("PUT /v1/plans/event42", plan("activation", "day_before", "event_end", days=40))
    assert (len(ids_in(moved.json, "moved")), moved.json["kept"], moved.json["revision"]) == (4, 2, 2)
    shown = (await house.ask("GET /v1/plans/event42")).json
    assert (shown["state"], shown["cancelled"], shown["revision"]) == ("applied", False, 2)
    assert cast("list[Json]", shown["reminders"])[1] == {
        "kind": "day_before", "at": None, "offset": None, "relative_to": None, "expires_after": None,
    }  # fmt: skip

    gone = await house.ask("DELETE /v1/plans/event42", role="send")
    assert (len(ids_in(gone.json, "cancelled")), gone.json["kept"]) == (4, 0)
    again = await house.ask("DELETE /v1/plans/event42")
    assert (ids_in(again.json, "cancelled"), again.json["revision"]) == ([], 3)
    shown = (await house.ask("GET /v1/plans/event42")).json
    assert (shown["cancelled"], shown["state"]) == (True, "applied")
    states = [(one["status"], one["wanted"]) for one in cast("list[Json]", shown["messages"])]
    assert sorted(states) == [("cancelled", False)] * 4 + [("sent", False)] * 2


async def test_the_same_plan_again_changes_nothing(house: House) -> None:
    """A second PUT of the same body says that everything stays, and adds no revision."""
    asked = plan("activation", "day_before")
    await house.ask("PUT /v1/plans/event42", asked)
    again = await house.ask("PUT /v1/plans/event42", asked)
    assert again.json == {
        "reference": "event42", "revision": 1, "created": [], "moved": [], "cancelled": [], "kept": 4, "skipped": [],
    }  # fmt: skip
    assert await house.count() == 4


async def test_a_reminder_is_due_in_local_time(house: House) -> None:
    """Nine in the morning is where its receiver lives."""
    people = [person(0), person(1, time_zone="America/New_York")]
    asked = plan("day_before", participants=people)
    asked["event"] = {"starts_at": "2027-07-10T18:00:00+02:00", "time_zone": "Europe/Berlin"}
    assert (await house.ask("PUT /v1/plans/event42", asked)).status == 200
    found = await messages(house)
    dues = [found[who, "day_before"]["due"] for who in ("p0", "p1")]
    assert dues == ["2027-07-09T07:00:00Z", "2027-07-09T13:00:00Z"]


async def test_what_is_left_out_is_told(house: House) -> None:
    """A moment that has passed makes no message, and the answer says for whom and why."""
    given = await house.ask("PUT /v1/plans/event42", plan("week_before", "event_end", days=3))
    assert len(ids_in(given.json, "created")) == 2
    assert given.json["skipped"] == [
        {"participant": who, "kind": "week_before", "why": "past"} for who in ("p0", "p1")
    ]  # fmt: skip


async def test_each_gets_what_was_written_for_their_channel(house: House) -> None:
    """Places are filled with their own values, and a fallback on another channel has that channel's content."""
    people = [
        person(0, values={"name": 'A "quoted" {name}'}, fallback=[{"channel": "whatsapp", "to": "+972501234567"}]),
        person(1, channel="whatsapp", to="+972501234568"),
    ]
    given = await house.ask("PUT /v1/plans/event42", plan("activation", participants=people))
    assert given.status == 200, given.body
    found = await messages(house)
    for one in found.values():
        await house.until(one, "sent")
    contents = {parcel.to: parcel.content for parcel in house.provider.seen}
    assert contents == {
        "p0@example.com": b'{"subject":"Dear A \\"quoted\\" {name}","text":"See you."}',
        "+972501234568": b'{"text":"Hello P1"}',
    }
    state = await house.state(found["p0", "activation"])
    assert state["status"] == "sent"


async def test_messages_of_a_plan_are_found_by_its_reference(house: House) -> None:
    """They can be listed and cancelled by it as any others; what was cancelled so, the plan leaves alone."""
    asked = plan("day_before", "event_end")
    await house.ask("PUT /v1/plans/event42", asked)
    listed = (await house.ask("GET /v1/messages?reference=event42")).json
    assert len(cast("list[Json]", listed["messages"])) == 4
    await house.ask("POST /v1/cancel", {"reference": "event42"})
    again = await house.ask("PUT /v1/plans/event42", asked)
    assert (again.json["kept"], ids_in(again.json, "created")) == (4, [])
    assert {one["status"] for one in (await messages(house)).values()} == {"cancelled"}


async def test_messages_of_a_paused_lane_are_shown_as_held(house: House) -> None:
    """A plan says of its messages what the messages say of themselves."""
    await house.paused()
    await house.ask("PUT /v1/plans/event42", plan("activation", "event_end"))
    for one in (await messages(house)).values():
        assert one["status"] == (await house.state(one))["status"] == "held"
    await house.ask("POST /v1/lanes/mail/resume")
    await house.until((await messages(house))["p0", "activation"], "sent")


async def test_the_trace_of_a_plan_goes_with_its_messages(house: House) -> None:
    """Whoever traces a request that sets a plan finds its messages under the same trace."""
    headers = {"traceparent": TRACE, "X-Correlation-Id": "order-5"}
    given = await house.ask("PUT /v1/plans/event42", plan("event_end", people=1), headers=headers)
    assert given.headers["X-Correlation-Id"] == "order-5"
    (message,) = ids_in(given.json, "created")
    events = cast("list[Json]", (await house.ask(f"GET /v1/messages/{message}/events")).json["events"])
    assert cast("Json", events[0]["data"])["trace"] == TRACE


async def test_a_plan_tells_its_events(house: House) -> None:
    """What was set and what came of it stands in the log, without a name or an address."""
    await house.ask("PUT /v1/plans/event42", plan("event_end"))
    events = cast("list[Json]", (await house.ask("GET /v1/events?limit=1000")).json["events"])
    (was_set, applied) = [event for event in events if str(event["stream"]).startswith("plan_")]
    assert (was_set["type"], applied["type"]) == ("PlanSet", "PlanApplied")
    assert cast("Json", applied["data"]) | {"commitment": ""} == {
        "revision": 1, "created": 2, "moved": 0, "cancelled": 0, "kept": 0, "commitment": "",
    }  # fmt: skip
    assert b"p0@example.com" not in (await house.ask("GET /v1/events?limit=1000")).body
    assert b"p0@example.com" not in (await house.ask("GET /v1/plans/event42")).body


@pytest.mark.parametrize(
    ("call", "role"), [("PUT /v1/plans/x", "read"), ("DELETE /v1/plans/x", "read"), ("GET /v1/plans/x", None)]
)
async def test_a_plan_needs_a_key_with_its_role(house: House, call: str, role: Role | None) -> None:
    """Looking needs a key, and changing anything one that may send."""
    body = plan() if call.startswith("PUT") else None
    given = await house.ask(call, body, role=role)
    assert given.status == (401 if role is None else 403)


async def test_who_may_set_a_plan_may_call_it_off(house: House) -> None:
    """Setting it without anybody cancels what deleting it would, so neither takes more than the role send."""
    for emptied in ("PUT", "DELETE"):
        await house.ask(f"PUT /v1/plans/{emptied}", plan("event_end"), role="send")
        body = plan("event_end", people=0) if emptied == "PUT" else None
        given = await house.ask(f"{emptied} /v1/plans/{emptied}", body, role="send")
        assert (given.status, len(ids_in(given.json, "cancelled"))) == (200, 2)
    other = await house.accepted(send_at=later(days=1), reference="event42")
    assert (await house.ask("POST /v1/cancel", {"reference": "event42"}, role="send")).status == 403
    assert (await house.state(other))["status"] == "scheduled"


async def test_plans_of_tenants_do_not_meet(house: House) -> None:
    """The same reference of another tenant is another plan; a key for all tenants names the one that is meant."""
    await house.ask("PUT /v1/plans/event42", plan("event_end"))
    for call in ("GET /v1/plans/event42", "DELETE /v1/plans/event42"):
        given = await house.ask(call, tenant="acme")
        assert (given.status, given.kind) == (404, "not-found")
    theirs = await house.ask("PUT /v1/plans/event42", plan("event_end", people=1), tenant="acme")
    assert (theirs.json["revision"], len(ids_in(theirs.json, "created"))) == (1, 1)
    everybody = await house.ask("GET /v1/plans/event42", headers={"Tidings-Tenant": "*"})
    assert (everybody.status, everybody.mistake[0]) == (422, "Tidings-Tenant")


@pytest.mark.parametrize("reference", ["a%2Fb", "%C3%A9v%C3%A9nement%2042", "a" * 128])
async def test_a_reference_may_be_any_short_name(house: House, reference: str) -> None:
    """Slashes, spaces and letters of any alphabet stand in a path as percent codes."""
    assert (await house.ask(f"PUT /v1/plans/{reference}", plan("event_end"))).status == 200
    assert len(await messages(house, reference)) == 2


@pytest.mark.parametrize("reference", ["%FF", "a%zz", "a%", "%C3"])
@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
async def test_a_reference_in_broken_codes_names_nothing(house: House, method: str, reference: str) -> None:
    """Percent codes that stand for no text are refused with their place, and never taken for themselves."""
    literally = reference.replace("%", "%25")
    assert (await house.ask(f"PUT /v1/plans/{literally}", plan("event_end"))).status == 200
    body = plan("event_end") if method == "PUT" else None
    given = await house.ask(f"{method} /v1/plans/{reference}", body)
    assert (given.status, given.mistake[0]) == (422, "{reference}"), given.body
    assert await house.count() == 2


@pytest.mark.parametrize("reference", ["a" * 129, "%00", "a%0Ab", "%20"])
async def test_another_reference_is_refused(house: House, reference: str) -> None:
    """A name that is too long or does not print is a mistake, and no plan has it."""
    given = await house.ask(f"PUT /v1/plans/{reference}", plan("event_end"))
    assert (given.status, given.mistake[0]) == (422, "{reference}")
    assert (await house.ask(f"GET /v1/plans/{reference}")).status == 404


MAIL_ALONE: Json = {"kind": "event_end", "content": {"email": WORDS["email"]}}
MISTAKES: dict[str, tuple[Json, str]] = {
    "an unknown field": (plan("event_end") | {"colour": 1}, "/colour"),
    "a kind without a time": (plan("nudge"), "/reminders/0/offset"),
    "somebody twice": (plan("event_end", participants=[person(0), person(0)]), "/participants/1/id"),
    "a missing value": (plan("event_end", participants=[person(0, values={})]), "/participants/0/values"),
    "an unknown lane": (plan("event_end", participants=[person(0), person(1, lane="pigeon")]), "/participants/1/lane"),
    "a value that forges a header": (
        plan("event_end", participants=[person(0), person(1, values={"name": "\r\nBcc: x"})]),
        "/reminders/0/content/email/subject",
    ),
    "too far ahead": (plan("follow_up_3mo", days=390), "/reminders/0"),
    "no words for a channel": (
        plan(MAIL_ALONE, participants=[person(0), person(1, channel="whatsapp", to="+972501234567")]),
        "/reminders/0/content",
    ),
    "a channel without a lane": (
        plan(
            {"kind": "event_end", "content": {"push": {"title": "a", "body": "b"}}},
            participants=[person(0, channel="push", to="u")],
        ),
        "/participants/0/channel",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
async def test_a_mistake_leaves_no_trace(house: House, name: str) -> None:
    """What cannot be meant gets 422 with its place, and neither a plan nor a message is recorded."""
    events = (await house.ask("GET /v1/events?limit=1000")).body
    body, at = MISTAKES[name]
    given = await house.ask("PUT /v1/plans/event42", body)
    assert (given.status, given.mistake[0]) == (422, at), given.body
    assert (await house.ask("GET /v1/events?limit=1000")).body == events
    assert (await house.ask("GET /v1/plans/event42")).status == 404


async def test_what_is_no_plan_at_all_is_not_taken(house: House) -> None:
    """A body that is no JSON gets 400, one that says it is something else 415, and other methods get 405."""
    assert (await house.ask("PUT /v1/plans/event42", raw=b"{")).status == 400
    assert (await house.ask("PUT /v1/plans/event42", raw=b"x", headers={"Content-Type": "text/plain"})).status == 415
    given = await house.ask("POST /v1/plans/event42", plan())
    assert (given.status, given.headers["Allow"]) == (405, "DELETE, GET, HEAD, PUT")


async def _ask_meanwhile(house: House, answered: list[int]) -> None:
    while True:
        answered.append((await house.ask("POST /v1/messages", EMAIL | {"send_at": later(days=1)})).status)


@pytest.mark.slow
async def test_a_plan_for_thousands_leaves_others_their_turn(tmp_path: Path) -> None:
    """As many people as a plan may have are reminded of what it asks for, and meanwhile everybody else is answered."""
    async with running(await SqliteLog.open(tmp_path / "tidings.db")) as house:
        asked, answered = plan("day_before", "event_end", people=5_000), list[int]()
        async with anyio.create_task_group() as group:
            group.start_soon(_ask_meanwhile, house, answered)
            given = await house.ask("PUT /v1/plans/event42", asked)
            group.cancel_scope.cancel()
        assert (given.status, len(ids_in(given.json, "created"))) == (200, 10_000)
        assert set(answered) == {202}
        assert len(answered) > 50
        again = await house.ask("PUT /v1/plans/event42", asked)
        assert (again.json["kept"], again.json["revision"]) == (10_000, 1)
        moved = await house.ask("PUT /v1/plans/event42", plan("day_before", "event_end", people=5_000, days=35))
        assert len(ids_in(moved.json, "moved")) == 10_000
        assert len(await messages(house)) == 10_000
