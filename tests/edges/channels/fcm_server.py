"""FCM and Google's token endpoint over real HTTP, as strict about requests as the real ones and obedient otherwise.

It must never take what Google would refuse: a claim is verified under the public key, a bearer must be one of its own,
and a message is read against the reference, unknown fields included.
"""

import asyncio
import re
import time
from base64 import urlsafe_b64decode
from functools import cache
from types import TracebackType
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

EMAIL: Final = "sender@tidings-test.iam.gserviceaccount.com"
PROJECT: Final = "tidings-test"
KEY_ID: Final = "0123456789abcdef0123456789abcdef01234567"
GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCE: Final = "https://oauth2.googleapis.com/token"
SCOPES: Final = {
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/firebase.messaging",
}

_TTL: Final = re.compile(r"(\d{1,9})(?:\.\d{1,9})?s")
_RESERVED: Final = re.compile(r"from|message_type|google.*|gcm.*")


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Notification(_Strict, frozen=True, kw_only=True):
    title: str = ""
    body: str = ""
    image: str = ""


class AndroidNotification(_Strict, frozen=True, kw_only=True):
    tag: str = ""
    title: str = ""
    body: str = ""


class Android(_Strict, frozen=True, kw_only=True):
    collapse_key: str = ""
    priority: str = ""
    ttl: str = "2419200s"
    notification: AndroidNotification = AndroidNotification()


class Apns(_Strict, frozen=True, kw_only=True):
    headers: dict[str, str] = {}
    payload: dict[str, object] = {}


class Webpush(_Strict, frozen=True, kw_only=True):
    headers: dict[str, str] = {}


class Message(_Strict, frozen=True, kw_only=True):
    token: str = ""
    fid: str = ""
    topic: str = ""
    condition: str = ""
    notification: Notification = Notification()
    data: dict[str, str] = {}
    android: Android = Android()
    apns: Apns = Apns()
    webpush: Webpush = Webpush()

    @property
    def targets(self) -> list[str]:
        return [target for target in (self.token, self.fid, self.topic, self.condition) if target]


class SendRequest(_Strict, frozen=True, kw_only=True):
    message: Message
    validate_only: bool = False


