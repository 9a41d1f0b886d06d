"""Answers for tokens: what is asked for one, how often, and what a refusal means."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import msgspec
import pytest

from adapters.channels.fcm_settings import ServiceAccount, service_account_of
from adapters.channels.google_tokens import EARLY_US, MESSAGING, PAUSE_US, GoogleTokens
from adapters.clock import wall_us
from core.outcomes import Config, Outcome, OutcomeName, Transient, name_of
from core.policies import HOUR_US, MINUTE_US, SECOND_US
from core.ports import Alarm, Clock
from tests.edges.channels.endpoints import Answer, Endpoint, answers, resets, then_silence
from tests.edges.channels.fcm_server import AUDIENCE, EMAIL, FcmServer, Told, account_text

waits = pytest.mark.anyio


class MovedClock:
    """A real clock that a test moves ahead."""

    def __init__(self, inner: Clock) -> None:
        self._inner = inner
        self.ahead_us = 0

    def now_us(self) -> int:
        return self._inner.now_us() + self.ahead_us

    async def sleep_until(self, instant_us: int) -> None:
        await self._inner.sleep_until(instant_us - self.ahead_us)

    def alarm(self, instant_us: int, ring: Callable[[], None]) -> Alarm:
        return self._inner.alarm(instant_us - self.ahead_us, ring)


@asynccontextmanager
async def tokens_of(clock: Clock, account: str, *, timeout_us: int = 10 * SECOND_US) -> AsyncIterator[GoogleTokens]:
    """The tokens of an account, closed at the end."""
    tokens = GoogleTokens(
        service_account_of(account), scope=MESSAGING, clock=clock, agent="Tidings/test", timeout_us=timeout_us
    )
    try:
        yield tokens
    finally:
        await tokens.close()


async def asked(tokens: GoogleTokens, clock: Clock, *, within_us: int = 10 * SECOND_US) -> str | Outcome:
    """A token, or why there is none, within so long."""
    with anyio.fail_after(30):
        return await tokens.token(clock.now_us() + within_us)


async def asked_at_once(tokens: GoogleTokens, clock: Clock, server: FcmServer, count: int) -> list[str | Outcome]:
    """What so many get that all ask before the first is answered."""
    server.may_grant.clear()
    asking = [asyncio.ensure_future(asked(tokens, clock)) for _ in range(count)]
    while not server.token_requests:
        await anyio.lowlevel.checkpoint()
    server.may_grant.set()
    return await asyncio.gather(*asking)


@waits
async def test_a_claim_is_what_google_asks_for(clock: Clock) -> None:
    """Signed under the account's key, for the one scope that is needed, for an hour from now at most."""
    async with FcmServer() as server, tokens_of(clock, server.account()) as tokens:
        assert isinstance(await asked(tokens, clock), str)
    (claim,) = server.claims
    assert (claim.iss, claim.scope, claim.aud) == (EMAIL, MESSAGING, AUDIENCE)
    assert claim.exp - claim.iat == 3_600
    assert server.token_requests[0].headers["user-agent"] == "Tidings/test"


