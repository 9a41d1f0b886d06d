"""Answers for one request to a provider: what is sent, when it left, what comes back, and what never shows."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import msgspec
import pytest

from adapters.channels.base_urls import base_url_mistake
from adapters.channels.http_account import ANSWER_BYTES_MAX, Answer, HttpAccount
from core.outcomes import Ambiguous, Config, Outcome, Transient
from core.policies import SECOND_US
from core.ports import Clock
from tests.edges.channels.endpoints import (
    Answer as Order,
)
from tests.edges.channels.endpoints import (
    Endpoint,
    answers,
    in_pieces,
    resets,
    says,
    then_closes,
    then_silence,
    when,
)
from tests.edges.channels.parcels import Certificates, HandOver

pytestmark = pytest.mark.anyio

OK = answers(200, b"{}")
SECRET = "s3cret-t0ken"
PATH = f"/send/{SECRET}"
BODY = b'{"hello":"there"}'


@asynccontextmanager
async def account_at(clock: Clock, base_url: str, **more: object) -> AsyncIterator[HttpAccount]:
    """An account that is closed at the end."""
    asked: dict[str, object] = {"timeout_us": 30 * SECOND_US, **more}
    account = HttpAccount(base_url=base_url, clock=clock, agent="Tidings/test", **asked)  # type: ignore[arg-type]
    try:
        yield account
    finally:
        await account.close()


async def posted(
    account: HttpAccount, clock: Clock, handed_over: HandOver, *, within_us: int = 10 * SECOND_US
) -> Answer | Outcome:
    """One POST with the secret in its path and its headers."""
    return await account.request(
        "POST",
        PATH,
        body=BODY,
        headers={"Authorization": f"Bearer {SECRET}"},
        deadline_us=clock.now_us() + within_us,
        handed_over=handed_over,
    )


async def outcome_of(clock: Clock, order: Order, **more: object) -> tuple[Answer | Outcome, int, Endpoint]:
    """What one request comes to, how often it was handed over, and the server that saw it."""
    handed_over = HandOver()
    async with Endpoint(order) as endpoint, account_at(clock, endpoint.url(""), **more) as account:
        outcome = await posted(account, clock, handed_over)
    return outcome, handed_over.count, endpoint


async def test_a_request_is_sent_as_it_was_asked_for(clock: Clock) -> None:
    """Method, path and body go out untouched, under our name, and nothing is asked for that we cannot read."""
    async with Endpoint(OK) as endpoint, account_at(clock, endpoint.url("/base/")) as account:
        deadline_us = clock.now_us() + 10 * SECOND_US
        for path, content_type in (("/a%2Fb%3Fc?d=e%26f", "application/json"), ("/g", "text/plain")):
            headers = {"Content-Type": content_type, "X-Key": "k"}
            answer = await account.request("PUT", path, body=BODY, headers=headers, deadline_us=deadline_us)
            assert isinstance(answer, Answer)
    first, second = endpoint.received
    assert first.line == "PUT /base/a%2Fb%3Fc?d=e%26f HTTP/1.1"
    assert (first.body, second.body) == (BODY, BODY)
    assert (first.headers["content-type"], second.headers["content-type"]) == ("application/json", "text/plain")
    assert (first.headers["user-agent"], first.headers["x-key"]) == ("Tidings/test", "k")
    assert first.headers["accept-encoding"] == "identity"
    assert endpoint.connections == 1


async def test_a_body_is_json_unless_said_otherwise(clock: Clock) -> None:
    """Without a Content-Type of its own a body is JSON; without a body there is neither."""
    async with Endpoint(OK) as endpoint, account_at(clock, endpoint.url("")) as account:
        deadline_us = clock.now_us() + 10 * SECOND_US
        await account.request("POST", "/a", body=BODY, headers={}, deadline_us=deadline_us)
        await account.request("GET", "/b", body=None, headers={}, deadline_us=deadline_us)
    post, get = endpoint.received
    assert post.headers["content-type"] == "application/json"
    assert (get.line, get.body, "content-type" in get.headers) == ("GET /b HTTP/1.1", b"", False)


@pytest.mark.parametrize("status", [200, 202, 301, 307, 400, 401, 404, 409, 429, 500, 503])
async def test_every_answer_is_the_callers_to_judge(clock: Clock, status: int) -> None:
    """Whatever its status, an answer comes back with its headers and its body; no redirect is followed."""
    order = answers(status, b'{"a":1}', {"Location": "/elsewhere", "Retry-After": "7"})
    answer, handed_over, endpoint = await outcome_of(clock, order)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.body, answer.whole, handed_over) == (status, b'{"a":1}', True, 1)
    assert (answer.headers["retry-after"], answer.after_us(clock.now_us())) == ("7", 7 * SECOND_US)
    assert len(endpoint.received) == 1


@pytest.mark.parametrize(
    ("order", "body"),
    [
        (answers(200, b"x" * (3 * ANSWER_BYTES_MAX)), b"x" * ANSWER_BYTES_MAX),
        (then_closes(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"), b"{"),
        pytest.param(then_silence(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"), b"{", marks=pytest.mark.slow),
    ],
    ids=["long", "short", "slow"],
)
async def test_an_answer_that_is_not_whole_says_so(clock: Clock, order: Order, body: bytes) -> None:
    """The status and the beginning of a body that is too long, breaks off or does not end are kept, and no more."""
    with anyio.fail_after(30):
        answer, handed_over, _ = await outcome_of(clock, order, timeout_us=SECOND_US)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.body, answer.whole, handed_over) == (200, body, False, 1)


async def test_a_body_in_pieces_is_read_whole(clock: Clock) -> None:
    """How an answer is cut into packets makes no difference."""
    order = in_pieces(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", b'{"', b'"', b"}")
    answer, _, _ = await outcome_of(clock, order)
    assert isinstance(answer, Answer)
    assert (answer.body, answer.whole) == (b'{""}', True)


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (resets, "disconnected"),
        (then_closes(), "disconnected"),
        (then_closes(b"HTTP/1.1 200"), "disconnected"),
        (says(b"SSH-2.0-OpenSSH\r\n"), "bad_answer"),
        pytest.param(then_silence(), "timeout", marks=pytest.mark.slow),
    ],
    ids=["reset", "end", "half", "nonsense", "silence"],
)
async def test_no_answer_after_the_bytes_left_is_ambiguous(clock: Clock, order: Order, code: str) -> None:
    """What may have been taken is in doubt, was handed over once, and is never sent again by itself."""
    with anyio.fail_after(30):
        outcome, handed_over, endpoint = await outcome_of(clock, order, timeout_us=SECOND_US // 2)
    assert (outcome, handed_over) == (Ambiguous(code=code), 1)
    assert len(endpoint.received) == 1


@pytest.mark.parametrize("order", [resets, then_closes(), says(b"SSH-2.0-OpenSSH\r\n")], ids=["reset", "end", "odd"])
async def test_a_request_that_only_asks_is_never_in_doubt(clock: Clock, order: Order) -> None:
    """Without a body there is nothing that could have been taken."""
    async with Endpoint(order) as endpoint, account_at(clock, endpoint.url("")) as account:
        outcome = await account.request("GET", PATH, body=None, headers={}, deadline_us=clock.now_us() + 10 * SECOND_US)
    assert isinstance(outcome, Transient)


async def test_what_never_left_is_transient(clock: Clock) -> None:
    """A passed deadline, a closed port and a name that does not exist have handed nothing over."""
    handed_over = HandOver()
    async with Endpoint(OK) as endpoint, account_at(clock, endpoint.url("")) as account:
        late = await posted(account, clock, handed_over, within_us=0)
    async with account_at(clock, endpoint.url("")) as account:
        refused = await posted(account, clock, handed_over)
    async with account_at(clock, "http://no-such-host.invalid", allow_http=True) as account:
        nameless = await posted(account, clock, handed_over)
    assert (late, refused, nameless) == (
        Transient(code="timeout"), Transient(code="connect"), Transient(code="dns"),
    )  # fmt: skip
    assert (handed_over.count, endpoint.connections) == (0, 0)


async def test_the_hand_over_comes_before_the_answer(clock: Clock) -> None:
    """Whoever counts hand-overs has counted this one while the provider still thinks."""
    allowed = asyncio.Event()
    handed_over = HandOver()
    order = when(allowed, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    outcomes: list[Answer | Outcome] = []
    async with Endpoint(order) as endpoint, account_at(clock, endpoint.url("")) as account:

        async def send() -> None:
            outcomes.append(await posted(account, clock, handed_over))

        async with anyio.create_task_group() as group:
            group.start_soon(send)
            while not endpoint.received:
                await anyio.lowlevel.checkpoint()
            assert (handed_over.count, outcomes) == (1, [])
            allowed.set()
    assert isinstance(outcomes[0], Answer)


async def test_a_provider_is_who_it_says(clock: Clock, certificates: Certificates) -> None:
    """A trusted certificate of the right name is asked for; anything else stops the lane before a byte leaves."""
    handed_over = HandOver()
    async with Endpoint(OK, tls=certificates.server) as endpoint:
        url = endpoint.url("", host="localhost")
        async with account_at(clock, url, ca_file=certificates.ca_file) as account:
            assert isinstance(await posted(account, clock, handed_over), Answer)
        async with account_at(clock, url) as account:
            unknown = await posted(account, clock, handed_over)
    async with Endpoint(OK, tls=certificates.other) as endpoint:
        url = endpoint.url("", host="localhost")
        async with account_at(clock, url, ca_file=certificates.ca_file) as account:
            wrong_name = await posted(account, clock, handed_over)
    assert unknown == wrong_name == Config(code="certificate", detail="the provider's certificate is not trusted")
    assert handed_over.count == 1


async def test_no_secret_shows(clock: Clock, certificates: Certificates, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing of the path or of a header stands in any outcome or in any log, whatever went wrong."""
    caplog.set_level(logging.DEBUG)
    outcomes = [(await outcome_of(clock, order))[0] for order in (resets, says(b"nonsense\r\n"), then_closes())]
    async with Endpoint(OK, tls=certificates.server) as endpoint, account_at(clock, endpoint.url("")) as account:
        outcomes.append(await posted(account, clock, HandOver()))
    async with account_at(clock, endpoint.url("")) as account:
        outcomes.append(await posted(account, clock, HandOver()))
    assert len(outcomes) == 5
    shown = msgspec.json.encode(outcomes).decode() + caplog.text
    assert SECRET not in shown


