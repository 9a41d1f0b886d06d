"""Answers for what becomes of a message beside its attempts: receipts, doubt, other lanes and channels, causes."""

from datetime import UTC, datetime
from typing import Final, cast

import pytest

from core.news import LaneNews, PeerNews, Receipt
from core.outcomes import Ambiguous, Permanent, Recipient
from core.records import Sealed
from eventstore.memory import MemoryLog
from tests.edges.web.house import EMAIL, House, Json, later, running

pytestmark = pytest.mark.anyio

ANN: Final = "+15550001111"
CHAT: Final[Json] = {"channel": "whatsapp", "to": ANN, "content": {"text": "At eight?"}}
CALL: Final[Json] = {"channel": "webhook", "to": "https://example.com/hook", "content": {"type": "a.b", "data": 1}}


class Forgetful(MemoryLog):
    """A log whose vault was emptied."""

    async def sealed_of(self, stream: int) -> Sealed | None:
        return None


async def _found(house: House, query: str) -> list[object]:
    page = (await house.ask(f"GET /v1/messages?{query}", role="read")).json
    return [message["id"] for message in cast("list[Json]", page["messages"])]


async def test_receipts_raise_a_message_and_are_shown(house: House) -> None:
    """What a provider tells, in whatever order, is listed with its instant, and the furthest of it is the status."""
    message = await house.accepted()
    state = await house.until(message, "sent")
    assert (state["receipts"], state["reconciling_until"]) == ([], None)
    for status in ("read", "delivered", "delivered"):
        await house.hears(Receipt(status=status, echo=str(message["id"])))
    state = await house.state(message)
    assert (state["status"], state["last_error"], state["reason"]) == ("read", None, None)
    receipts = cast("list[dict[str, str]]", state["receipts"])
    assert [receipt["status"] for receipt in receipts] == ["read", "delivered"]
    assert all(datetime.fromisoformat(receipt["at"]) <= datetime.now(UTC) for receipt in receipts)
    assert await _found(house, "status=read") == [message["id"]]
    stats = (await house.ask("GET /v1/stats")).json
    assert stats["by_status"] == {"read": 1}
    figures = (await house.ask("GET /metrics")).body.decode()
    assert 'tidings_messages{lane="mail",status="read"} 1.0' in figures


async def test_a_bounce_fails_a_message_and_silences_its_conversation(house: House) -> None:
    """A later failure is the status and the last error; a dead address is suppressed until a person releases it."""
    message = await house.accepted()
    await house.until(message, "sent")
    bounced = Receipt(status="failed", echo=str(message["id"]), code="5.1.1", failure=Recipient(code="5.1.1"))
    await house.hears(bounced)
    state = await house.state(message)
    assert (state["status"], state["reason"], state["last_error"]) == (
        "failed",
        "failed",
        {"code": "5.1.1", "detail": ""},
    )
    assert await _found(house, "status=failed") == [message["id"]]
    path = f"/v1/conversations/{message['conversation']}"
    shown = (await house.ask(f"GET {path}", role="read")).json
    assert (shown["suppressed"], shown["strikes"]) == ({"scope": "all", "reason": "recipient"}, 0)
    dead = await house.until(await house.accepted(), "dead")
    assert dead["reason"] == "suppressed"
    assert (await house.ask(f"POST {path}/release", role="operate")).json == {"released": 0}
    assert (await house.ask(f"GET {path}")).json["suppressed"] is None
    await house.until(await house.accepted(), "sent")


async def test_an_address_that_may_be_dead_has_strikes(house: House) -> None:
    """A soft refusal strikes the address without suppressing it, which its conversation shows."""
    house.provider.answers = [Recipient(code="131026", soft=True)]
    message = (await house.ask("POST /v1/messages", CHAT)).json
    await house.until(message, "dead")
    shown = (await house.ask(f"GET /v1/conversations/{message['conversation']}")).json
    assert (shown["strikes"], shown["suppressed"], shown["refusals"]) == (1, None, 0)


async def test_a_conversation_shows_what_its_peer_did(house: House) -> None:
    """Nothing is known of a reply window at first; a message opens it for a day; an opt-out is shown with its scope."""
    message = (await house.ask("POST /v1/messages", CHAT)).json
    await house.until(message, "sent")
    path = f"GET /v1/conversations/{message['conversation']}"
    shown = (await house.ask(path)).json
    assert (shown["window"], shown["window_until"], shown["suppressed"]) == (None, None, None)
    await house.hears(PeerNews(did="wrote", channel="whatsapp", address=ANN), lane="chat")
    shown = (await house.ask(path)).json
    assert shown["window"] == "open"
    assert datetime.fromisoformat(str(shown["window_until"])) > datetime.now(UTC)
    await house.hears(PeerNews(did="stopped", channel="whatsapp", address=ANN, marketing=True), lane="chat")
    assert (await house.ask(path)).json["suppressed"] == {"scope": "marketing", "reason": "optout"}


async def test_a_closed_window_is_shown(house: House) -> None:
    """A window that has passed is closed, without an instant."""
    message = (await house.ask("POST /v1/messages", CHAT)).json
    await house.hears(PeerNews(did="wrote", channel="whatsapp", address=ANN, at_us=1), lane="chat")
    shown = (await house.ask(f"GET /v1/conversations/{message['conversation']}")).json
    assert (shown["window"], shown["window_until"]) == ("closed", None)


