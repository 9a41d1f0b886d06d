"""Answers for the way of a hook from the door to a real handler, and for what people may ask of it there."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import anyio
import msgspec
import pytest
from standardwebhooks import Webhook

from tests.edges.channels.endpoints import Answer, Endpoint, answers
from tests.edges.web.hook_house import STANDARD_SECRET, STRIPE, HookHouse, signed_by_stripe, taking_hooks
from tests.edges.web.house import EMAIL, Json

pytestmark = pytest.mark.anyio

OK = answers(200, b"{}")
# Retries after a moment, and a circuit that stays out of the way.
QUICK = """policy = { retry = { after = ["50ms", "50ms"], jitter = 0.0 }, circuit = { failures = 100 } }
"""
MAIL = '[lanes.mail]\nchannel = "email"\nprovider = "sandbox"\n'


def forwarding(endpoint: Endpoint, *more: str) -> str:
    """Stripe's source with a handler at an endpoint."""
    return "\n".join((STRIPE + f'forward = "{endpoint.url("/stripe")}"', *more)) + "\n"


def event(number: int, customer: str | None = None) -> Json:
    """An event of Stripe's."""
    return {"id": f"evt_{number}", "type": "invoice.paid", "data": {"object": {"customer": customer, "n": number}}}


async def posted(house: HookHouse, sent: Json, headers: Mapping[str, str] | None = None) -> Json:
    """A hook that was taken."""
    body = msgspec.json.encode(sent)
    given = await house.post("stripe", body, {"Stripe-Signature": signed_by_stripe(body), **(headers or {})})
    assert given.status == 200, given.body
    return {"id": given.json["id"]}


async def test_a_hook_reaches_its_handler_as_it_was(tmp_path: Path) -> None:
    """The handler gets Stripe's bytes, content type and signature, ours beside them, and the hook is delivered."""
    body = b'{ "id": "evt_1",\n  "type": "invoice.paid" }'
    stripes = signed_by_stripe(body)
    signing = f'signing_secrets = ["{STANDARD_SECRET}"]'
    async with Endpoint(OK) as endpoint, taking_hooks(forwarding(endpoint, signing), tmp_path) as house:
        headers = {"Stripe-Signature": stripes, "Content-Type": "application/json; charset=utf-8"}
        given = await house.post("stripe", body, {**headers, "Cookie": "a=b", "User-Agent": "Stripe/1.0"})
        state = await house.until({"id": given.json["id"]}, "delivered")
    [received] = endpoint.received
    assert (received.line, received.body) == ("POST /stripe HTTP/1.1", body)
    assert received.headers["content-type"] == "application/json; charset=utf-8"
    assert received.headers["stripe-signature"] == stripes
    assert received.headers["webhook-id"] == received.headers["tidings-cause"] == state["id"]
    assert received.headers["tidings-event"] == "evt_1"
    assert received.headers["tidings-kind"] == "invoice.paid"
    assert "cookie" not in received.headers
    assert Webhook(STANDARD_SECRET).verify(received.body, received.headers)
    assert (state["channel"], state["lane"], state["attempts"]) == ("hook", "stripe", 1)


async def test_a_broken_handler_is_no_business_of_the_sender(tmp_path: Path) -> None:
    """However the handler fails, the sender is told 200, and the hook is tried again until it is delivered."""
    wrong: list[Answer] = [answers(500), answers(404), OK]
    async with Endpoint(*wrong) as endpoint, taking_hooks(forwarding(endpoint, QUICK), tmp_path) as house:
        state = await house.until(await posted(house, event(1)), "delivered")
    assert state["attempts"] == 3
    assert [received.headers["tidings-attempt"] for received in endpoint.received] == ["1", "2", "3"]
    assert len({received.headers["webhook-id"] for received in endpoint.received}) == 1


async def test_hooks_of_a_customer_come_in_order(tmp_path: Path) -> None:
    """While a customer's first hook is being retried its next ones wait, and another customer's do not."""
    text = 'order_by = "/data/object/customer"'
    async with (
        Endpoint(answers(503), OK) as endpoint,
        taking_hooks(forwarding(endpoint, text, QUICK), tmp_path) as house,
    ):
        sent = [await posted(house, event(n, customer)) for n, customer in enumerate("aabaab")]
        conversations = {str((await house.until(hook, "delivered"))["conversation"]) for hook in sent}
    numbers = [msgspec.json.decode(one.body)["data"]["object"]["n"] for one in endpoint.received]
    assert [number for number in dict.fromkeys(numbers) if number in {0, 1, 3, 4}] == [0, 1, 3, 4]
    assert numbers.count(0) == 2
    assert len(conversations) == 2


async def test_a_handler_may_be_done_with_a_hook(tmp_path: Path) -> None:
    """410, and `webhook-delivery: abort-message` beside a refusal, end a hook at once, and no other of its customer."""
    stop = answers(500, headers={"webhook-delivery": "abort-message"})
    text = 'order_by = "/data/object/customer"'
    async with (
        Endpoint(answers(410), stop, OK) as endpoint,
        taking_hooks(forwarding(endpoint, text), tmp_path) as house,
    ):
        first, second, third = [await posted(house, event(n, "a")) for n in range(3)]
        for dead in (first, second):
            assert (await house.until(dead, "dead"))["reason"] == "refused"
        await house.until(third, "delivered")
    assert len(endpoint.received) == 3


