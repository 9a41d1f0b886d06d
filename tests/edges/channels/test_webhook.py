"""Answers for what an endpoint is sent, and for what each of its answers and faults comes to."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from datetime import datetime, timedelta
from email.utils import format_datetime

import anyio
import msgspec
import pytest
from standardwebhooks import Webhook

from adapters.channels.endpoint_answers import ANSWER_BYTES_MAX
from adapters.channels.webhook import WebhookChannel
from core.outcomes import Ambiguous, Outcome, Permanent, Rate, Recipient, Taken, Transient
from core.policies import MINUTE_US, SECOND_US
from core.ports import Clock
from tests.edges.channels.endpoints import (
    Answer,
    Endpoint,
    answers,
    in_pieces,
    resets,
    says,
    then_closes,
    then_silence,
    when,
)
from tests.edges.channels.parcels import MESSAGE, HandOver, parcel_of
from tests.edges.channels.webhooks import LOOPBACK, SECRET, channel_of

pytestmark = pytest.mark.anyio

OK = answers(200, b"{}")


async def outcome_of(clock: Clock, answer: Answer, *, within_us: int = 10 * SECOND_US) -> tuple[Outcome, int, Endpoint]:
    """What one request that is answered so comes to, how often it was handed over, and the endpoint that saw it."""
    handed_over = HandOver()
    async with Endpoint(answer) as endpoint, channel_of(clock) as channel:
        outcome = await channel.send(parcel_of(clock, endpoint.url(), within_us=within_us), handed_over)
    return outcome, handed_over.count, endpoint


async def test_an_event_arrives_signed_and_the_same_in_every_attempt(clock: Clock) -> None:
    """The body's bytes and the id never change; the timestamp is the attempt's, and the standard's library verifies."""
    content = b'{"type":"order.changed","data":{"b": 1.50, "a":1e400}}'
    async with Endpoint(OK) as endpoint, channel_of(clock) as channel:
        for attempt in (1, 2):
            parcel = parcel_of(clock, endpoint.url("/a?b=c"), content, attempt=attempt)
            assert await channel.send(parcel, HandOver()) == Taken(code="200")
    first, second = endpoint.received
    assert first.line == "POST /a?b=c HTTP/1.1"
    expected = b'{"type":"order.changed","timestamp":"2026-01-30T08:00:00.123456Z","data":{"b": 1.50, "a":1e400}}'
    assert first.body == second.body == expected
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == MESSAGE
    assert (first.headers["tidings-attempt"], second.headers["tidings-attempt"]) == ("1", "2")
    assert first.headers["content-type"] == "application/json"
    assert first.headers["user-agent"] == "Tidings/test"
    assert abs(int(first.headers["webhook-timestamp"]) - clock.now_us() // SECOND_US) <= 60
    assert Webhook(SECRET).verify(first.body, first.headers)["type"] == "order.changed"


async def test_a_body_is_sent_as_it_is(clock: Clock) -> None:
    """Text and content type are the caller's, an empty body included, and signed like an event."""
    async with Endpoint(OK) as endpoint, channel_of(clock) as channel:
        for body in ("grüße", ""):
            handed_over = HandOver()
            content = {"body": body, "content_type": "text/x-greeting; charset=utf-8"}
            outcome = await channel.send(parcel_of(clock, endpoint.url(), content), handed_over)
            assert (outcome, handed_over.count) == (Taken(code="200"), 1)
    first, second = endpoint.received
    assert (first.body, second.body) == ("grüße".encode(), b"")
    assert first.headers["content-type"] == second.headers["content-type"] == "text/x-greeting; charset=utf-8"
    assert first.headers["webhook-signature"].startswith("v1,")
    assert second.headers["content-length"] == "0"


async def test_without_secrets_nothing_is_signed(clock: Clock) -> None:
    """A lane without secrets sends id and timestamp, and no signature that would prove nothing."""
    unsigned = msgspec.structs.replace(LOOPBACK, secrets=())
    async with Endpoint(OK) as endpoint, channel_of(clock, unsigned) as channel:
        await channel.send(parcel_of(clock, endpoint.url()), HandOver())
    headers = endpoint.received[0].headers
    assert (headers["webhook-id"], "webhook-signature" in headers) == (MESSAGE, False)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((200, Taken), (201, Taken), (204, Taken), (299, Taken)),
        *((301, Transient), (302, Transient), (307, Transient), (308, Transient), (304, Transient)),
        *((400, Transient), (401, Transient), (403, Transient), (404, Transient), (409, Transient)),
        *((410, Recipient), (429, Rate), (500, Transient), (502, Transient), (503, Transient), (599, Transient)),
    ],
)
async def test_every_status_has_its_outcome(clock: Clock, status: int, kind: type[Outcome]) -> None:
    """Only 2xx is success, 410 is an endpoint that is gone, 429 a slower pace; all else its owner may mend."""
    outcome, handed_over, endpoint = await outcome_of(clock, answers(status, headers={"Location": "/elsewhere"}))
    assert (type(outcome), outcome.code, handed_over) == (kind, str(status), 1)
    # No redirect is followed, and nothing is sent again behind our back.
    assert len(endpoint.received) == 1


