"""Small stand-ins for the providers that are spoken to over HTTP: strict about what they are asked, plain in answering.

This file answers for each provider's form of a request and of its answer. A request that its provider would not
understand is an alarm of the run, never a refusal that a retry could hide. It must never decide what fails.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from aiohttp import web

from adapters.channels.fcm_message import DATA_ID
from adapters.loose_json import elements, members, text
from core.ports import Parcel
from scenarios.wire.accounts import INSTANCE, PHONE_NUMBER_ID, PROJECT, TOKEN
from scenarios.wire.end import End
from scenarios.wire.exchange import Exchange
from scenarios.wire.line import Line

_TOKEN_LIVES_S: Final = 3_600
_BEARER: Final = f"Bearer {TOKEN}"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


def _webhook(seen: Seen, parcel: Parcel) -> bool:
    signed = seen.headers.get("webhook-signature", "").startswith("v1,")
    ours = seen.headers.get("webhook-id") == parcel.message
    return signed and ours and seen.headers.get("Tidings-Attempt") == str(parcel.attempt)


def _whatsapp_cloud(seen: Seen, parcel: Parcel) -> bool:
    said = members(seen.body)
    return (
        seen.headers.get("Authorization") == _BEARER
        and seen.path.endswith(f"/{PHONE_NUMBER_ID}/messages")
        and text(said.get("messaging_product")) == "whatsapp"
        and text(said.get("to")) == parcel.to
        and text(said.get("biz_opaque_callback_data")) == parcel.message
    )


def _green_api(seen: Seen, parcel: Parcel) -> bool:
    said = members(seen.body)
    chat = f"{parcel.to.removeprefix('+')}@c.us"
    return (
        seen.path in {f"/waInstance{INSTANCE}/{method}/{TOKEN}" for method in ("sendMessage", "sendFileByUrl")}
        and text(said.get("chatId")) == chat
    )


def _fcm(seen: Seen, parcel: Parcel) -> bool:
    message = members(members(seen.body).get("message"))
    kind, _, value = parcel.to.partition(":")
    return (
        seen.headers.get("Authorization") == _BEARER
        and seen.path == f"/v1/projects/{PROJECT}/messages:send"
        and text(message.get(kind)) == value
        and text(members(message.get("data")).get(DATA_ID)) == parcel.message
    )


def _resend(seen: Seen, parcel: Parcel) -> bool:
    said = members(seen.body)
    return (
        (seen.headers.get("Authorization"), seen.path) == (_BEARER, "/emails")
        and seen.headers.get("Idempotency-Key") == parcel.message
        and [text(one) for one in elements(said.get("to"))] == [parcel.to]
    )


def _sendgrid(seen: Seen, parcel: Parcel) -> bool:
    person = members(next(iter(elements(members(seen.body).get("personalizations"))), None))
    return (
        (seen.headers.get("Authorization"), seen.path) == (_BEARER, "/v3/mail/send")
        and text(members(person.get("custom_args")).get("tid")) == parcel.message
        and [text(members(one).get("email")) for one in elements(person.get("to"))] == [parcel.to]
    )


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider is spoken to. `says` makes the body of its yes from the id that it gives a message."""

    understands: Callable[[Seen, Parcel], bool]
    status: int = 200
    says: Callable[[str], object] = lambda _name: {}
    names_in: str | None = None


DIALECTS: Final[Mapping[str, Dialect]] = {
    "webhook": Dialect(understands=_webhook),
    "whatsapp_cloud": Dialect(understands=_whatsapp_cloud, says=lambda name: {"messages": [{"id": name}]}),
    "green_api": Dialect(understands=_green_api, says=lambda name: {"idMessage": name}),
    "fcm": Dialect(understands=_fcm, says=lambda name: {"name": name}),
    "resend": Dialect(understands=_resend, says=lambda name: {"id": name}),
    "sendgrid": Dialect(understands=_sendgrid, status=202, names_in="X-Message-Id"),
}
"""The providers that the wire knows over HTTP."""


class Providers:
    """All of them, behind one server. `alarm` hears of a request that a provider could not read."""

    def __init__(self, alarm: Callable[[str], None]) -> None:
        self._alarm = alarm

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """What the provider of the attempt says to one request, whose lines carry the attempt."""
        try:
            body = await request.read()
        except (ConnectionError, RuntimeError):
            return web.Response(status=400)  # The rest of it never comes, and nobody is left to be told.
        if request.transport is None:
            return web.Response(status=400)  # Whoever hung up before it was read is not served.
        exchange = exchange_of(request)
        if exchange is None or exchange.has_arrived:
            self._alarm(f"{request.method} {request.path} came twice, or from nobody")
            return web.Response(status=500)
        dialect = DIALECTS[exchange.lane.provider]
        seen = Seen(method=request.method, path=request.path, headers=request.headers, body=body)
        if seen.method != "POST" or not dialect.understands(seen, exchange.parcel):
            self._alarm(f"{exchange.lane.provider} could not read {exchange.parcel.message}")
        fails = exchange.meeting.fails
        if fails is not None and fails.kind == "status":
            exchange.arrive(is_taken=200 <= fails.status < 300)
            refusal = fails.body.replace("{to}", exchange.parcel.to)
            return web.Response(status=fails.status, headers=fails.headers, text=refusal)
        exchange.arrive(is_taken=True)
        return _taken(dialect, exchange)


def _taken(dialect: Dialect, exchange: Exchange) -> web.Response:
    parcel, meeting = exchange.parcel, exchange.meeting
    # One that knows a message again calls it by the name that it gave it first.
    nth = 1 if meeting.is_idempotent else parcel.attempt
    name = meeting.provider_id or f"wire-{parcel.message}-{nth}"
    headers = {} if dialect.names_in is None else {dialect.names_in: name}
    said = msgspec.json.encode(dialect.says(name))
    return web.Response(status=dialect.status, headers=headers, body=said, content_type="application/json")


async def issue_token(request: web.BaseRequest) -> web.StreamResponse:
    """Google's token endpoint, which asks for a signed claim."""
    form = await request.read()
    if request.path != "/token" or b"assertion=" not in form:
        return web.json_response({"error": "invalid_request"}, status=400)
    return web.json_response({"access_token": TOKEN, "expires_in": _TOKEN_LIVES_S, "token_type": "Bearer"})


def exchange_of(request: web.BaseRequest) -> Exchange | None:
    """The attempt whose bytes a request is."""
    end = request.transport
    if not isinstance(end, End) or not isinstance(end.line, Line):
        return None
    return end.line.exchange if isinstance(end.line.exchange, Exchange) else None
