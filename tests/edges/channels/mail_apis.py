"""Resend and SendGrid as far as mail needs them, over real HTTP: strict about requests, and they count.

They take what their documents allow and nothing else, so a request that the provider would refuse is refused here. An
order decides what happens to one request instead: the mail may be taken all the same.
"""

import asyncio
from types import TracebackType
from typing import Annotated, Final, Literal, Self

import msgspec
from aiohttp import web
from msgspec import Meta

RESEND_KEY: Final = "re_test_0123456789"
SENDGRID_KEY: Final = "SG.test.0123456789"

Does = Literal["refuse", "lose", "hold"]
Reply = tuple[int, bytes, dict[str, str]]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one request that is in order.

    `refuse`: this answer and nothing else. `lose`: the mail is taken, and the connection ends without an answer.
    `hold`: nothing until the test releases it, and then as usual.
    """

    does: Does
    status: int = 500
    body: bytes = b""
    headers: dict[str, str] = {}


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it came in; header names in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


class _Api:
    """What both have in common: a server, a door, and orders. Subclasses judge a request and answer it."""

    def __init__(self, key: str, path: str, *orders: Order) -> None:
        self._key = key
        self._path = path
        self._orders = list(orders)
        self._released = asyncio.Event()
        self.requests: list[Seen] = []
        self.mails: list[bytes] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=64 << 20)
        application.router.add_route("*", "/{tail:.*}", self._serve)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        await self._runner.cleanup()

    def orders(self, *orders: Order) -> None:
        """What becomes of the next requests."""
        self._orders.extend(orders)

    def release(self) -> None:
        """Lets every held request go on."""
        self._released.set()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen = Seen(line=f"{request.method} {request.path_qs}", headers=headers, body=await request.read())
        self.requests.append(seen)
        refused = self.refusal(seen)
        order = self._orders.pop(0) if self._orders and refused is None else None
        if refused is None and order is not None and order.does == "refuse":
            refused = order.status, order.body, {"Content-Type": "application/json", **order.headers}
        status, body, extra = refused or await self.taken(seen, is_held=order is not None and order.does == "hold")
        if order is not None and order.does == "lose" and request.transport is not None:
            request.transport.abort()
        return web.Response(status=status, body=body, headers=extra)

    def refusal(self, seen: Seen) -> Reply | None:
        """The answer to a request that is not in order."""
        raise NotImplementedError

    async def taken(self, seen: Seen, *, is_held: bool) -> Reply:
        """The answer to a request that is."""
        raise NotImplementedError


_Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,256}$")]
_Mailbox = Annotated[str, Meta(pattern=r'^(?:("[^"\\]*"|[^"<>@,;:\\]+) )?<?[^\s<>@]+@[a-z0-9.-]+>?$')]
_Address = Annotated[str, Meta(pattern=r"^[^\s<>@]+@[a-z0-9.-]+$")]
_Text = Annotated[str, Meta(min_length=1)]


class _Strict(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    pass


class _ResendTag(_Strict, frozen=True):
    name: _Id
    value: _Id


class _ResendFile(_Strict, frozen=True):
    filename: _Text
    content: bytes
    content_type: str | None = None


class _ResendEmail(_Strict, frozen=True, kw_only=True, rename={"from_": "from"}):
    from_: _Mailbox
    # A plain text would do as well, but msgspec 0.22 crashes when it forgets a union of a patterned text and a list.
    to: Annotated[list[_Mailbox], Meta(min_length=1, max_length=50)]
    subject: _Text
    text: str | None = None
    html: str | None = None
    reply_to: _Mailbox | None = None
    headers: dict[_Text, str] = {}
    attachments: list[_ResendFile] = []
    tags: list[_ResendTag] = []


class FakeResend(_Api):
    """POST /emails. A key is kept with its body and its answer until `forget_keys`, as Resend does for 24 hours."""

    def __init__(self, *orders: Order) -> None:
        super().__init__(RESEND_KEY, "/emails", *orders)
        # Without an answer yet where the first request is still running.
        self._keys: dict[str, tuple[bytes, Reply | None]] = {}

    def forget_keys(self) -> None:
        """A day passes."""
        self._keys.clear()

    def refusal(self, seen: Seen) -> Reply | None:
        """See _Api."""
        given = seen.headers.get("authorization")
        if "user-agent" not in seen.headers:
            return resend_error(403, "validation_error", "A User-Agent header is required")
        if given is None:
            return resend_error(401, "missing_api_key", "Missing API Key")
        if given != f"Bearer {self._key}":
            return resend_error(401, "validation_error", "API key is invalid")
        if seen.line != f"POST {self._path}":
            return resend_error(404, "not_found", "The requested endpoint does not exist")
        if seen.headers.get("content-type") != "application/json":
            return resend_error(422, "invalid_parameter", "The body must be application/json")
        if not 1 <= len(seen.headers.get("idempotency-key", "-")) <= 256:
            return resend_error(400, "invalid_idempotency_key", "Keys have 1 to 256 characters")
        return _resend_mistake(seen.body)

    async def taken(self, seen: Seen, *, is_held: bool) -> Reply:
        """See _Api."""
        key = seen.headers.get("idempotency-key")
        if key is not None and key in self._keys:
            body, answered = self._keys[key]
            if body != seen.body:
                return resend_error(409, "invalid_idempotent_request", "This key was used with another payload")
            return answered or resend_error(409, "concurrent_idempotent_requests", "The same request is in progress")
        if key is not None:
            self._keys[key] = seen.body, None
        if is_held:
            await self._released.wait()
        self.mails.append(seen.body)
        reply = 200, b'{"id":"%s"}' % _uuid(len(self.mails)), {"Content-Type": "application/json", **_LIMITS}
        if key is not None:
            self._keys[key] = seen.body, reply
        return reply


_LIMITS: Final = {"ratelimit-limit": "2", "ratelimit-remaining": "1", "ratelimit-reset": "1"}


def resend_error(status: int, name: str, message: str = "", **headers: str) -> Reply:
    """An error as Resend writes it; underscores in names of headers stand for dashes."""
    body = msgspec.json.encode({"statusCode": status, "name": name, "message": message})
    return status, body, {"Content-Type": "application/json", **_dashed(headers)}


def _resend_mistake(body: bytes) -> Reply | None:
    try:
        email = msgspec.json.decode(body, type=_ResendEmail)
    except msgspec.ValidationError as error:
        return resend_error(422, "validation_error", str(error))
    except msgspec.DecodeError:
        return resend_error(400, "validation_error", "The body is no JSON")
    if not email.text and not email.html:
        return resend_error(422, "missing_required_field", "Missing `html` or `text` field")
    return None


class _GridAddress(_Strict, frozen=True):
    email: _Address
    name: _Text | None = None


class _GridPersonalization(_Strict, frozen=True):
    to: Annotated[list[_GridAddress], Meta(min_length=1, max_length=1000)]
    custom_args: dict[_Text, str] = {}


class _GridForm(_Strict, frozen=True):
    type: Literal["text/plain", "text/html"]
    value: _Text


class _GridFile(_Strict, frozen=True):
    content: Annotated[bytes, Meta(min_length=1)]
    filename: _Text
    type: Annotated[str, Meta(pattern=r"^[^;\r\n]+$")] | None = None
    disposition: Literal["attachment", "inline"] = "attachment"


class _GridMail(_Strict, frozen=True, kw_only=True, rename={"from_": "from"}):
    from_: _GridAddress
    personalizations: Annotated[list[_GridPersonalization], Meta(min_length=1, max_length=1000)]
    subject: _Text
    content: Annotated[list[_GridForm], Meta(min_length=1)]
    reply_to: _GridAddress | None = None
    attachments: list[_GridFile] = []
    headers: dict[_Text, str] = {}


_GRID_RESERVED: Final = {
    *("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"),
    *("to", "from", "subject", "reply-to", "cc", "bcc"),
}


class FakeSendGrid(_Api):
    """POST /v3/mail/send. It has no memory of what came before: a request that comes twice is two mails."""

    def __init__(self, *orders: Order) -> None:
        super().__init__(SENDGRID_KEY, "/v3/mail/send", *orders)

    def refusal(self, seen: Seen) -> Reply | None:
        """See _Api."""
        if seen.headers.get("authorization") != f"Bearer {self._key}":
            return sendgrid_error(401, "The provided authorization grant is invalid, expired, or revoked")
        if seen.line != f"POST {self._path}":
            return sendgrid_error(404, "not found")
        if seen.headers.get("content-type") != "application/json":
            return sendgrid_error(415, "Content-Type should be application/json.")
        return _sendgrid_mistake(seen.body)

    async def taken(self, seen: Seen, *, is_held: bool) -> Reply:
        """See _Api."""
        if is_held:
            await self._released.wait()
        self.mails.append(seen.body)
        return 202, b"", {"X-Message-Id": f"{len(self.mails):022}"}


def sendgrid_error(status: int, message: str, field: str | None = None, **headers: str) -> Reply:
    """An error as SendGrid writes it; underscores in names of headers stand for dashes."""
    body = msgspec.json.encode({"errors": [{"message": message, "field": field, "help": None}]})
    return status, body, {"Content-Type": "application/json", **_dashed(headers)}


def _sendgrid_mistake(body: bytes) -> Reply | None:
    try:
        mail = msgspec.json.decode(body, type=_GridMail)
    except msgspec.DecodeError as error:
        return sendgrid_error(400, str(error))
    if [form.type for form in mail.content] not in (["text/plain"], ["text/html"], ["text/plain", "text/html"]):
        return sendgrid_error(400, "text/plain must be first, followed by text/html", "content")
    if _GRID_RESERVED & {name.lower() for name in mail.headers}:
        return sendgrid_error(400, "a reserved header", "headers")
    return None


def refuses(reply: Reply) -> Order:
    """The order to answer one request so."""
    status, body, headers = reply
    return Order(does="refuse", status=status, body=body, headers=headers)


LOSES: Final = Order(does="lose")
HOLDS: Final = Order(does="hold")


def _dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def _uuid(number: int) -> bytes:
    return b"49a3999c-0ce1-4ea6-ab68-%012d" % number