async def test_a_lane_that_its_provider_stopped_says_so(house: House) -> None:
    """An account that is down pauses its lane by the provider's word, and lets it go on when it is up again."""
    await house.hears(LaneNews(state="down", code="notAuthorized"), lane="chat")
    lanes = cast("list[Json]", (await house.ask("GET /v1/lanes")).json["lanes"])
    (chat,) = (lane for lane in lanes if lane["name"] == "chat")
    assert (chat["paused"], chat["paused_by"], chat["pause_code"]) == (True, "provider", "notAuthorized")
    await house.hears(LaneNews(state="up", code="authorized"), lane="chat")
    lanes = cast("list[Json]", (await house.ask("GET /v1/lanes")).json["lanes"])
    assert not any(lane["paused"] for lane in lanes)


async def test_a_doubt_is_shown_until_a_receipt_ends_it(house: House) -> None:
    """While evidence is awaited the state says until when; a receipt ends that, and the message is not sent again."""
    house.provider.answers = [Ambiguous(code="timeout")]
    message = (await house.ask("POST /v1/messages", CHAT)).json
    state = await house.until_it(message, lambda state: state["reconciling_until"])
    assert (state["status"], state["held_by"], state["attempts"]) == ("retrying", None, 1)
    assert datetime.fromisoformat(str(state["reconciling_until"])) > datetime.now(UTC)
    await house.hears(Receipt(status="delivered", echo=str(message["id"]), provider_id="wamid.1"), lane="chat")
    state = await house.state(message)
    assert (state["status"], state["reconciling_until"], state["provider_id"]) == ("delivered", None, "wamid.1")
    assert len(house.provider.seen) == 1


async def test_a_message_goes_through_the_lanes_that_it_names(house: House) -> None:
    """A message with a failover begins in the first lane that lets anything out, and shows them all."""
    await house.paused("mail")
    message = await house.accepted(failover=["mail", "spare"])
    state = await house.until(message, "sent")
    assert (state["lane"], state["failover"]) == ("spare", ["mail", "spare"])
    assert (await house.state(await house.accepted(lane="spare")))["failover"] == []


async def test_a_fallback_takes_the_place_of_what_failed(house: House) -> None:
    """A message that ended undelivered names the one that took its place, which names it as its cause."""
    house.provider.answers = [Permanent(code="550")]
    by = later(days=1)
    message = await house.accepted(fallback=[CALL], fallback_by=by)
    state = await house.until_it(message, lambda state: state["fallback"])
    assert (state["status"], state["owes_fallback"]) == ("dead", False)
    assert datetime.fromisoformat(str(state["fallback_by"])) == datetime.fromisoformat(by)
    other = (await house.ask(f"GET /v1/messages/{state['fallback']}")).json
    assert (other["channel"], other["cause"], other["fallback"]) == ("webhook", message["id"], None)
    assert await _found(house, f"cause={message['id']}") == [other["id"]]
    assert await _found(house, f"cause={message['id']}&channel=email") == []


@pytest.mark.slow
async def test_a_fallback_that_is_owed_is_shown(house: House) -> None:
    """Between the end of a message and the acceptance of its fallback the state says that one is owed."""
    await house.paused()
    message = await house.accepted(fallback=[CALL])
    house.provider.answers = [Permanent(code="550")]
    house.system.intake.is_open = False
    await house.ask("POST /v1/lanes/mail/resume")
    state = await house.until(message, "dead")
    assert (state["owes_fallback"], state["fallback"]) == (True, None)
    house.system.intake.is_open = True
    state = await house.until_it(message, lambda state: state["fallback"])
    assert state["owes_fallback"] is False


async def test_what_a_hook_led_to_is_found_by_it(house: House) -> None:
    """`cause` is given back, and lists what it led to; the same request with another cause is another request."""
    hook = "hook_06ym82m4r0001"
    message = await house.accepted(cause=hook, idempotency_key="one")
    await house.accepted(to="bob@example.com")
    assert (await house.state(message))["cause"] == hook
    assert await _found(house, f"cause={hook}") == [message["id"]]
    other = await house.ask("POST /v1/messages", EMAIL | {"idempotency_key": "one", "cause": "msg_06ym82m4r0002"})
    assert (other.status, other.kind) == (409, "key-reused")


async def test_a_message_gives_back_what_it_is_known_by(house: House) -> None:
    """Reference, metadata and correlation come back with one message, exactly as they were given, and in no list."""
    metadata = {"campaign": "spring", "n": [1, 2.5, None], "café": {"a": True}}
    body = EMAIL | {"reference": "event42", "metadata": metadata}
    message = (await house.ask("POST /v1/messages", body, headers={"X-Correlation-Id": "order-7"})).json
    state = await house.state(message)
    assert (state["reference"], state["metadata"], state["correlation"]) == ("event42", metadata, "order-7")
    page = (await house.ask("GET /v1/messages?reference=event42")).json
    assert "metadata" not in cast("list[Json]", page["messages"])[0]
    plain = await house.state(await house.accepted(to="bob@example.com"))
    assert (plain["reference"], plain["metadata"], plain["correlation"]) == (None, None, None)


async def test_what_was_erased_is_not_given_back() -> None:
    """A message without a row in the vault is still shown, without what it was known by."""
    async with running(Forgetful()) as house:
        message = await house.accepted(reference="event42", metadata={"a": 1}, send_at=later(days=1))
        state = await house.state(message)
    assert (state["status"], state["reference"], state["metadata"]) == ("scheduled", None, None)