class Claim(_Strict, frozen=True, kw_only=True):
    iss: str
    scope: str
    aud: str
    iat: int
    exp: int


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it came in; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that a test ordered, or one that the rules came to."""

    status: int
    body: object = b""
    headers: dict[str, str] = {}

    def response(self) -> web.Response:
        content = self.body if isinstance(self.body, bytes) else msgspec.json.encode(self.body)
        return web.Response(status=self.status, body=content, headers=self.headers, content_type="application/json")


def refusal(
    status: int,
    rpc: str,
    message: str = "",
    *,
    fcm: str = "",
    field: str | None = None,
    headers: dict[str, str] | None = None,
) -> Told:
    """An error in Google's form; `fcm` is the code of FCM's own detail, `field` what a BadRequest complains about."""
    details: list[dict[str, object]] = []
    if fcm:
        details.append({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": fcm})
    if field is not None:
        violation = {"description": message, **({"field": field} if field else {})}
        details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]})
    error = {"code": status, "message": message, "status": rpc, **({"details": details} if details else {})}
    return Told(status=status, body={"error": error}, headers=headers or {})


UNAUTHENTICATED: Final = refusal(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")


class FcmServer:
    """One project. Orders are answered first, one a request; without any it does what Google does."""

    def __init__(self) -> None:
        self.token_orders: list[Told] = []
        self.orders: list[Told] = []
        self.token_requests: list[Received] = []
        self.claims: list[Claim] = []
        self.sends: list[Received] = []
        self.taken: list[Message] = []
        self.expires_in_s = 3_599
        self.may_grant = asyncio.Event()
        self.may_grant.set()
        self._tokens: set[str] = set()
        self._granted = 0
        self.port = 0

    @property
    def url(self) -> str:
        """Where the API begins."""
        return f"http://127.0.0.1:{self.port}"

    def account(self, **changes: str) -> str:
        """The JSON of a service account that may send here."""
        return account_text(token_uri=f"{self.url}/token", **changes)

    def revoke(self) -> None:
        """No token that was granted is valid any more."""
        self._tokens.clear()

    async def __aenter__(self) -> "FcmServer":
        app = web.Application()
        app.router.add_post("/token", self._token)
        app.router.add_post("/v1/projects/{project}/messages:send", self._send)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.may_grant.set()
        await self._runner.cleanup()

    async def _token(self, request: web.Request) -> web.Response:
        received = await _received(request)
        self.token_requests.append(received)
        await self.may_grant.wait()
        if self.token_orders:
            return self.token_orders.pop(0).response()
        fault = self._claim_fault(received)
        if fault:
            return Told(status=400, body={"error": "invalid_grant", "error_description": fault}).response()
        self._granted += 1
        token = f"ya29.{'c' * 60}{self._granted}"
        self._tokens.add(token)
        granted = {"access_token": token, "expires_in": self.expires_in_s, "token_type": "Bearer"}
        return Told(status=200, body=granted).response()

    def _claim_fault(self, received: Received) -> str:
        """What is wrong with a request for a token; empty where nothing is."""
        if received.headers.get("content-type") != "application/x-www-form-urlencoded":
            return "Expected a form."
        form = dict(parse_qsl(received.body.decode(), strict_parsing=True))
        if set(form) != {"grant_type", "assertion"} or form["grant_type"] != GRANT:
            return "Unsupported grant."
        header, claim, signature = form["assertion"].split(".")
        try:
            signed = f"{header}.{claim}".encode()
            private_key().public_key().verify(_decoded(signature), signed, PKCS1v15(), SHA256())
        except InvalidSignature:
            return "Invalid JWT Signature."
        if msgspec.json.decode(_decoded(header)) != {"alg": "RS256", "typ": "JWT", "kid": KEY_ID}:
            return "Invalid JWT header."
        read = msgspec.json.decode(_decoded(claim), type=Claim)
        self.claims.append(read)
        if read.iss != EMAIL:
            return "Invalid grant: account not found"
        if read.aud != AUDIENCE or not SCOPES & set(read.scope.split()):
            return "Invalid audience or scope."
        if abs(read.iat - time.time()) > 300 or not 0 < read.exp - read.iat <= 3_600:
            return "Invalid JWT: Token must be a short-lived token and in a reasonable timeframe."
        return ""

    async def _send(self, request: web.Request) -> web.Response:
        received = await _received(request)
        self.sends.append(received)
        if self.orders:
            return self.orders.pop(0).response()
        told = self._judged(received, request.match_info["project"])
        return told.response()

    def _judged(self, received: Received, project: str) -> Told:
        scheme, _, token = received.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self._tokens:
            return UNAUTHENTICATED
        if project != PROJECT:
            return refusal(403, "PERMISSION_DENIED", f"Permission denied on resource project {project}.")
        if received.headers.get("content-type") != "application/json":
            return refusal(400, "INVALID_ARGUMENT", "Expected JSON.", field="")
        try:
            asked = msgspec.json.decode(received.body, type=SendRequest)
        except msgspec.DecodeError as error:
            return refusal(400, "INVALID_ARGUMENT", f"Invalid JSON payload received. {error}", field="message")
        if fault := message_fault(asked.message):
            return fault
        if not asked.validate_only:
            self.taken.append(asked.message)
        return Told(status=200, body={"name": f"projects/{PROJECT}/messages/0:{len(self.taken)}%31bd"})


def message_fault(message: Message) -> Told | None:
    """Why FCM refuses a message; None where it takes it."""

    def invalid(text: str, field: str) -> Told:
        return refusal(400, "INVALID_ARGUMENT", text, fcm="INVALID_ARGUMENT", field=field)

    if len(message.targets) != 1:
        return invalid("Recipient of the message is not set.", "message")
    if message.token and len(message.token) < 20:
        return invalid("The registration token is not a valid FCM registration token", "message.token")
    if any(_RESERVED.fullmatch(key) for key in message.data):
        return invalid("Invalid data payload key", "message.data")
    shown = (message.notification.title, message.notification.body)
    if sum(len(text.encode()) for text in (*shown, *message.data.keys(), *message.data.values())) > 4_096:
        return refusal(400, "INVALID_ARGUMENT", "Android message is too big", fcm="INVALID_ARGUMENT")
    ttl = _TTL.fullmatch(message.android.ttl)
    if ttl is None or int(ttl[1]) > 2_419_200 or message.android.priority not in {"", "normal", "high"}:
        return invalid("Invalid android config", "message.android")
    apns = message.apns.headers
    if len(apns.get("apns-collapse-id", "").encode()) > 64 or not apns.get("apns-expiration", "0").isdigit():
        return invalid("Invalid apns headers", "message.apns.headers")
    if not re.fullmatch(r"[A-Za-z0-9_-]{0,32}", message.webpush.headers.get("Topic", "")):
        return invalid("Invalid webpush headers", "message.webpush.headers")
    return None


@cache
def private_key() -> RSAPrivateKey:
    """The key of the account, made once a run."""
    return generate_private_key(public_exponent=65_537, key_size=2_048)


def pem_of(key: RSAPrivateKey) -> str:
    """A private key as it stands in a service account."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def account_text(**changes: str) -> str:
    """The JSON that Google gives out for a service account, with some of it changed."""
    account = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": KEY_ID,
        "private_key": pem_of(private_key()),
        "client_email": EMAIL,
        "client_id": "123456789012345678901",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
    }
    return msgspec.json.encode({**account, **changes}).decode()


async def _received(request: web.Request) -> Received:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Received(path=request.path_qs, headers=headers, body=await request.read())


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