async def test_a_dead_hook_is_redriven(tmp_path: Path) -> None:
    """A hook whose handler failed to the end waits as a dead letter, and goes out again when a person says so."""
    refuses = answers(500)
    async with (
        Endpoint(refuses, refuses, refuses, OK) as endpoint,
        taking_hooks(forwarding(endpoint, QUICK), tmp_path) as house,
    ):
        hook = await posted(house, event(1))
        dead = await house.until(hook, "dead")
        assert (dead["reason"], cast("Json", dead["last_error"])["code"]) == ("exhausted", "500")
        assert [one["id"] for one in await house.hooks("&status=dead")] == [hook["id"]]
        again = await house.ask(f"POST /v1/messages/{hook['id']}/redrive", role="operate")
        assert again.status == 200
        await house.until(hook, "delivered")
    assert [received.headers["tidings-attempt"] for received in endpoint.received] == ["1", "2", "3", "4"]


async def test_a_waiting_hook_is_cancelled(tmp_path: Path) -> None:
    """A paused handler keeps its hooks, and one of them may be called off; a repeat of it stays a repeat."""
    async with Endpoint(OK) as endpoint, taking_hooks(forwarding(endpoint), tmp_path) as house:
        await house.paused("stripe")
        hook = await posted(house, event(1))
        assert (await house.state(hook))["held_by"] == "lane"
        given = await house.ask(f"POST /v1/messages/{hook['id']}/cancel", role="operate")
        assert (given.status, given.json["status"]) == (200, "cancelled")
        assert (await house.stripe(event(1))).json["duplicates"] == 1
        await house.ask("POST /v1/lanes/stripe/resume")
        await house.until(await posted(house, event(2)), "delivered")
    assert [msgspec.json.decode(one.body)["id"] for one in endpoint.received] == ["evt_2"]


async def test_what_a_hook_leads_to_is_one_trace(tmp_path: Path) -> None:
    """A message that a handler submits with its headers names the hook as its cause, under one trace context."""
    async with Endpoint(OK) as endpoint, taking_hooks(forwarding(endpoint) + MAIL, tmp_path) as house:
        hook = await posted(house, event(1))
        await house.until(hook, "delivered")
        headers = endpoint.received[0].headers
        caused = await house.ask(
            "POST /v1/messages", EMAIL | {"cause": headers["tidings-cause"]},
            headers={"traceparent": headers["traceparent"]},
        )  # fmt: skip  # One request.
        assert caused.status == 202, caused.body
        stories = [
            cast("list[Json]", (await house.ask(f"GET /v1/messages/{one['id']}/events")).json["events"])[0]
            for one in (hook, caused.json)
        ]
    assert stories[1]["cause"] == stories[0]["stream"] == hook["id"]
    traces = [cast("Json", story["data"])["trace"] for story in stories]
    assert traces[0] == traces[1] == headers["traceparent"]


async def test_a_senders_own_trace_goes_on(tmp_path: Path) -> None:
    """Where a sender is part of a trace, its hooks and what they lead to belong to that one."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with Endpoint(OK) as endpoint, taking_hooks(forwarding(endpoint), tmp_path) as house:
        await house.until(await posted(house, event(1), {"traceparent": trace}), "delivered")
    assert endpoint.received[0].headers["traceparent"] == trace


async def test_nobody_submits_a_hook(tmp_path: Path) -> None:
    """The API takes no message of the channel hook, nor one of another channel through a handler's lane."""
    async with Endpoint(OK) as endpoint, taking_hooks(forwarding(endpoint) + MAIL, tmp_path) as house:
        asked: Json = {"channel": "hook", "to": "stripe", "content": {"source": "stripe", "key": "k", "body": ""}}
        assert (await house.ask("POST /v1/messages", asked)).mistake[0] == "/channel"
        assert (await house.ask("POST /v1/messages", EMAIL | {"lane": "stripe"})).mistake[0] == "/lane"
        assert (await house.ask("POST /v1/messages", EMAIL | {"failover": ["mail", "stripe"]})).mistake[
            0
        ] == "/failover/1"
        assert await house.hooks() == []
    assert endpoint.received == []


@pytest.mark.slow
async def test_a_handler_that_asks_for_time_gets_it(tmp_path: Path) -> None:
    """429 with Retry-After slows the whole handler down, and uses up none of its hooks' attempts."""
    slower = answers(429, headers={"Retry-After": "1"})
    async with Endpoint(slower, OK) as endpoint, taking_hooks(forwarding(endpoint), tmp_path) as house:
        first = await posted(house, event(1))
        await house.until(first, "retrying")
        second = await posted(house, event(2))
        began_s = anyio.current_time()
        for hook in (first, second):
            await house.until(hook, "delivered")
        assert anyio.current_time() - began_s > 0.5
        lanes = cast("list[Json]", (await house.ask("GET /v1/lanes")).json["lanes"])
    assert [lane["name"] for lane in lanes] == ["stripe"]
    assert len(endpoint.received) == 3