async def test_an_endpoint_may_stop_one_message(clock: Clock) -> None:
    """`webhook-delivery: abort-message` ends a message at once, unless it was taken."""
    stop = {"webhook-delivery": "abort-message"}
    refused, _, _ = await outcome_of(clock, answers(500, headers=stop))
    taken, _, _ = await outcome_of(clock, answers(200, headers=stop))
    assert (type(refused), type(taken)) == (Permanent, Taken)


def _asctime(at: datetime) -> str:
    return at.strftime("%a %b %d %H:%M:%S %Y")


def _rfc_850(at: datetime) -> str:
    return at.strftime("%A, %d-%b-%y %H:%M:%S GMT")


def _imf(at: datetime) -> str:
    return format_datetime(at, usegmt=True)


@pytest.mark.parametrize("written", [_imf, _rfc_850, _asctime])
@pytest.mark.parametrize("status", [429, 503])
async def test_a_date_to_come_back_at_is_read(clock: Clock, status: int, written: Callable[[datetime], str]) -> None:
    """Retry-After may be any of the three dates of RFC 9110."""
    at = datetime.fromisoformat("1970-01-01T00:00:00+00:00") + timedelta(microseconds=clock.now_us() + 10 * MINUTE_US)
    outcome, _, _ = await outcome_of(clock, answers(status, headers={"Retry-After": written(at)}))
    assert isinstance(outcome, Rate | Transient)
    assert outcome.after_us is not None
    assert 9 * MINUTE_US < outcome.after_us <= 10 * MINUTE_US


@pytest.mark.parametrize(
    ("value", "after_us"), [("120", 2 * MINUTE_US), ("0", 0), ("Fri, 30 Jan 2015 08:00:00 GMT", 0), ("soon", None)]
)
async def test_a_wait_that_an_endpoint_asks_for_is_passed_on(clock: Clock, value: str, after_us: int | None) -> None:
    """Seconds count from now, a date in the past is now, and what cannot be read asks for nothing."""
    outcome, _, _ = await outcome_of(clock, answers(429, headers={"Retry-After": value}))
    assert outcome == Rate(code="429", detail="Too Many Requests", scope="pair", after_us=after_us)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (resets, "disconnected"),
        (then_closes(), "disconnected"),
        (then_closes(b"HTTP/1.1 200"), "disconnected"),
        (says(b"SSH-2.0-OpenSSH\r\n"), "bad_answer"),
        (then_closes(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20_000), "bad_answer"),
    ],
    ids=["reset", "end", "half", "nonsense", "endless"],
)
async def test_no_answer_after_the_bytes_left_is_ambiguous(clock: Clock, answer: Answer, code: str) -> None:
    """A reset, an end or nonsense instead of an answer may hide that it was taken; it is never sent again by itself."""
    outcome, handed_over, endpoint = await outcome_of(clock, answer)
    assert (outcome, handed_over) == (Ambiguous(code=code), 1)
    assert len(endpoint.received) == 1


async def test_silence_until_the_deadline_is_ambiguous(clock: Clock) -> None:
    """An endpoint that never answers costs the deadline and no more, whichever of deadline and timeout comes first."""
    outcome, handed_over, _ = await outcome_of(clock, then_silence(), within_us=100_000)
    assert (outcome, handed_over) == (Ambiguous(code="timeout"), 1)
    hasty = msgspec.structs.replace(LOOPBACK, timeout_us=100_000)
    async with Endpoint(then_silence()) as endpoint, channel_of(clock, hasty) as channel:
        with anyio.fail_after(30):
            outcome = await channel.send(parcel_of(clock, endpoint.url(), within_us=3600 * SECOND_US), HandOver())
    assert outcome == Ambiguous(code="timeout")


async def test_deadlines_are_not_rounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadline beyond five seconds, which the HTTP client would stretch to a whole second, is kept to the letter."""
    loop = asyncio.get_running_loop()
    call_at = loop.call_at
    set_to: list[float] = []

    def noted(
        when: float, callback: Callable[..., object], *values: object, context: Context | None = None
    ) -> asyncio.TimerHandle:
        set_to.append(when)
        return call_at(when, callback, *values, context=context)

    monkeypatch.setattr(loop, "call_at", noted)
    async with Endpoint(OK) as endpoint, channel_of(clock) as channel:
        latest = loop.time() + 8.3
        await channel.send(parcel_of(clock, endpoint.url(), within_us=8_300_000), HandOver())
    deadlines = [when for when in set_to if when > latest - 2]
    assert deadlines
    assert max(deadlines) <= latest + 0.05


async def test_nothing_listening_is_transient(clock: Clock) -> None:
    """A refused connection, a name that does not exist and a deadline that has passed have sent nothing."""
    handed_over = HandOver()
    async with Endpoint(OK) as endpoint, channel_of(clock) as channel:
        gone = endpoint.url()
        late = await channel.send(parcel_of(clock, gone, within_us=0), handed_over)
    async with channel_of(clock) as channel:
        refused = await channel.send(parcel_of(clock, gone), handed_over)
        nameless = await channel.send(parcel_of(clock, "http://no-such-host.invalid/"), handed_over)
    assert (late, refused, nameless) == (
        Transient(code="timeout"), Transient(code="connect"), Transient(code="dns"),
    )  # fmt: skip
    assert (handed_over.count, endpoint.connections) == (0, 0)


async def test_one_connection_serves_many(clock: Clock) -> None:
    """A connection is used again, also where the answer's body came a moment after its head."""
    in_two = in_pieces(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"{}")
    async with Endpoint(OK, in_two, in_two, OK) as endpoint, channel_of(clock) as channel:
        for _ in range(5):
            assert await channel.send(parcel_of(clock, endpoint.url()), HandOver()) == Taken(code="200")
        assert (len(endpoint.received), endpoint.connections) == (5, 1)