@waits
async def test_a_claim_tells_true_time(clock: Clock) -> None:
    """Log time may be ahead of the wall clock after that was set back; Google would refuse a claim from the future."""
    moved = MovedClock(clock)
    moved.ahead_us = HOUR_US
    async with FcmServer() as server, tokens_of(moved, server.account()) as tokens:
        assert isinstance(await asked(tokens, moved), str)
    assert abs(server.claims[0].iat - wall_us() // SECOND_US) < 60


@waits
async def test_a_token_is_asked_for_once(clock: Clock) -> None:
    """Fifty that need one at the same time make one request, and so do all who come later."""
    async with FcmServer() as server, tokens_of(clock, server.account()) as tokens:
        got = await asked_at_once(tokens, clock, server, 50)
        assert await asked(tokens, clock) == got[0]
    assert (len(got), len(set(got))) == (50, 1)
    assert len(server.token_requests) == 1


@waits
async def test_a_refusal_is_shared_like_a_token(clock: Clock) -> None:
    """Those who waited while one was refused are told so; they do not ask the same again, one after another."""
    async with FcmServer() as server, tokens_of(clock, server.account()) as tokens:
        server.token_orders = [Told(status=400, body={"error": "invalid_grant"})]
        got = await asked_at_once(tokens, clock, server, 20)
        assert [type(one) for one in got] == [Config] * 20
        assert len(server.token_requests) == 1
        assert isinstance(await asked(tokens, clock), str)


@waits
async def test_a_token_is_renewed_five_minutes_before_its_end(clock: Clock) -> None:
    """Until then it is kept, from then on there is a new one."""
    moved = MovedClock(clock)
    async with FcmServer() as server, tokens_of(moved, server.account()) as tokens:
        first = await asked(tokens, moved)
        moved.ahead_us = HOUR_US - EARLY_US - MINUTE_US
        assert await asked(tokens, moved) == first
        moved.ahead_us = HOUR_US - EARLY_US + MINUTE_US
        assert await asked(tokens, moved) != first
    assert len(server.token_requests) == 2


@waits
async def test_a_renewal_holds_nobody_up(clock: Clock) -> None:
    """While one renews a token that still holds, the others use it."""
    moved = MovedClock(clock)
    async with FcmServer() as server, tokens_of(moved, server.account()) as tokens:
        first = await asked(tokens, moved)
        moved.ahead_us = HOUR_US - MINUTE_US
        server.may_grant.clear()
        renewal = asyncio.ensure_future(asked(tokens, moved))
        while len(server.token_requests) < 2:
            await anyio.lowlevel.checkpoint()
        assert await asked(tokens, moved) == first
        server.may_grant.set()
        assert await renewal != first


@waits
async def test_a_failed_renewal_leaves_what_still_holds(clock: Clock) -> None:
    """The old token serves to its end, and the next try comes after a pause, not with every send."""
    moved = MovedClock(clock)
    async with FcmServer() as server, tokens_of(moved, server.account()) as tokens:
        first = await asked(tokens, moved)
        server.token_orders = [Told(status=503)] * 2
        moved.ahead_us = HOUR_US - 2 * MINUTE_US
        assert [await asked(tokens, moved) for _ in range(3)] == [first] * 3
        assert len(server.token_requests) == 2
        moved.ahead_us += PAUSE_US
        assert await asked(tokens, moved) == first
        assert len(server.token_requests) == 3
        moved.ahead_us = HOUR_US + MINUTE_US
        assert await asked(tokens, moved) not in {first, ""}


@waits
async def test_a_token_that_ended_is_never_used(clock: Clock) -> None:
    """Where it cannot be renewed there is none."""
    moved = MovedClock(clock)
    async with FcmServer() as server, tokens_of(moved, server.account()) as tokens:
        await asked(tokens, moved)
        server.token_orders = [Told(status=503)]
        moved.ahead_us = HOUR_US
        assert isinstance(await asked(tokens, moved), Transient)


@waits
async def test_a_refused_token_is_replaced_once_for_all(clock: Clock) -> None:
    """Ten who were refused with the same token share one new one."""
    async with FcmServer() as server, tokens_of(clock, server.account()) as tokens:
        first = await asked(tokens, clock)
        assert isinstance(first, str)
        deadline_us = clock.now_us() + 10 * SECOND_US
        others = await asyncio.gather(*(tokens.another(first, deadline_us) for _ in range(10)))
    assert first not in others
    assert len(set(others)) == 1
    assert len(server.token_requests) == 2


@waits
@pytest.mark.parametrize(
    ("told", "name", "code"),
    [
        (
            Told(status=400, body={"error": "invalid_grant", "error_description": "Invalid JWT Signature."}),
            "config",
            "invalid_grant",
        ),
        (Told(status=400, body={"error": "invalid_scope"}), "config", "invalid_scope"),
        (Told(status=400, body={"error": "temporarily_unavailable"}), "transient", "temporarily_unavailable"),
        (Told(status=400, body={"error": {"code": 400}}), "config", "token_400"),
        (Told(status=401, body={"error": "invalid_client"}), "config", "invalid_client"),
        (Told(status=403, body={"error": "access_denied"}), "config", "access_denied"),
        (Told(status=404, body=b"<html>"), "config", "token_404"),
        (Told(status=302, body=b""), "config", "token_302"),
        (Told(status=408, body=b""), "transient", "token_408"),
        (Told(status=429, body={"error": "rate_limit_exceeded"}), "transient", "rate_limit_exceeded"),
        (Told(status=500, body={"error": "internal_failure"}), "transient", "internal_failure"),
        (Told(status=503, body=b"\xff"), "transient", "token_503"),
        (Told(status=200, body=b"{}"), "transient", "token_unreadable"),
        (Told(status=200, body=b'{"access_token":' + b"[" * 60_000), "transient", "token_unreadable"),
        (Told(status=200, body=b"\xff"), "transient", "token_unreadable"),
        (Told(status=200, body={"access_token": ""}), "transient", "token_unreadable"),
        (Told(status=200, body={"access_token": "two\r\nlines"}), "transient", "token_unreadable"),
    ],
)
async def test_every_refusal_has_its_outcome(clock: Clock, told: Told, name: OutcomeName, code: str) -> None:
    """Faults over there pass; what only the account's owner can mend is the configuration's. Nothing is in doubt."""
    async with FcmServer() as server, tokens_of(clock, server.account()) as tokens:
        server.token_orders = [told]
        outcome = await asked(tokens, clock)
        assert not isinstance(outcome, str)
        assert (name_of(outcome), outcome.code) == (name, code)
        assert len(server.token_requests) == 1


@waits
async def test_a_refusal_may_ask_to_wait(clock: Clock) -> None:
    """Retry-After is passed on."""
    async with FcmServer() as server, tokens_of(clock, server.account()) as tokens:
        server.token_orders = [Told(status=503, headers={"Retry-After": "7"})]
        outcome = await asked(tokens, clock)
    assert isinstance(outcome, Transient)
    assert outcome.after_us == 7 * SECOND_US


@waits
@pytest.mark.parametrize(
    ("answer", "timeout_us", "code"),
    [(resets, 20 * SECOND_US, "disconnected"), (then_silence(), 300_000, "timeout")],
)
async def test_no_answer_is_no_doubt(clock: Clock, answer: Answer, timeout_us: int, code: str) -> None:
    """No message has left, so whatever becomes of the request for a token may be tried again."""
    async with Endpoint(answer) as endpoint:
        account = account_text(token_uri=endpoint.url("/token"))
        async with tokens_of(clock, account, timeout_us=timeout_us) as tokens:
            assert await asked(tokens, clock, within_us=20 * SECOND_US) == Transient(code=code)


@waits
async def test_waiting_ends_with_the_deadline(clock: Clock) -> None:
    """Who may wait for a moment only does not wait for another's request, and takes it from nobody."""
    async with FcmServer() as server, tokens_of(clock, server.account()) as tokens:
        server.may_grant.clear()
        patient = asyncio.ensure_future(asked(tokens, clock))
        while not server.token_requests:
            await anyio.lowlevel.checkpoint()
        hasty = await asked(tokens, clock, within_us=50_000)
        assert isinstance(hasty, Transient)
        assert hasty.code == "timeout"
        server.may_grant.set()
        assert isinstance(await patient, str)
    assert len(server.token_requests) == 1


@waits
async def test_a_request_that_was_given_up_is_made_again(clock: Clock) -> None:
    """Whoever waited behind a request that its caller gave up makes one of their own."""
    async with FcmServer() as server, tokens_of(clock, server.account()) as tokens:
        server.may_grant.clear()
        hasty = asyncio.ensure_future(asked(tokens, clock))
        while not server.token_requests:
            await anyio.lowlevel.checkpoint()
        patient = asyncio.ensure_future(asked(tokens, clock))
        await anyio.lowlevel.checkpoint()
        hasty.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hasty
        server.may_grant.set()
        assert isinstance(await patient, str)
    assert len(server.token_requests) == 2


@waits
@pytest.mark.parametrize(
    ("body", "renewed"),
    [
        ({"access_token": "t", "expires_in": 60}, False),
        ({"access_token": "t", "expires_in": "3600"}, False),
        ({"access_token": "t"}, False),
        ({"access_token": "t", "expires_in": 0}, True),
        ({"access_token": "t", "expires_in": -5}, True),
    ],
)
async def test_a_token_lives_as_long_as_it_is_told(clock: Clock, body: object, *, renewed: bool) -> None:
    """A short life is used, seconds may be a text, and a token that is over at once is used for nothing but once."""
    async with FcmServer() as server, tokens_of(clock, server.account()) as tokens:
        server.token_orders = [Told(status=200, body=body)] * 2
        assert [await asked(tokens, clock) for _ in range(2)] == ["t", "t"]
        assert len(server.token_requests) == 1 + renewed


@waits
async def test_what_an_endpoint_repeats_is_not_kept(clock: Clock) -> None:
    """A refusal that quotes the claim and the account leaves neither in the outcome."""
    async with Endpoint(answers(400, b"{}")) as endpoint:
        async with tokens_of(clock, account_text(token_uri=endpoint.url("/token"))) as tokens:
            await asked(tokens, clock)
        quoted = endpoint.received[0].body.decode()
    async with FcmServer() as server, tokens_of(clock, server.account()) as tokens:
        told = {"error": "invalid_grant", "error_description": f"bad {quoted} of {EMAIL}"}
        server.token_orders = [Told(status=400, body=told)]
        outcome = await asked(tokens, clock)
    assert isinstance(outcome, Config)
    assert outcome.detail.startswith("access token: bad grant_type=")
    _, _, signature = quoted.rpartition(".")
    for secret in (EMAIL, signature[:40], quoted[-40:], quoted.rpartition("=")[2][:40]):
        assert secret not in outcome.detail


def test_an_account_with_a_bad_key_makes_no_tokens(clock: Clock) -> None:
    """The error says what was expected, without the key."""
    account = msgspec.structs.replace(service_account_of(account_text()), private_key="-----BEGIN nonsense")
    assert isinstance(account, ServiceAccount)
    with pytest.raises(ValueError, match="PEM") as raised:
        GoogleTokens(account, scope=MESSAGING, clock=clock, agent="a", timeout_us=SECOND_US)
    assert "nonsense" not in str(raised.value)
