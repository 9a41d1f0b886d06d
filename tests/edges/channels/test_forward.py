"""Answers for what a handler of hooks is sent, and for what each of its answers and faults comes to."""

import msgspec
import pytest
from standardwebhooks import Webhook

from adapters.channels.kept import KeptChannel
from core.outcomes import Ambiguous, Config, Outcome, Permanent, Rate, Taken, Transient
from core.policies import SECOND_US
from core.ports import Clock
from tests.edges.channels.endpoints import Answer, Endpoint, answers, resets, then_closes, then_silence
from tests.edges.channels.handlers import BODY, HOOK, SIGNING_SECRET, handler_at, hook_of
from tests.edges.channels.parcels import Certificates, HandOver
from tests.edges.channels.webhooks import Resolver

pytestmark = pytest.mark.anyio

OK = answers(200, b"{}")


async def outcome_of(clock: Clock, answer: Answer, *, within_us: int = 10 * SECOND_US) -> tuple[Outcome, int, int]:
    """What one request that is answered so comes to, how often it was handed over, and how many requests came."""
    handed_over = HandOver()
    async with Endpoint(answer) as endpoint, handler_at(clock, endpoint.url()) as channel:
        outcome = await channel.send(hook_of(clock, within_us=within_us), handed_over)
    return outcome, handed_over.count, len(endpoint.received)


async def test_a_handler_gets_the_very_bytes_in_every_attempt(clock: Clock) -> None:
    """Body and content type are those that came in, the id is the hook's, and the standard's library verifies us."""
    async with (
        Endpoint(OK) as endpoint,
        handler_at(clock, endpoint.url("/stripe?a=b"), signing_secrets=(SIGNING_SECRET,)) as channel,
    ):
        for attempt in (1, 2):
            parcel = hook_of(clock, headers={"Content-Type": "application/json; charset=utf-8"}, attempt=attempt)
            assert await channel.send(parcel, HandOver()) == Taken(code="200")
    first, second = endpoint.received
    assert first.line == "POST /stripe?a=b HTTP/1.1"
    assert first.body == second.body == BODY
    assert first.headers["content-type"] == "application/json; charset=utf-8"
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == HOOK
    assert (first.headers["tidings-attempt"], second.headers["tidings-attempt"]) == ("1", "2")
    assert first.headers["user-agent"] == "Tidings/test"
    for received in endpoint.received:
        assert Webhook(SIGNING_SECRET).verify(received.body, received.headers) == msgspec.json.decode(BODY)


async def test_a_handler_learns_where_a_hook_came_from(clock: Clock) -> None:
    """Source, the sender's own id and word, what to name as a cause, and the headers that were kept are there."""
    kept = {"Stripe-Signature": "t=1,v1=ab", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    async with Endpoint(OK) as endpoint, handler_at(clock, endpoint.url()) as channel:
        await channel.send(hook_of(clock, headers=kept, kind="invoice.paid"), HandOver())
    headers = endpoint.received[0].headers
    assert {name: headers[name] for name in headers if name.startswith("tidings-")} == {
        "tidings-source": "shop",
        "tidings-attempt": "1",
        "tidings-event": "evt_1",
        "tidings-kind": "invoice.paid",
        "tidings-cause": HOOK,
    }
    assert headers["stripe-signature"] == kept["Stripe-Signature"]
    assert headers["traceparent"] == kept["traceparent"]
    assert "webhook-signature" not in headers


async def test_no_header_of_a_sender_stands_for_one_of_ours(clock: Clock) -> None:
    """Whatever was kept under a name of ours, in whatever case, is what we say of the hook and stands once."""
    kept = {"Webhook-Id": "evil", "WEBHOOK-TIMESTAMP": "0", "tidings-source": "evil", "Tidings-Cause": "msg_evil"}
    async with (
        Endpoint(OK) as endpoint,
        handler_at(clock, endpoint.url(), signing_secrets=(SIGNING_SECRET,)) as channel,
    ):
        await channel.send(hook_of(clock, headers=kept), HandOver())
    received = endpoint.received[0]
    assert received.headers["webhook-id"] == received.headers["tidings-cause"] == HOOK
    assert received.headers["tidings-source"] == "shop"
    assert "evil" not in str(received.headers)
    assert Webhook(SIGNING_SECRET).verify(received.body, received.headers)


async def test_svix_headers_give_way_to_our_signature(clock: Clock) -> None:
    """Svix's libraries would take them for ours, so they go along only where we do not sign."""
    kept = {"svix-id": "msg_1", "svix-timestamp": "1", "svix-signature": "v1,x"}
    seen = []
    for secrets in ((), (SIGNING_SECRET,)):
        async with Endpoint(OK) as endpoint, handler_at(clock, endpoint.url(), signing_secrets=secrets) as channel:
            await channel.send(hook_of(clock, headers=kept), HandOver())
        seen.append([name for name in endpoint.received[0].headers if name.startswith("svix-")])
    assert seen == [["svix-id", "svix-timestamp", "svix-signature"], []]


@pytest.mark.parametrize("body", [b"", b"\x00\xff\xfe", b"x" * 3_000_000])
async def test_any_bytes_arrive_as_they_are(clock: Clock, body: bytes) -> None:
    """An empty body, one that is no text and a large one are handed over once and arrive whole."""
    handed_over = HandOver()
    async with (
        Endpoint(OK) as endpoint,
        handler_at(clock, endpoint.url(), signing_secrets=(SIGNING_SECRET,)) as channel,
    ):
        assert await channel.send(hook_of(clock, body=body, headers={}), handed_over) == Taken(code="200")
    received = endpoint.received[0]
    assert (received.body, received.headers["content-type"]) == (body, "application/octet-stream")
    assert (received.headers["content-length"], handed_over.count) == (str(len(body)), 1)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((200, Taken), (202, Taken), (204, Taken), (299, Taken)),
        *((301, Transient), (302, Transient), (307, Transient), (400, Transient), (401, Transient), (404, Transient)),
        *((410, Permanent), (422, Transient), (429, Rate), (500, Transient), (502, Transient), (503, Transient)),
    ],
)
async def test_every_status_has_its_outcome(clock: Clock, status: int, kind: type[Outcome]) -> None:
    """2xx is delivered, 410 ends this hook and no other, 429 slows the lane down; all else may be mended."""
    outcome, handed_over, requests = await outcome_of(clock, answers(status, headers={"Location": "/elsewhere"}))
    assert (type(outcome), outcome.code, handed_over, requests) == (kind, str(status), 1, 1)


