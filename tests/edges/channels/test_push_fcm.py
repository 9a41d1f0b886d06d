"""Answers for pushes: what FCM is sent, when it counts as handed over, and what each answer and fault comes to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import msgspec
import pytest
from msgspec.structs import replace

from adapters.channels.fcm_message import LIFETIME_S
from adapters.channels.fcm_settings import FcmSettings
from adapters.channels.push_fcm import FcmChannel
from core.outcomes import Ambiguous, Config, Outcome, Permanent, Rate, Recipient, Taken, Transient
from core.policies import MINUTE_US, SECOND_US
from core.ports import Clock
from tests.edges.channels.endpoints import Answer, Endpoint, answers, resets, says, then_closes, then_silence
from tests.edges.channels.fcm_server import EMAIL, PROJECT, UNAUTHENTICATED, FcmServer, Message, Told, refusal
from tests.edges.channels.parcels import MESSAGE, HandOver, parcel_of

pytestmark = pytest.mark.anyio

TOKEN = "fRt-1_x:APA91bGHXQBB0123456789abcdefghijklmnopqrstuvwxyz"
TO = f"token:{TOKEN}"
PUSH = {"title": "Tomorrow", "body": "See you at nine.", "data": {"order": "42"}}


@asynccontextmanager
async def channel_of(
    clock: Clock, server: FcmServer, *, url: str | None = None, timeout_us: int = 30 * SECOND_US
) -> AsyncIterator[FcmChannel]:
    """A channel to the server, closed at the end; `url` is where messages go instead."""
    settings = FcmSettings(service_account=server.account(), url=url or server.url, timeout_us=timeout_us)
    channel = FcmChannel(settings, clock=clock, agent="Tidings/test")
    try:
        yield channel
    finally:
        await channel.close()


async def sent(clock: Clock, *contents: object, to: str = TO) -> list[Message]:
    """What FCM has taken once each content was sent."""
    async with FcmServer() as server, channel_of(clock, server) as channel:
        for content in contents:
            outcome = await channel.send(parcel_of(clock, to, content), HandOver())
            assert isinstance(outcome, Taken), outcome
        return server.taken


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


async def test_an_installation_may_be_named_by_its_id(clock: Clock) -> None:
    """`fid:` is a Firebase installation id, the target that takes the token's place."""
    (message,) = await sent(clock, PUSH, to="fid:cXyZ:0123456789abcdefgh")
    assert (message.fid, message.token) == ("cXyZ:0123456789abcdefgh", "")


async def test_another_project_may_be_named(clock: Clock) -> None:
    """The settings' project counts before the account's own; FCM says whether the account may send there."""
    async with FcmServer() as server:
        settings = FcmSettings(service_account=server.account(), url=server.url, project_id="another-project")
        channel = FcmChannel(settings, clock=clock, agent="Tidings/test")
        outcome = await channel.send(parcel_of(clock, TO, PUSH), HandOver())
        await channel.close()
    assert isinstance(outcome, Config)
    assert server.sends[0].path == "/v1/projects/another-project/messages:send"


async def test_a_repeat_replaces_what_it_repeats(clock: Clock) -> None:
    """Without a collapse key of its own a message has one all the same: its id, the same in every attempt."""
    first, second = await sent(clock, PUSH, PUSH)
    for message in (first, second):
        assert message.android.collapse_key == message.android.notification.tag == MESSAGE
        assert message.apns.headers["apns-collapse-id"] == message.webpush.headers["Topic"] == MESSAGE
        assert message.data["tidings_id"] == MESSAGE


@pytest.mark.parametrize(
    ("key", "fits_apns", "fits_web"),
    [
        ("score", True, True),
        ("k" * 32, True, True),
        ("k" * 33, True, False),
        ("k" * 64, True, False),
        ("match 42/score", True, False),
        (" led by a space", False, False),
        ("ключ", False, False),
        ("ü" * 64, False, False),
        ("\U0001f600" * 64, False, False),
        ("line\nend", False, False),
    ],
)
async def test_a_collapse_key_reaches_every_platform(
    clock: Clock, key: str, *, fits_apns: bool, fits_web: bool
) -> None:
    """As it is where it fits, and else as a shorter key that is the same for the same key alone."""
    first, again, other = await sent(
        clock, {**PUSH, "collapse_key": key}, {**PUSH, "collapse_key": key}, {**PUSH, "collapse_key": key[:-1] + "z"}
    )
    assert first.android.collapse_key == first.android.notification.tag == key
    assert (first.apns.headers["apns-collapse-id"] == key) == fits_apns
    assert (first.webpush.headers["Topic"] == key) == fits_web
    assert first.webpush == again.webpush
    assert first.apns.headers["apns-collapse-id"] == again.apns.headers["apns-collapse-id"]
    assert first.apns.headers["apns-collapse-id"] != other.apns.headers["apns-collapse-id"]
    assert first.webpush.headers["Topic"] != other.webpush.headers["Topic"]


async def test_a_push_waits_four_weeks_for_its_device(clock: Clock) -> None:
    """Each platform is told the same time."""
    (message,) = await sent(clock, PUSH)
    assert message.android.ttl == f"{LIFETIME_S}s"
    assert message.webpush.headers["TTL"] == str(LIFETIME_S)
    assert abs(int(message.apns.headers["apns-expiration"]) - clock.now_us() // SECOND_US - LIFETIME_S) <= 60


async def test_a_blank_title_is_left_out(clock: Clock) -> None:
    """A platform would show an empty line for it."""
    handed_over = HandOver()
    async with FcmServer() as server, channel_of(clock, server) as channel:
        await channel.send(parcel_of(clock, TO, {"title": "", "body": "Hi"}), handed_over)
    assert msgspec.json.decode(server.sends[0].body)["message"]["notification"] == {"body": "Hi"}


@pytest.mark.parametrize("key", ["from", "message_type", "gcm", "gcm.n.e", "google", "google.ttl", "tidings_id"])
async def test_reserved_keys_are_refused_here(clock: Clock, key: str) -> None:
    """What FCM keeps for itself, and what we put into the data, ends the message before anything is sent."""
    async with FcmServer() as server, channel_of(clock, server) as channel:
        handed_over = HandOver()
        outcome = await channel.send(parcel_of(clock, TO, {**PUSH, "data": {key: "x", "ok": "y"}}), handed_over)
    assert isinstance(outcome, Permanent)
    assert (outcome.code, handed_over.count) == ("data_key", 0)
    assert not server.sends
    assert not server.token_requests


@pytest.mark.parametrize(("more_bytes", "kind"), [(0, Taken), (1, Permanent)])
async def test_four_kilobytes_are_the_most(clock: Clock, more_bytes: int, kind: type[Outcome]) -> None:
    """Title, body and data, our own id among it, as FCM counts them: one byte more is refused here."""
    own_bytes = len("tidings_id") + len(MESSAGE)
    content = {"title": "ü", "body": "b" * (4_096 - 2 - 4 - own_bytes + more_bytes), "data": {"k": "ä!"}}
    async with FcmServer() as server, channel_of(clock, server) as channel:
        outcome = await channel.send(parcel_of(clock, TO, content), HandOver())
    assert isinstance(outcome, kind)
    assert len(server.sends) == 1 - more_bytes


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
        (then_silence(), "timeout"),
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
        Endpoint(answer) as endpoint,
        channel_of(clock, server, url=endpoint.url(""), timeout_us=500_000) as channel,
    ):
        outcome = await channel.send(parcel_of(clock, TO, PUSH), handed_over)
    assert outcome == Ambiguous(code=code)
    assert handed_over.count == 1


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