async def test_closing_lets_what_is_under_way_end(clock: Clock) -> None:
    """A reload that closes the old account breaks no request, and closing again does nothing."""
    allowed = asyncio.Event()
    order = when(allowed, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    outcomes: list[Answer | Outcome] = []
    async with (
        Endpoint(order) as endpoint,
        account_at(clock, endpoint.url("")) as account,
        anyio.create_task_group() as group,
    ):

        async def send() -> None:
            outcomes.append(await posted(account, clock, HandOver()))

        group.start_soon(send)
        while not endpoint.received:
            await anyio.lowlevel.checkpoint()
        group.start_soon(account.close)
        await anyio.wait_all_tasks_blocked()
        assert outcomes == []
        allowed.set()
    assert [type(outcome) for outcome in outcomes] == [Answer]


@pytest.mark.parametrize(
    "base_url",
    [
        *("https://graph.facebook.com", "https://api.example:8443/v1", "https://[2001:db8::1]/x"),
        *("http://localhost:8080", "http://127.0.0.1:1", "http://[::1]:1"),
    ],
)
def test_a_base_url_that_can_stand(base_url: str) -> None:
    """Anything over https, and over http what cannot leave this machine."""
    assert base_url_mistake(base_url) is None


@pytest.mark.parametrize(
    "base_url",
    [
        *("", "graph.facebook.com", "ftp://x.example", "https://", "https://u:s3cret@x.example", "https://x.example?s3cret"),
        *("https://x.example#s3cret", "https://x.example/a b", "https://bücher.example", "https://x.example:99999"),
        *("http://x.example/s3cret", "http://10.0.0.1", "http://localhost.example", "http://127.0.0.1@x.example"),
    ],
)  # fmt: skip
def test_a_base_url_that_cannot_stand(clock: Clock, base_url: str) -> None:
    """It is refused before anything is sent, with what was expected and without what was given."""
    mistake = base_url_mistake(base_url)
    assert mistake is not None
    assert "s3cret" not in mistake
    with pytest.raises(ValueError, match="expected") as raised:
        HttpAccount(base_url=base_url, clock=clock, agent="Tidings/test", timeout_us=1)
    assert "s3cret" not in str(raised.value)


def test_plain_http_may_be_allowed() -> None:
    """Whoever says so may speak to a gateway nearby without TLS."""
    assert base_url_mistake("http://10.0.0.1:8080", allow_http=True) is None
