"""Answers for pushes: when one counts as handed over, what is repeated, and what each answer and fault comes to."""

import asyncio
from collections.abc import Sequence

import anyio
import pytest
from msgspec.structs import replace

from adapters.channels.fcm_settings import FcmSettings
from adapters.channels.push_fcm import FcmChannel
from core.outcomes import Ambiguous, Config, Outcome, Permanent, Rate, Recipient, Taken, Transient
from core.policies import MINUTE_US, SECOND_US
from core.ports import Clock, Parcel
from tests.edges.channels.endpoints import Answer, Endpoint, answers, resets, says, then_closes, then_silence
from tests.edges.channels.fcm_pushes import PUSH, TO, TOKEN, channel_of
from tests.edges.channels.fcm_server import EMAIL, PROJECT, UNAUTHENTICATED, FcmServer, Told, refusal
from tests.edges.channels.parcels import MESSAGE, HandOver, parcel_of

pytestmark = pytest.mark.anyio


async def outcome_of(clock: Clock, *orders: Told, to: str = TO) -> tuple[Outcome, int, FcmServer]:
    """What one push that is answered so comes to, how often it was handed over, and the server."""
    handed_over = HandOver()
    async with FcmServer() as server, channel_of(clock, server) as channel:
        server.orders = list(orders)
        outcome = await channel.send(parcel_of(clock, to, PUSH), handed_over)
    return outcome, handed_over.count, server


async def test_a_push_is_taken_under_fcm_s_own_name(clock: Clock) -> None:
    """One POST with a bearer token to the project's path; the provider's id is the name that FCM gives."""
    outcome, handed_over, server = await outcome_of(clock)
    assert outcome == Taken(code="200", provider_id=f"projects/{PROJECT}/messages/0:1%31bd")
    assert handed_over == 1
    (received,) = server.sends
    assert received.path == f"/v1/projects/{PROJECT}/messages:send"
    assert received.headers["user-agent"] == "Tidings/test"
    (message,) = server.taken
    assert (message.token, message.fid) == (TOKEN, "")
    assert (message.notification.title, message.notification.body) == ("Tomorrow", "See you at nine.")
    assert message.data == {"order": "42", "tidings_id": MESSAGE}
    assert (message.android.priority, message.apns.headers["apns-priority"]) == ("high", "10")


async def test_another_project_may_be_named(clock: Clock) -> None:
    """The settings' project counts before the account's own; FCM says whether the account may send there."""
    async with FcmServer() as server:
        settings = FcmSettings(service_account=server.account(), url=server.url, project_id="another-project")
        channel = FcmChannel(settings, clock=clock, agent="Tidings/test")
        outcome = await channel.send(parcel_of(clock, TO, PUSH), HandOver())
        await channel.close()
    assert isinstance(outcome, Config)
    assert server.sends[0].path == "/v1/projects/another-project/messages:send"


@pytest.mark.parametrize("to", ["ann", "token:", "fid:", "topic:news", ":x", ""])
async def test_only_a_registration_can_be_sent_to(clock: Clock, to: str) -> None:
    """Whatever names none ends the message, unsent."""
    outcome, handed_over, server = await outcome_of(clock, to=to)
    assert isinstance(outcome, Permanent)
    assert (outcome.code, handed_over, len(server.sends)) == ("registration", 0, 0)


async def test_an_expired_token_is_renewed_within_the_attempt(clock: Clock) -> None:
    """A definite 401 took nothing: one new token, one repeat, and one hand-over in all."""
    handed_over = HandOver()
    async with FcmServer() as server, channel_of(clock, server) as channel:
        assert isinstance(await channel.send(parcel_of(clock, TO, PUSH), handed_over), Taken)
        server.revoke()
        assert isinstance(await channel.send(parcel_of(clock, TO, PUSH, attempt=2), handed_over), Taken)
    assert handed_over.count == 2
    assert (len(server.sends), len(server.token_requests), len(server.taken)) == (3, 2, 2)
    assert len({received.headers["authorization"] for received in server.sends}) == 2


async def test_a_second_401_is_the_configuration_s(clock: Clock) -> None:
    """There is one repeat and no more, whatever comes."""
    outcome, handed_over, server = await outcome_of(clock, UNAUTHENTICATED, UNAUTHENTICATED)
    assert isinstance(outcome, Config)
    assert (outcome.code, handed_over) == ("UNAUTHENTICATED", 1)
    assert (len(server.sends), len(server.token_requests)) == (2, 2)


