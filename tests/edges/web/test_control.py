"""Answers for what operators do: references, bulk redrives, conversations, lanes and counts."""

from datetime import UTC, datetime, timedelta
from typing import cast

import anyio
import pytest

from core.outcomes import Ambiguous, Permanent, Transient
from tests.edges.web.house import EMAIL, House, Json, later

pytestmark = pytest.mark.anyio


async def _dead(house: House, count: int, tenant: str | None = None) -> list[Json]:
    """So many dead letters, each of a conversation of its own."""
    house.provider.answers = [Permanent(code="550")] * count
    messages = [
        (await house.ask("POST /v1/messages", EMAIL | {"to": f"p{n}@example.com"}, tenant=tenant)).json
        for n in range(count)
    ]
    for message in messages:
        if tenant is None:
            await house.until(message, "dead")
    return messages


async def test_a_reference_cancels_all_of_its_open_messages(house: House) -> None:
    """Every open message of a reference is cancelled, no other one and none of another tenant."""
    mine = [await house.accepted(to=f"p{n}@example.com", reference="event42", send_at=later(days=1)) for n in range(3)]
    other = await house.accepted(reference="event43", send_at=later(days=1))
    body = EMAIL | {"reference": "event42", "send_at": later(days=1)}
    theirs = (await house.ask("POST /v1/messages", body, tenant="acme")).json
    given = await house.ask("POST /v1/cancel", {"reference": "event42"}, role="operate")
    assert given.json == {"reference": "event42", "matched": 3, "changed": 3, "unchanged": []}
    assert {(await house.state(message))["status"] for message in mine} == {"cancelled"}
    assert (await house.state(other))["status"] == "scheduled"
    assert (await house.ask(f"GET /v1/messages/{theirs['id']}", tenant="acme")).json["status"] == "scheduled"
    again = await house.ask("POST /v1/cancel", {"reference": "event42"})
    assert (again.json["matched"], again.json["changed"]) == (0, 0)


async def test_a_reference_moves_its_messages(house: House) -> None:
    """Every message of a reference that was not tried yet is due at the new moment; the others are told of."""
    house.provider.answers = [Transient(code="451")]
    tried = await house.accepted(to="bob@example.com", reference="event42")
    await house.until(tried, "retrying")
    message = await house.accepted(reference="event42", send_at=later(days=1))
    moment = datetime.now(UTC) + timedelta(days=2)
    given = await house.ask("POST /v1/reschedule", {"reference": "event42", "send_at": moment.isoformat()})
    assert (given.json["matched"], given.json["changed"]) == (2, 1)
    assert [entry["id"] for entry in cast("list[Json]", given.json["unchanged"])] == [tried["id"]]
    assert datetime.fromisoformat(str((await house.state(message))["due"])) == moment


async def test_a_bulk_redrive_says_first_what_it_would_do(house: House) -> None:
    """A dry run counts dead letters, their age and the time it takes, and moves none."""
    messages = await _dead(house, 3)
    given = await house.ask("POST /v1/redrives", {"filter": {}, "rate": "1/s", "dry_run": True}, role="operate")
    assert given.status == 200
    states = [await house.state(message) for message in messages]
    assert given.json == {
        "count": 3,
        "oldest": states[0]["accepted_at"],
        "newest": states[2]["accepted_at"],
        "estimate_s": 3.0,
    }
    assert [state["status"] for state in states] == ["dead"] * 3


async def test_a_bulk_redrive_moves_what_its_filter_names(house: House) -> None:
    """Dead letters that match go out again; the job says how many it moved and that it is done."""
    messages = await _dead(house, 3)
    body = {"filter": {"conversation": messages[0]["conversation"], "lane": "mail", "channel": "email"}}
    given = await house.ask("POST /v1/redrives", body)
    assert (given.status, cast("Json", given.json["plan"])["count"]) == (202, 1)
    await house.until(messages[0], "sent")
    assert (await house.state(messages[1]))["status"] == "dead"
    with anyio.fail_after(10):
        while True:
            change = house.log.changed()
            job = (await house.ask(f"GET /v1/redrives/{given.json['id']}", role="read")).json
            if job["status"] == "done":
                break
            await change
    assert (job["count"], job["moved"], job["lane"]) == (1, 1, "mail")
    again = await house.ask(f"POST /v1/redrives/{given.json['id']}/cancel")
    assert (again.status, again.kind) == (409, "state")


async def test_a_bulk_redrive_can_be_called_off(house: House) -> None:
    """A slow redrive that is cancelled moves nothing more."""
    messages = await _dead(house, 3)
    job = (await house.ask("POST /v1/redrives", {"filter": {}, "rate": "1/h"})).json
    given = await house.ask(f"POST /v1/redrives/{job['id']}/cancel", role="operate")
    assert (given.status, given.json["status"]) == (200, "cancelled")
    states = [(await house.state(message))["status"] for message in messages]
    assert states.count("dead") >= 2