async def test_a_kept_connection_that_dies_under_a_request_is_ambiguous(clock: Clock) -> None:
    """The bytes left on a connection that the peer closed: it may have seen them, so it is not sent again by itself."""
    handed_over = HandOver()
    async with Endpoint(OK, then_closes(), OK) as endpoint, channel_of(clock) as channel:
        assert await channel.send(parcel_of(clock, endpoint.url()), HandOver()) == Taken(code="200")
        outcome = await channel.send(parcel_of(clock, endpoint.url()), handed_over)
        assert (outcome, handed_over.count) == (Ambiguous(code="disconnected"), 1)
        assert (len(endpoint.received), endpoint.connections) == (2, 1)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(then_silence(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"), marks=pytest.mark.slow),
        pytest.param(then_silence(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), marks=pytest.mark.slow),
        answers(200, b"x" * (50 * ANSWER_BYTES_MAX)),
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Encoding: gzip\r\n\r\nnot gzip.."),
        then_closes(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"),
    ],
    ids=["slow", "chunked", "long", "encoded", "short"],
)
async def test_the_status_is_the_answer(clock: Clock, answer: Answer) -> None:
    """A body that is slow, endless or broken changes nothing about a message that was taken."""
    with anyio.fail_after(30):
        outcome, _, _ = await outcome_of(clock, answer, within_us=3600 * SECOND_US)
    assert outcome == Taken(code="200")


async def test_a_large_event_arrives_whole(clock: Clock) -> None:
    """More than a mebibyte goes out like anything else."""
    content = {"type": "big", "data": "x" * (2 << 20)}
    async with Endpoint(OK) as endpoint, channel_of(clock) as channel:
        assert await channel.send(parcel_of(clock, endpoint.url(), content), HandOver()) == Taken(code="200")
    assert len(msgspec.json.decode(endpoint.received[0].body)["data"]) == 2 << 20


async def test_idle_connections_are_bounded(clock: Clock) -> None:
    """Beyond the hosts whose connections are kept, each request asks for its connection to be closed."""
    narrow = msgspec.structs.replace(LOOPBACK, hosts_kept_max=1)
    async with Endpoint(OK) as one, Endpoint(OK) as other, channel_of(clock, narrow) as channel:
        for endpoint in (one, other, one):
            await channel.send(parcel_of(clock, endpoint.url()), HandOver())
        assert [received.headers.get("connection") for received in one.received] == [None, None]
        assert [received.headers.get("connection") for received in other.received] == ["close"]
        assert one.connections == 1


async def test_closing_lets_what_is_under_way_end(clock: Clock) -> None:
    """A reload that closes the old channel breaks no request: closing waits for the answer."""
    allowed = asyncio.Event()
    outcomes: list[Outcome] = []

    async def send(channel: WebhookChannel, url: str) -> None:
        outcomes.append(await channel.send(parcel_of(clock, url), HandOver()))

    async with (
        Endpoint(when(allowed, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as endpoint,
        channel_of(clock) as channel,
        anyio.create_task_group() as group,
    ):
        group.start_soon(send, channel, endpoint.url())
        while not endpoint.received:
            await anyio.lowlevel.checkpoint()
        group.start_soon(channel.close)
        await anyio.wait_all_tasks_blocked()
        assert outcomes == []
        allowed.set()
    assert outcomes == [Taken(code="200")]


async def test_a_cancelled_send_ends_at_once_and_leaves_nothing_behind(clock: Clock) -> None:
    """Stopping is passed on, after the hand-over was told, and the channel still works."""
    handed_over = HandOver()
    async with Endpoint(then_silence(), OK) as endpoint, channel_of(clock) as channel:
        async with anyio.create_task_group() as group:
            group.start_soon(channel.send, parcel_of(clock, endpoint.url()), handed_over)
            while not endpoint.received:
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        assert handed_over.count == 1
        assert await channel.send(parcel_of(clock, endpoint.url()), HandOver()) == Taken(code="200")