async def test_a_token_that_cannot_be_renewed_ends_the_attempt(clock: Clock) -> None:
    """After a 401 the token endpoint's own trouble is what the attempt comes to."""
    async with FcmServer() as server, channel_of(clock, server) as channel:
        await channel.send(parcel_of(clock, TO, PUSH), HandOver())
        server.revoke()
        server.token_orders = [Told(status=503)]
        assert isinstance(await channel.send(parcel_of(clock, TO, PUSH), HandOver()), Transient)
        server.token_orders = [Told(status=400, body={"error": "invalid_grant"})]
        refused = await channel.send(parcel_of(clock, TO, PUSH), HandOver())
    assert isinstance(refused, Config)
    assert refused.code == "invalid_grant"


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (refusal(401, "UNAUTHENTICATED", "Auth error from APNS", fcm="THIRD_PARTY_AUTH_ERROR"), Permanent),
        (Told(status=401, body=b"<html>"), Config),
        (refusal(404, "NOT_FOUND", fcm="UNREGISTERED"), Recipient),
        (refusal(400, "INVALID_ARGUMENT", "bad", field="message.data"), Permanent),
        (refusal(429, "RESOURCE_EXHAUSTED", fcm="QUOTA_EXCEEDED", headers={"Retry-After": "30"}), Rate),
        (refusal(503, "UNAVAILABLE", headers={"Retry-After": "30"}), Transient),
        (refusal(500, "INTERNAL"), Transient),
        (Told(status=502, body=b"<html>"), Transient),
        (Told(status=504), Transient),
        (Told(status=307, headers={"Location": "/v1/projects/tidings-test/messages:send"}), Permanent),
        (Told(status=200, body=b"<html>welcome"), Ambiguous),
        (Told(status=200, body={}), Ambiguous),
    ],
)
async def test_every_other_answer_ends_the_attempt(clock: Clock, told: Told, kind: type[Outcome]) -> None:
    """Nothing is sent again behind our back, no redirect is followed, and no token is asked for anew."""
    outcome, handed_over, server = await outcome_of(clock, told)
    assert isinstance(outcome, kind)
    assert handed_over == 1
    assert (len(server.sends), len(server.token_requests)) == (1, 1)
    if told.headers.get("Retry-After"):
        assert isinstance(outcome, Rate | Transient)
        assert outcome.after_us == 30 * SECOND_US


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (resets, "disconnected"),
        (then_closes(), "disconnected"),
        pytest.param(then_silence(), "timeout", marks=pytest.mark.slow),
        (says(b"HTTP/1.1 what\r\n\r\n"), "bad_answer"),
        (answers(200, b'{"name":"projects/p'), "bad_answer"),
    ],
    ids=["resets", "closes", "silence", "nonsense", "half"],
)
async def test_no_answer_leaves_a_doubt(clock: Clock, answer: Answer, code: str) -> None:
    """The message left, so it may have been taken; a repeat would be invisible."""
    handed_over = HandOver()
    async with (
        FcmServer() as server,
        Endpoint(answers(200, b'{"name":"n"}'), answer) as endpoint,
        channel_of(clock, server, url=endpoint.url("")) as channel,
    ):
        # With token and connection at hand, even a short time is enough for the message to leave.
        assert isinstance(await channel.send(parcel_of(clock, TO, PUSH), handed_over), Taken)
        within_us = 500_000 if code == "timeout" else 20 * SECOND_US
        outcome = await channel.send(parcel_of(clock, TO, PUSH, within_us=within_us), handed_over)
    assert outcome == Ambiguous(code=code)
    assert handed_over.count == 2


async def test_trouble_before_the_message_leaves_is_no_doubt(clock: Clock) -> None:
    """Neither a token endpoint that fails nor a server that is not there was handed anything."""
    handed_over = HandOver()
    async with FcmServer() as server, channel_of(clock, server) as channel:
        server.token_orders = [Told(status=500), Told(status=403)]
        assert isinstance(await channel.send(parcel_of(clock, TO, PUSH), handed_over), Transient)
        assert isinstance(await channel.send(parcel_of(clock, TO, PUSH), handed_over), Config)
    async with FcmServer() as server:
        async with Endpoint(resets) as endpoint:
            url = endpoint.url("")
        async with channel_of(clock, server, url=url) as channel:
            outcome = await channel.send(parcel_of(clock, TO, PUSH), handed_over)
    assert outcome == Transient(code="connect")
    assert handed_over.count == 0


@pytest.mark.parametrize("within_us", [0, -MINUTE_US, 200_000])
async def test_the_deadline_bounds_waiting_for_a_token(clock: Clock, within_us: int) -> None:
    """An attempt that comes too late, or whose token comes too late, has sent nothing."""
    handed_over = HandOver()
    async with FcmServer() as server, channel_of(clock, server) as channel:
        server.may_grant.clear()
        with anyio.fail_after(30):
            outcome = await channel.send(parcel_of(clock, TO, PUSH, within_us=within_us), handed_over)
    assert isinstance(outcome, Transient)
    assert (outcome.code, handed_over.count, len(server.sends)) == ("timeout", 0, 0)