async def test_a_handler_may_end_one_hook(clock: Clock) -> None:
    """`webhook-delivery: abort-message` beside a refusal ends the hook at once."""
    refused, *_ = await outcome_of(clock, answers(500, headers={"webhook-delivery": "abort-message"}))
    assert isinstance(refused, Permanent)


async def test_a_handler_may_ask_for_time(clock: Clock) -> None:
    """Retry-After is heeded; 429 is the wish of the handler and so of its whole lane."""
    busy, *_ = await outcome_of(clock, answers(503, headers={"Retry-After": "7"}))
    slower, *_ = await outcome_of(clock, answers(429, headers={"Retry-After": "9"}))
    assert isinstance(busy, Transient)
    assert isinstance(slower, Rate)
    assert (busy.after_us, slower.after_us, slower.scope) == (7 * SECOND_US, 9 * SECOND_US, "lane")


async def test_only_what_left_is_in_doubt(clock: Clock) -> None:
    """A handler that hangs, resets or vanishes after the request leaves doubt; one that is not there leaves none."""
    for answer in (then_silence(), resets, then_closes()):
        outcome, handed_over, _ = await outcome_of(clock, answer, within_us=SECOND_US // 5)
        assert (type(outcome), handed_over) == (Ambiguous, 1)
    async with Endpoint(OK) as endpoint:
        url = endpoint.url()
    handed_over_to_nobody = HandOver()
    async with handler_at(clock, url) as channel:
        assert await channel.send(hook_of(clock), handed_over_to_nobody) == Transient(code="connect")
    assert handed_over_to_nobody.count == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_handler_on_this_machine_needs_no_leave(clock: Clock, host: str) -> None:
    """http to loopback works by default, by number and by name."""
    async with Endpoint(OK) as endpoint, handler_at(clock, endpoint.url(host=host)) as channel:
        outcome = await channel.send(hook_of(clock), HandOver())
    assert (outcome, len(endpoint.received)) == (Taken(code="200"), 1)


async def test_a_handler_elsewhere_has_to_be_allowed(clock: Clock) -> None:
    """A name that leads to a private address is refused as our own set-up's fault, unless its network is named."""
    resolver = Resolver("127.0.0.1")
    async with Endpoint(OK) as endpoint:
        url = endpoint.url(host="handler.example")
        async with handler_at(clock, url, resolver=resolver) as channel:
            refused = await channel.send(hook_of(clock), HandOver())
        async with handler_at(clock, url, resolver=resolver, allow_private=("127.0.0.0/8",)) as channel:
            taken = await channel.send(hook_of(clock), HandOver())
    assert isinstance(refused, Config)
    assert (refused.code, taken.code, len(endpoint.received)) == ("address_refused", "200", 1)


async def test_a_handler_with_a_certificate_is_checked(clock: Clock, certificates: Certificates) -> None:
    """https is verified against the usual authorities and those of `ca_file`; a wrong one may be mended."""
    async with Endpoint(OK, tls=certificates.server) as endpoint:
        async with handler_at(clock, endpoint.url()) as channel:
            assert await channel.send(hook_of(clock), HandOver()) == Transient(code="certificate")
        async with handler_at(clock, endpoint.url(), ca_file=certificates.ca_file) as channel:
            assert await channel.send(hook_of(clock), HandOver()) == Taken(code="200")


async def test_a_source_without_a_handler_keeps_what_came(clock: Clock) -> None:
    """Its hooks are over at once, and nobody is called."""
    channel, handed_over = KeptChannel(), HandOver()
    assert await channel.send(hook_of(clock), handed_over) == Taken(code="kept")
    assert handed_over.count == 1
    await channel.close()