async def test_a_circuit_is_shown_and_reset(house: House) -> None:
    """Five faults in a row open a conversation's circuit; an operator closes it."""
    house.provider.answers = [Transient(code="451")] * 5
    body = EMAIL | {"order": "any"}
    messages = [(await house.ask("POST /v1/messages", body)).json for _ in range(5)]
    conversation = f"/v1/conversations/{messages[0]['conversation']}"
    with anyio.fail_after(10):
        while True:
            change = house.log.changed()
            state = (await house.ask(f"GET {conversation}", role="read")).json
            if state["circuit"] == "open":
                break
            await change
    assert (state["failures"], state["open"], state["attempts"]) == (5, {"retrying": 5}, 5)
    assert datetime.fromisoformat(str(state["retry_at"])) > datetime.now(UTC)
    given = await house.ask(f"POST {conversation}/circuit/reset", role="operate")
    assert (given.status, given.json["circuit"], given.json["failures"]) == (200, "closed", 0)


async def test_held_messages_are_released(house: House) -> None:
    """What is held for a person goes on when a person says so, and the answer counts it."""
    house.provider.answers = [Ambiguous(code="timeout")]
    message = await house.accepted(on_ambiguous="hold")
    held = await house.until(message, "held")
    assert held["held_by"] == "unknown"
    given = await house.ask(f"POST /v1/conversations/{message['conversation']}/release", role="operate")
    assert given.json == {"released": 1}
    await house.until(message, "sent")


async def test_lanes_show_what_waits_for_them(house: House) -> None:
    """A lane shows its provider, whether it is paused and by whom, its depth and its limits."""
    await house.paused()
    for n in range(3):
        await house.accepted(to=f"p{n}@example.com")
    lanes = cast("list[Json]", (await house.ask("GET /v1/lanes", role="read")).json["lanes"])
    assert [lane["name"] for lane in lanes] == ["mail", "spare", "calls", "chat", "shop"]
    mail = lanes[0]
    assert (mail["paused"], mail["paused_by"], mail["depth"], mail["provider"]) == (True, "operator", 3, "stand-in")
    assert (mail["breaker"], mail["drain_forecast_s"]) == ("closed", None)
    assert {"scope": "lane", "used": 0, "of": 100, "window_s": 60.0, "tenant": None} in cast(
        "list[Json]", mail["limits"]
    )
    unknown = await house.ask("POST /v1/lanes/pigeon/pause")
    assert (unknown.status, unknown.kind) == (404, "not-found")
    assert "mail" in str(unknown.json["detail"])


async def test_a_tenants_key_sees_what_waits_of_its_own(house: House) -> None:
    """How much others have in a lane is nobody else's business; that it stands still is everybody's."""
    await house.paused()
    for n, owner in enumerate(("acme", "acme", "bell")):
        given = await house.ask("POST /v1/messages", EMAIL | {"to": f"p{n}@example.com"}, tenant=owner)
        assert given.status == 202
    shown: dict[str | None, list[object]] = {}
    tenants: tuple[str | None, ...] = ("acme", "bell", "calm", None)
    for tenant in tenants:
        lanes = cast("list[Json]", (await house.ask("GET /v1/lanes", role="read", tenant=tenant)).json["lanes"])
        shown[tenant] = [lanes[0][name] for name in ("depth", "in_flight", "oldest_due", "paused_by")]
        assert lanes[0]["drain_forecast_s"] is None
        assert (lanes[1]["drain_forecast_s"] is None) is (tenant is not None)
    assert {tenant: (one[0], one[1], one[3]) for tenant, one in shown.items()} == {
        "acme": (2, 0, "operator"), "bell": (1, 0, "operator"), "calm": (0, 0, "operator"), None: (3, 0, "operator"),
    }  # fmt: skip
    assert shown["calm"][2] is None
    assert shown["acme"][2] == shown[None][2] != shown["bell"][2]


async def test_stats_count_everything_once(house: House) -> None:
    """Counts by status, channel and lane agree with what was accepted, dead letters and oldest open included."""
    dead = await _dead(house, 2)
    sent = await house.accepted()
    await house.until(sent, "sent")
    await house.paused("spare")
    first = await house.accepted(lane="spare", to="x@example.com")
    last = await house.accepted(lane="mail", send_at=later(days=1))
    stats = (await house.ask("GET /v1/stats", role="read")).json
    assert (stats["messages"], stats["open"], stats["dead_letters"]) == (5, 2, len(dead))
    assert stats["by_status"] == {"dead": 2, "sent": 1, "held": 1, "scheduled": 1}
    assert stats["by_lane"] == {"mail": {"dead": 2, "sent": 1, "scheduled": 1}, "spare": {"held": 1}}
    assert stats["by_channel"] == {"email": stats["by_status"]}
    assert stats["average_attempts"] == pytest.approx(3 / 5)
    assert cast("Json", stats["oldest_open"])["id"] == first["id"]
    assert cast("Json", stats["newest_open"])["id"] == last["id"]


async def test_an_empty_house_has_empty_stats(house: House) -> None:
    """With no message at all every count is 0 and nothing is oldest."""
    stats = (await house.ask("GET /v1/stats")).json
    assert (stats["messages"], stats["by_status"], stats["oldest_open"]) == (0, {}, None)
    assert stats["average_attempts"] == 0.0
