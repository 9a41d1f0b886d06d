"""Answers for messages that came in by a hook: they read `hook_` wherever they are named, and are found by that."""

from typing import cast

import msgspec
import pytest

from core import ids
from core.content_shapes import HookContent
from core.contents import Submission
from core.outcomes import Transient
from tests.edges.web.house import House, Json
from tests.edges.web.test_events import following

pytestmark = pytest.mark.anyio


async def taken(house: House, key: str = "evt_1") -> Json:
    """A hook that was taken charge of."""
    submission = Submission(
        channel="hook",
        to=f"shop/event/{key}",
        content=msgspec.json.encode(HookContent(source="shop", key=key, body=b"{}")),
        host=None,
        subject=f"shop/event/{key}",
        idempotency_key=f"hook/shop/{key}",
        reference=None,
        send_at_us=None,
        expires_at_us=None,
        lane="shop",
        order=None,
        priority=5,
        on_ambiguous=None,
        policy=None,
        zone=None,
        metadata=None,
        trace="",
        correlation=None,
        request=b"hook",
    )
    receipt = await house.system.intake.accept("default", submission)
    return {"id": ids.encode("hook", receipt.id)}


async def test_a_hook_reads_so_wherever_it_is_named(house: House) -> None:
    """State, list, statistics, events of the message, of the log and of the stream all name it by the same id."""
    await house.paused("shop")
    hook = await taken(house)
    state = await house.state(hook)
    assert (state["id"], state["channel"], state["lane"]) == (hook["id"], "hook", "shop")
    listed = cast("list[Json]", (await house.ask("GET /v1/messages?channel=hook&lane=shop")).json["messages"])
    assert [message["id"] for message in listed] == [hook["id"]]
    assert cast("Json", (await house.ask("GET /v1/stats")).json["oldest_open"])["id"] == hook["id"]
    await house.ask("POST /v1/lanes/shop/resume")
    await house.until(hook, "delivered")
    own = cast("list[Json]", (await house.ask(f"GET /v1/messages/{hook['id']}/events")).json["events"])
    assert {event["stream"] for event in own} == {hook["id"]}
    assert len(own) == 3
    for limit in (1, 100):
        # On a page of one event the others do not tell what it is of.
        assert [event["stream"] for event in await _pages(house, limit)] == [hook["id"]] * 3
    async with following(house) as follower:
        assert [(await follower.next())["stream"] for _ in range(3)] == [hook["id"]] * 3


async def test_a_hook_is_found_and_steered_by_its_id(house: House) -> None:
    """Its id is read in paths and queries, as that of any message; the prefix alone does not make it another."""
    await house.paused("shop")
    first, second = await taken(house, "evt_1"), await taken(house, "evt_2")
    page = (await house.ask("GET /v1/messages?limit=1")).json
    assert page["next"] == second["id"]
    page = (await house.ask(f"GET /v1/messages?before={page['next']}")).json
    assert [message["id"] for message in cast("list[Json]", page["messages"])] == [first["id"]]
    same = str(first["id"]).replace("hook_", "msg_")
    assert (await house.ask(f"GET /v1/messages/{same}")).json["id"] == first["id"]
    cancelled = await house.ask(f"POST /v1/messages/{first['id']}/cancel")
    assert (cancelled.status, cancelled.json["id"], cancelled.json["status"]) == (200, first["id"], "cancelled")
    assert (await house.ask(f"POST /v1/messages/{first['id']}/redrive")).status == 409


async def test_what_a_hook_led_to_names_it(house: House) -> None:
    """A message with a hook as its cause shows it, and so does the first of its events."""
    hook = await taken(house)
    message = await house.accepted(cause=hook["id"])
    assert (await house.state(message))["cause"] == hook["id"]
    events = cast("list[Json]", (await house.ask(f"GET /v1/messages/{message['id']}/events")).json["events"])
    assert events[0]["cause"] == hook["id"]
    found = (await house.ask(f"GET /v1/messages?cause={hook['id']}")).json
    assert [one["id"] for one in cast("list[Json]", found["messages"])] == [message["id"]]


async def test_the_daemons_log_names_a_hook_by_its_id(house: House) -> None:
    """A log line about an attempt at a hook has the id under which the API knows it."""
    house.provider.answers = [Transient(code="503")]
    hook = await taken(house)
    await house.until(hook, "retrying")
    lines = [msgspec.json.decode(line) for line in house.said.getvalue().splitlines()]
    assert [line["message"] for line in lines if line["note"] == "attempt"] == [hook["id"]]


@pytest.mark.parametrize("text", ["hook_", "hook_x", "hook_0000000000001x", "HOOK_0000000000001"])
async def test_what_is_no_id_of_a_hook_names_nothing(house: House, text: str) -> None:
    """A path with something like an id of a hook gets 404, and never a fault of ours."""
    given = await house.ask(f"GET /v1/messages/{text}")
    assert (given.status, given.kind) == (404, "not-found")


async def _pages(house: House, limit: int) -> list[Json]:
    events: list[Json] = []
    cursor = ""
    while True:
        page = (await house.ask(f"GET /v1/events?limit={limit}{cursor}")).json
        events += cast("list[Json]", page["events"])
        if not page["more"]:
            return events
        cursor = f"&after={page['next']}"