async def test_the_settings_bound_an_attempt_too(clock: Clock) -> None:
    """A deadline that is far away is not waited for."""
    async with FcmServer() as server, channel_of(clock, server, timeout_us=200_000) as channel:
        server.may_grant.clear()
        with anyio.fail_after(30):
            outcome = await channel.send(parcel_of(clock, TO, PUSH, within_us=60 * MINUTE_US), HandOver())
    assert isinstance(outcome, Transient)
    assert outcome.code == "timeout"


async def test_many_at_once_share_one_token(clock: Clock) -> None:
    """Fifty first pushes ask for one token; and fifty that meet its end ask for one more."""
    async with FcmServer() as server, channel_of(clock, server) as channel:

        async def send() -> None:
            handed_over = HandOver()
            assert isinstance(await channel.send(parcel_of(clock, TO, PUSH), handed_over), Taken)
            assert handed_over.count == 1

        with anyio.fail_after(60):
            await asyncio.gather(*(send() for _ in range(50)))
            assert len(server.token_requests) == 1
            server.revoke()
            await asyncio.gather(*(send() for _ in range(50)))
    assert len(server.token_requests) == 2
    assert len(server.taken) == 100


async def cancelled(channel: FcmChannel, parcel: Parcel, received: Sequence[object]) -> int:
    """How often a send was handed over that is cancelled once a request has come in."""
    handed_over = HandOver()
    sending = asyncio.ensure_future(channel.send(parcel, handed_over))
    while not received:
        await anyio.lowlevel.checkpoint()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    return handed_over.count


async def test_a_send_can_be_cancelled(clock: Clock) -> None:
    """Stopping ends a send that waits for its token, and the next send is served all the same."""
    async with FcmServer() as server, channel_of(clock, server) as channel:
        server.may_grant.clear()
        with anyio.fail_after(30):
            assert await cancelled(channel, parcel_of(clock, TO, PUSH), server.token_requests) == 0
        server.may_grant.set()
        assert isinstance(await channel.send(parcel_of(clock, TO, PUSH), HandOver()), Taken)
    assert len(server.taken) == 1


async def test_a_send_that_waits_for_its_answer_can_be_cancelled(clock: Clock) -> None:
    """Stopping ends it, and its hand-over was told before."""
    async with (
        FcmServer() as server,
        Endpoint(then_silence()) as endpoint,
        channel_of(clock, server, url=endpoint.url("")) as channel,
    ):
        with anyio.fail_after(30):
            assert await cancelled(channel, parcel_of(clock, TO, PUSH), endpoint.received) == 1


async def test_closing_can_be_done_twice_and_before_anything_was_sent(clock: Clock) -> None:
    """A channel that never sent closes like one that did."""
    for sends in (0, 1):
        async with FcmServer() as server, channel_of(clock, server) as channel:
            for _ in range(sends):
                await channel.send(parcel_of(clock, TO, PUSH), HandOver())
            await channel.close()
            await channel.close()
        assert len(server.sends) == sends


async def test_no_secret_and_no_device_is_in_any_outcome(clock: Clock) -> None:
    """Whatever FCM quotes of a request, neither the bearer nor the registration is kept."""
    async with FcmServer() as server, channel_of(clock, server) as channel:
        await channel.send(parcel_of(clock, TO, PUSH), HandOver())
        bearer = server.sends[0].headers["authorization"]
        server.orders = [refusal(403, "PERMISSION_DENIED", f"{bearer} of {EMAIL} may not send to {TOKEN}")]
        outcome = await channel.send(parcel_of(clock, TO, PUSH), HandOver())
        shown = f"{outcome!r} {channel!r}"
    assert isinstance(outcome, Config)
    assert outcome.detail == "Bearer ya29.<key> of <address> may not send to <address>"
    for secret in (bearer.removeprefix("Bearer "), TOKEN, EMAIL, "PRIVATE"):
        assert secret not in shown


def test_a_channel_is_not_made_from_a_bad_account(clock: Clock) -> None:
    """The error says what was expected, and nothing of the account."""
    settings = FcmSettings(service_account="private text")
    with pytest.raises(ValueError, match="JSON") as raised:
        FcmChannel(settings, clock=clock, agent="a")
    assert "private" not in str(raised.value)
    with pytest.raises(ValueError, match="https"):
        FcmChannel(
            replace(settings, service_account=FcmServer().account(), url="http://a.example"), clock=clock, agent="a"
        )
