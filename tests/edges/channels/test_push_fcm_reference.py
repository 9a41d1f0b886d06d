"""Answers for our reading of FCM being Google's own: firebase-admin and google-auth meet the same fake as we do.

A fake that is stricter or laxer than what their library was made for is caught here, and so is a request of ours that
says something else than theirs, and an outcome that contradicts their exception.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs

import anyio
import firebase_admin  # type: ignore[import-untyped]  # It carries no types.
import google.auth.exceptions
import google.auth.jwt
import msgspec
import pytest
from anyio import to_thread
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from firebase_admin import _http_client, credentials, exceptions, messaging

from adapters.channels.fcm_message import LIFETIME_S
from adapters.channels.fcm_settings import FcmSettings
from adapters.channels.google_tokens import MESSAGING
from adapters.channels.push_fcm import FcmChannel
from core.outcomes import Config, Outcome, Permanent, Rate, Recipient, Taken, Transient
from core.policies import SECOND_US
from core.ports import Clock
from tests.edges.channels.fcm_server import (
    AUDIENCE,
    PROJECT,
    UNAUTHENTICATED,
    FcmServer,
    Received,
    Told,
    pem_of,
    private_key,
    refusal,
)
from tests.edges.channels.parcels import MESSAGE, HandOver, parcel_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

FID = "cXyZ_0123456789abcdefgh"
PUSH = {"title": "Tomorrow", "body": "See you at nine.", "data": {"order": "42"}, "collapse_key": "visit"}


@pytest.fixture
def anyio_backend() -> str:
    """Their library runs in a thread of its own, so one loop is enough."""
    return "asyncio"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their library repeats without its pauses, and never by way of a proxy."""
    monkeypatch.setattr(_http_client.DEFAULT_RETRY_CONFIG, "backoff_factor", 0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@contextmanager
def app_of(server: FcmServer, monkeypatch: pytest.MonkeyPatch, **changes: str) -> Iterator[firebase_admin.App]:
    """Their application with the server's account, some of it changed; it must run in a thread."""
    monkeypatch.setattr(messaging._MessagingService, "FCM_URL", server.url + "/v1/projects/{0}/messages:send")  # noqa: SLF001  # There is no public way to name another server.
    app = firebase_admin.initialize_app(credentials.Certificate(msgspec.json.decode(server.account(**changes))))
    try:
        yield app
    finally:
        messaging._get_messaging_service(app)._client.close()  # noqa: SLF001  # Deleting an app leaves it open.
        firebase_admin.delete_app(app)


def their_message(now_s: int) -> messaging.Message:
    """What we send for PUSH, in their words."""
    return messaging.Message(
        fid=FID,
        notification=messaging.Notification(title="Tomorrow", body="See you at nine."),
        data={"order": "42", "tidings_id": MESSAGE},
        android=messaging.AndroidConfig(
            priority="high",
            ttl=LIFETIME_S,
            collapse_key="visit",
            notification=messaging.AndroidNotification(tag="visit"),
        ),
        apns=messaging.APNSConfig(
            headers={
                "apns-collapse-id": "visit",
                "apns-expiration": str(now_s + LIFETIME_S),
                "apns-priority": "10",
            }
        ),
        webpush=messaging.WebpushConfig(headers={"TTL": str(LIFETIME_S), "Topic": "visit"}),
    )


async def ours(server: FcmServer, clock: Clock) -> Outcome:
    """PUSH through our channel."""
    settings = FcmSettings(service_account=server.account(), url=server.url)
    channel = FcmChannel(settings, clock=clock, agent="Tidings/test")
    try:
        return await channel.send(parcel_of(clock, f"fid:{FID}", PUSH), HandOver())
    finally:
        await channel.close()


async def theirs(
    server: FcmServer, monkeypatch: pytest.MonkeyPatch, message: Callable[[], messaging.Message], **changes: str
) -> str | Exception:
    """A message through their library: the id that it returns, or what it raises."""

    def send() -> str | Exception:
        with app_of(server, monkeypatch, **changes) as app:
            try:
                return str(messaging.send(message(), app=app))
            except (exceptions.FirebaseError, google.auth.exceptions.GoogleAuthError) as error:
                return error

    with anyio.fail_after(60):
        return await to_thread.run_sync(send)


async def test_both_send_the_same(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same message is the same request in both: path, kind, bearer and every field of its JSON."""
    async with FcmServer() as server:
        outcome = await ours(server, clock)
        body = msgspec.json.decode(server.sends[0].body)
        now_s = int(body["message"]["apns"]["headers"]["apns-expiration"]) - LIFETIME_S
        name = await theirs(server, monkeypatch, lambda: their_message(now_s))
    assert outcome == Taken(code="200", provider_id=f"projects/{PROJECT}/messages/0:1%31bd")
    assert name == f"projects/{PROJECT}/messages/0:2%31bd"
    our_request, their_request = server.sends
    assert body == msgspec.json.decode(their_request.body)
    assert server.taken[0] == server.taken[1]
    assert our_request.path == their_request.path
    for header in ("content-type", "authorization"):
        assert _shape(our_request, header) == _shape(their_request, header)
    assert abs(now_s - clock.now_us() // SECOND_US) <= 60


async def test_both_ask_for_a_token_alike(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Form, header and claims are those of google-auth, and google-auth verifies ours; we ask for less."""
    async with FcmServer() as server:
        await ours(server, clock)
        await theirs(server, monkeypatch, lambda: their_message(0))
    our_request, their_request = server.token_requests
    assert _asked(our_request) == _asked(their_request)
    our_claim, their_claim = server.claims
    assert (our_claim.iss, our_claim.aud) == (their_claim.iss, their_claim.aud)
    assert our_claim.exp - our_claim.iat == their_claim.exp - their_claim.iat
    assert our_claim.scope == MESSAGING


async def test_a_token_is_still_a_target(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Registration tokens go into the same field in both, although their library calls it old."""

    def message() -> messaging.Message:
        with pytest.warns(DeprecationWarning, match="Use Message.fid"):
            return messaging.Message(token=FID, notification=messaging.Notification(title="a"))

    async with FcmServer() as server:
        await theirs(server, monkeypatch, message)
        settings = FcmSettings(service_account=server.account(), url=server.url)
        channel = FcmChannel(settings, clock=clock, agent="Tidings/test")
        await channel.send(parcel_of(clock, f"token:{FID}", {"title": "a", "body": ""}), HandOver())
        await channel.close()
    assert [message.token for message in server.taken] == [FID, FID]
    assert server.taken[0].notification == server.taken[1].notification


@pytest.mark.parametrize(
    "message",
    [
        lambda: messaging.Message(fid=FID, data={"from": "x"}),
        lambda: messaging.Message(fid=FID, data={"gcm.x": "x"}),
        lambda: messaging.Message(fid=FID, data={"k": "x" * 4_096}),
        lambda: messaging.Message(fid=FID, android=messaging.AndroidConfig(ttl=LIFETIME_S + 1)),
        lambda: messaging.Message(fid=FID, apns=messaging.APNSConfig(headers={"apns-collapse-id": "x" * 65})),
        lambda: messaging.Message(fid=FID, webpush=messaging.WebpushConfig(headers={"Topic": "x" * 33})),
        lambda: messaging.Message(fid=FID, webpush=messaging.WebpushConfig(headers={"Topic": "a b"})),
    ],
    ids=["from", "gcm", "size", "ttl", "collapse-id", "topic", "letters"],
)
async def test_the_fake_refuses_what_fcm_refuses(
    monkeypatch: pytest.MonkeyPatch, message: Callable[[], messaging.Message]
) -> None:
    """A message that breaks a rule of the reference is refused, whoever sends it."""
    async with FcmServer() as server:
        assert type(await theirs(server, monkeypatch, message)) is exceptions.InvalidArgumentError
    assert not server.taken


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"private_key": ""}, "Invalid JWT Signature"),
        ({"private_key_id": "another"}, "Invalid JWT header"),
        ({"client_email": "nobody@example.com"}, "account not found"),
    ],
)
async def test_the_fake_refuses_a_claim_that_is_not_the_account_s(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], told: str
) -> None:
    """Another key, another name of it and another account get no token."""
    if not changes.get("private_key", "kept"):
        changes = {"private_key": pem_of(generate_private_key(public_exponent=65_537, key_size=2_048))}
    async with FcmServer() as server:
        error = await theirs(server, monkeypatch, lambda: their_message(0), **changes)
    assert isinstance(error, google.auth.exceptions.RefreshError | exceptions.FirebaseError)
    assert told in str(error)
    assert not server.sends


@pytest.mark.parametrize(
    ("told", "their_kind", "our_kind"),
    [
        (refusal(404, "NOT_FOUND", fcm="UNREGISTERED"), messaging.UnregisteredError, Recipient),
        # The first word of a lane, which ends no token.
        (refusal(403, "PERMISSION_DENIED", fcm="SENDER_ID_MISMATCH"), messaging.SenderIdMismatchError, Transient),
        (refusal(400, "INVALID_ARGUMENT", fcm="INVALID_ARGUMENT"), exceptions.InvalidArgumentError, Recipient),
        (refusal(400, "INVALID_ARGUMENT", field="message.data"), exceptions.InvalidArgumentError, Permanent),
        (refusal(403, "PERMISSION_DENIED"), exceptions.PermissionDeniedError, Config),
        (refusal(429, "RESOURCE_EXHAUSTED", fcm="QUOTA_EXCEEDED"), messaging.QuotaExceededError, Rate),
        (refusal(429, "RESOURCE_EXHAUSTED"), exceptions.ResourceExhaustedError, Rate),
        (refusal(404, "NOT_FOUND"), exceptions.NotFoundError, Permanent),
        (refusal(504, "DEADLINE_EXCEEDED"), exceptions.DeadlineExceededError, Transient),
        (Told(status=502, body=b"<html>"), exceptions.UnknownError, Transient),
        (Told(status=429, body=b"<html>"), exceptions.ResourceExhaustedError, Rate),
        (Told(status=403, body=b"<html>"), exceptions.PermissionDeniedError, Config),
    ],
)
async def test_both_read_a_refusal_alike(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, told: Told, *, their_kind: type[Exception], our_kind: type[Outcome]
) -> None:
    """Each of their exceptions has one meaning of ours, and neither side asks twice."""
    async with FcmServer() as server:
        server.orders = [told, told]
        assert type(await ours(server, clock)) is our_kind
        assert type(await theirs(server, monkeypatch, lambda: their_message(0))) is their_kind
    assert len(server.sends) == 2


@pytest.mark.parametrize(
    ("told", "their_kind", "our_kind", "counts"),
    [
        (refusal(503, "UNAVAILABLE"), exceptions.UnavailableError, Transient, (1, 5)),
        (refusal(500, "INTERNAL"), exceptions.InternalError, Transient, (1, 5)),
        (refusal(500, "UNKNOWN", fcm="UNSPECIFIED_ERROR"), exceptions.UnknownError, Transient, (1, 5)),
        (UNAUTHENTICATED, exceptions.UnauthenticatedError, Config, (2, 3)),
        (
            refusal(401, "UNAUTHENTICATED", fcm="THIRD_PARTY_AUTH_ERROR"),
            messaging.ThirdPartyAuthError,
            Permanent,
            (1, 3),
        ),
    ],
)
async def test_they_repeat_where_we_do_not(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, *, told: Told, their_kind: type[Exception], our_kind: type[Outcome],
    counts: tuple[int, int],
) -> None:  # fmt: skip  # One row of arguments, as one case has.
    """Their library sends up to five times behind one call; we send once, and twice only after a 401 of our token's."""
    async with FcmServer() as server:
        server.orders = [told] * 10
        assert type(await ours(server, clock)) is our_kind
        our_count = len(server.sends)
        assert type(await theirs(server, monkeypatch, lambda: their_message(0))) is their_kind
        assert (our_count, len(server.sends) - our_count) == counts


def _shape(received: Received, header: str) -> str:
    """A header's value, a token in it left out."""
    value = received.headers[header]
    return value.partition("ya29.")[0]


def _asked(received: Received) -> tuple[str, list[str], list[str], object]:
    """A request for a token as google-auth reads and verifies it: kind, grant, fields, and the claim's header."""
    form = parse_qs(received.body.decode(), strict_parsing=True)
    (assertion,) = form["assertion"]
    public = private_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    google.auth.jwt.decode(assertion, certs=public, audience=AUDIENCE)  # type: ignore[no-untyped-call]  # Theirs is so.
    header = google.auth.jwt.decode_header(assertion)  # type: ignore[no-untyped-call]  # Likewise.
    return received.headers["content-type"], form["grant_type"], sorted(form), header
