"""Answers for one message over HTTP: accepted once, shown as it is, found again."""

from datetime import UTC, datetime, timedelta
from typing import cast

import msgspec
import pytest

from core.contents import MessageRequest
from core.outcomes import Permanent, Transient
from tests.edges.web.house import EMAIL, House, Json, later

pytestmark = pytest.mark.anyio

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_an_accepted_message_goes_out_and_its_state_says_so(house: House) -> None:
    """A message is answered with 202 and an id; once the provider took it, its state is sent."""
    given = await house.ask("POST /v1/messages", EMAIL, role="send")
    assert given.status == 202
    message = given.json
    assert set(message) == {"id", "conversation", "status", "due", "duplicate"}
    assert (message["status"], message["duplicate"]) == ("queued", False)

    state = await house.until(message, "sent")

    assert (state["attempts"], state["provider_id"], state["last_error"]) == (1, "at-the-provider", None)
    assert [parcel.to for parcel in house.provider.seen] == ["ann@example.com"]


async def test_a_null_is_a_field_left_out(house: House) -> None:
    """A client that writes every optional field, empty ones as null, asks for the same as one that leaves them out."""
    optional = {field.encode_name for field in msgspec.structs.fields(MessageRequest) if not field.required}
    assert {"fallback", "priority", "metadata"} <= optional
    first = await house.accepted(idempotency_key="one")
    nulls = dict.fromkeys(optional) | {"idempotency_key": "one"}
    given = await house.ask("POST /v1/messages", EMAIL | nulls)
    assert (given.status, given.json["id"]) == (200, first["id"]), given.body


async def test_a_repeated_request_is_the_same_message(house: House) -> None:
    """The same key with the same request answers 200 with the first id, whether the key is a field or the header."""
    first = await house.accepted(idempotency_key="one")
    for body, headers in ((EMAIL | {"idempotency_key": "one"}, {}), (EMAIL, {"Idempotency-Key": "one"})):
        given = await house.ask("POST /v1/messages", body, headers=headers)
        assert given.status == 200
        assert (given.json["id"], given.json["duplicate"]) == (first["id"], True)
    assert await house.count() == 1


async def test_a_fallback_is_compared_by_what_it_says(house: House) -> None:
    """The same key with a fallback whose data is spaced and ordered otherwise answers 200 with the first id."""
    fallback = '"fallback":[{"channel":"webhook","to":"https://x.example/","content":{"type":"t","data":%s}}]'
    body = '{"channel":"email","to":"ann@example.com","content":{"subject":"s","text":"t"},"idempotency_key":"one",%s}'
    first = await house.ask("POST /v1/messages", raw=(body % (fallback % '{"a":1,"b":2}')).encode())
    again = await house.ask("POST /v1/messages", raw=(body % (fallback % '{ "b": 2, "a": 1 }')).encode())
    other = await house.ask("POST /v1/messages", raw=(body % (fallback % '{"a":1,"b":3}')).encode())
    assert (first.status, again.status, again.json["id"]) == (202, 200, first.json["id"])
    assert (other.status, other.kind) == (409, "key-reused")


async def test_a_key_cannot_stand_for_another_request(house: House) -> None:
    """The same key with another content is refused with the id that it belongs to, and nothing is accepted."""
    first = await house.accepted(idempotency_key="one")
    given = await house.ask("POST /v1/messages", EMAIL | {"to": "bob@example.com", "idempotency_key": "one"})
    assert (given.status, given.kind) == (409, "key-reused")
    assert given.json["id"] == first["id"]
    assert await house.count() == 1


async def test_two_tenants_may_use_the_same_key(house: House) -> None:
    """An idempotency key belongs to its tenant."""
    body = EMAIL | {"idempotency_key": "one"}
    ids = {(await house.ask("POST /v1/messages", body, role="send", tenant=tenant)).json["id"] for tenant in ("a", "b")}
    assert len(ids) == 2


async def test_a_message_for_later_is_scheduled_to_the_microsecond(house: House) -> None:
    """`send_at` comes back as `due`, in UTC, and the message waits for it."""
    moment = datetime.now(UTC) + timedelta(days=1)
    message = await house.accepted(send_at=moment.astimezone(tz=None).isoformat())
    assert message["status"] == "scheduled"
    assert str(message["due"]).endswith("Z")
    assert datetime.fromisoformat(str(message["due"])) == moment
    assert (await house.state(message))["status"] == "scheduled"


async def test_a_failed_attempt_is_told_with_its_retry(house: House) -> None:
    """After a fault of the provider the state says retrying, when, and what the provider said."""
    house.provider.answers = [Transient(code="451", detail="try later")]
    message = await house.accepted()
    state = await house.until(message, "retrying")
    assert state["last_error"] == {"code": "451", "detail": "try later"}
    assert datetime.fromisoformat(str(state["due"])) > datetime.fromisoformat(str(state["changed_at"]))


async def test_the_events_of_a_message_tell_its_story(house: House) -> None:
    """A message's events come in order, with names, readable ids and times, and without address or content."""
    message = await house.accepted()
    await house.until(message, "sent")
    given = await house.ask(f"GET /v1/messages/{message['id']}/events", role="read")
    events = cast("list[Json]", given.json["events"])
    assert [event["type"] for event in events] == ["MessageAccepted", "AttemptStarted", "AttemptTaken"]
    assert [event["version"] for event in events] == [1, 2, 3]
    accepted = cast("Json", events[0]["data"])
    assert (events[0]["stream"], accepted["conversation"]) == (message["id"], message["conversation"])
    assert accepted["due"] == message["due"]
    assert b"ann@example.com" not in given.body
    assert b"Tomorrow" not in given.body


async def test_the_newest_come_first_and_pages_meet(house: House) -> None:
    """Pages of a list hold every message once, newest first, and the last one has no next."""
    await house.paused()
    made = [str((await house.accepted(to=f"p{n}@example.com"))["id"]) for n in range(7)]
    found: list[str] = []
    cursor: object = ""
    while cursor is not None:
        page = (await house.ask(f"GET /v1/messages?limit=3{cursor and f'&before={cursor}'}")).json
        found += [str(message["id"]) for message in cast("list[Json]", page["messages"])]
        cursor = page["next"]
    assert found == made[::-1]


async def test_messages_are_found_by_what_is_known_of_them(house: House) -> None:
    """Status, channel, lane, conversation and reference each narrow a list, and together they narrow it further."""
    await house.paused("mail")
    held = await house.accepted(reference="event42")
    later_one = await house.accepted(to="bob@example.com", lane="spare", reference="event42", send_at=later(days=1))
    call = {"channel": "webhook", "to": "https://example.com/hook", "content": {"type": "a.b", "data": {"n": 1}}}
    sent = (await house.ask("POST /v1/messages", call)).json
    await house.until(sent, "delivered")

    async def found(query: str) -> set[object]:
        page = (await house.ask(f"GET /v1/messages?{query}")).json
        return {message["id"] for message in cast("list[Json]", page["messages"])}

    assert await found("status=held") == {held["id"]}
    assert await found("status=queued") == set()
    assert await found("status=held,scheduled") == {held["id"], later_one["id"]}
    assert await found("channel=webhook") == {sent["id"]}
    assert await found("lane=spare") == {later_one["id"]}
    assert await found(f"conversation={held['conversation']}") == {held["id"]}
    assert await found("reference=event42") == {held["id"], later_one["id"]}
    assert await found("reference=event42&lane=mail") == {held["id"]}
    assert await found("reference=another") == set()


async def test_a_paused_lane_holds_its_messages(house: House) -> None:
    """What waits for a paused lane is shown as held by the lane, and as queued again once it is resumed."""
    await house.paused()
    message = await house.accepted(send_at=None)
    state = await house.state(message)
    assert (state["status"], state["held_by"]) == ("held", "lane")
    assert (await house.ask("POST /v1/lanes/mail/resume")).json["paused"] is False
    assert (await house.until(message, "sent"))["held_by"] is None


async def test_trace_and_correlation_come_back(house: House) -> None:
    """`traceparent` and `X-Correlation-Id` are given back on every answer, and the trace is kept with the message."""
    headers = {"traceparent": TRACE, "X-Correlation-Id": "order-7"}
    for body in (EMAIL, {}):
        given = await house.ask("POST /v1/messages", body, headers=headers)
        assert (given.headers["traceparent"], given.headers["X-Correlation-Id"]) == (TRACE, "order-7")
    message = (await house.ask("POST /v1/messages", EMAIL, headers=headers)).json
    events = cast("list[Json]", (await house.ask(f"GET /v1/messages/{message['id']}/events")).json["events"])
    assert cast("Json", events[0]["data"])["trace"] == TRACE


@pytest.mark.parametrize(
    "trace",
    ["00-0-0-01", f"ff{TRACE[2:]}", f"00-{'0' * 32}-00f067aa0ba902b7-01", TRACE.upper(), f"{TRACE}-more"],
)
async def test_a_broken_trace_is_passed_over(house: House, trace: str) -> None:
    """A traceparent that breaks the W3C form neither stops a message nor comes back."""
    given = await house.ask("POST /v1/messages", EMAIL, headers={"traceparent": trace})
    assert given.status == 202
    assert "traceparent" not in given.headers


async def test_a_cancel_ends_an_open_message_once(house: House) -> None:
    """An open message is cancelled; what has ended cannot be, and stays as it is."""
    message = await house.accepted(send_at=later(days=1))
    given = await house.ask(f"POST /v1/messages/{message['id']}/cancel", role="operate")
    assert (given.status, given.json["status"], given.json["reason"]) == (200, "cancelled", "requested")
    again = await house.ask(f"POST /v1/messages/{message['id']}/cancel")
    assert (again.status, again.kind) == (409, "state")
    assert (await house.state(message))["status"] == "cancelled"


async def test_only_a_dead_letter_is_redriven(house: House) -> None:
    """A dead letter goes out again and arrives; any other message is refused with 409."""
    house.provider.answers = [Permanent(code="550", detail="no such user")]
    message = await house.accepted()
    dead = await house.until(message, "dead")
    assert dead["last_error"] == {"code": "550", "detail": "no such user"}
    assert (await house.ask(f"POST /v1/messages/{message['id']}/redrive", role="operate")).status == 200
    assert (await house.until(message, "sent"))["attempts"] == 2
    again = await house.ask(f"POST /v1/messages/{message['id']}/redrive")
    assert (again.status, again.kind) == (409, "state")
