"""Meta's side of the Cloud API, over real HTTP: takes what Meta takes, refuses what it refuses, and counts.

It must never be laxer than Meta: a request that it takes has only known members, in the known shapes.
"""

import re
from types import TracebackType
from typing import Final

import msgspec
from aiohttp import web

PHONE_NUMBER_ID: Final = "106540352242922"
TOKEN: Final = "EAAJB-a.secret_token"
VERSION: Final = "v26.0"

Object = dict[str, object]

_COMMON: Final = {
    *("messaging_product", "recipient_type", "to", "recipient", "type", "context", "biz_opaque_callback_data"),
}
_MEDIA: Final = {
    "image": {"link", "caption"},
    "video": {"link", "caption"},
    "audio": {"link"},
    "document": {"link", "caption", "filename"},
    "sticker": {"link"},
}
_COMPONENT: Final = {"type", "sub_type", "index", "parameters"}
_PHONE: Final = re.compile(r"\+?[1-9][0-9]{6,14}")
_USER_ID: Final = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """An answer other than that the message was taken."""

    status: int
    body: bytes
    headers: dict[str, str] = {}
    content_type: str = "application/json"


def refuses(code: int | str, *, status: int = 400, headers: dict[str, str] | None = None, **more: object) -> Refusal:
    """Meta's own form of an error; `more` adds members to it or replaces some."""
    error = {
        "message": f"(#{code}) Something is wrong",
        "type": "OAuthException",
        "code": code,
        "error_data": {"messaging_product": "whatsapp", "details": "What is wrong in detail"},
        "fbtrace_id": "AxLooksLikeThis",
        **more,
    }
    return Refusal(status=status, body=msgspec.json.encode({"error": error}), headers=headers or {})


def says(status: int, body: bytes, content_type: str = "text/html") -> Refusal:
    """Any answer at all, such as that of a gateway."""
    return Refusal(status=status, body=body, content_type=content_type)


class Wrong(Exception):
    """A request that Meta would not take, and why."""


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """One request that came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: Object


class GraphApi:
    """Answers the n-th request with the n-th order; without orders it checks the request and takes the message."""

    def __init__(self, *orders: Refusal, message_status: str = "") -> None:
        self._orders = list(orders)
        self._message_status = message_status
        self.requests: list[Sent] = []
        self.taken: list[str] = []
        self.url = ""

    async def __aenter__(self) -> "GraphApi":
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            sent = Sent(
                method=request.method,
                path=request.path,
                headers={name.lower(): value for name, value in request.headers.items()},
                body=msgspec.json.decode(body, type=Object),
            )
        except msgspec.MsgspecError:
            return _response(refuses(100, message="(#100) The body is not a JSON object"))
        self.requests.append(sent)
        if self._orders:
            return _response(self._orders.pop(0))
        refusal = _not_admitted(sent)
        if refusal is not None:
            return _response(refusal)
        try:
            person = _checked(sent.body)
        except Wrong as wrong:
            return _response(refuses(100, message=f"(#100) {wrong}"))
        return self._take(person, is_template=sent.body["type"] == "template")

    def _take(self, person: str, *, is_template: bool) -> web.Response:
        provider_id = f"wamid.HBgL{len(self.taken):04}"
        self.taken.append(provider_id)
        message = {"id": provider_id}
        if is_template or self._message_status:
            message["message_status"] = self._message_status or "accepted"
        wa_id = {"wa_id": person.removeprefix("+")} if person[0] in "+123456789" else {"user_id": person}
        body = {
            "messaging_product": "whatsapp",
            "contacts": [{"input": person, **wa_id}],
            "messages": [message],
        }
        return web.json_response(body, headers={"facebook-api-version": VERSION})


def _response(refusal: Refusal) -> web.Response:
    return web.Response(
        status=refusal.status, body=refusal.body, headers=refusal.headers, content_type=refusal.content_type
    )


def _not_admitted(sent: Sent) -> Refusal | None:
    if sent.headers.get("authorization") != f"Bearer {TOKEN}":
        return refuses(190, status=401, message="Invalid OAuth access token")
    if (sent.method, sent.path) != ("POST", f"/{VERSION}/{PHONE_NUMBER_ID}/messages"):
        message = "Unsupported post request. Object with ID does not exist"
        return refuses(100, message=message, type="GraphMethodException", error_subcode=33, error_data=None)
    if sent.headers.get("content-type", "").partition(";")[0] != "application/json":
        return refuses(100, message="(#100) The body is of an unknown type")
    return None


def _checked(body: Object) -> str:
    """Whom the message goes to; raises Wrong for anything that Meta would refuse."""
    kind = _text(body, "type")
    _only(body, {*_COMMON, kind}, "the request")
    _same(body.get("messaging_product"), "whatsapp", "messaging_product")
    _same(body.get("recipient_type"), "individual", "recipient_type")
    if len(_text(body, "biz_opaque_callback_data")) > 512:
        raise Wrong("biz_opaque_callback_data is too long")
    if "context" in body:
        context = _object(body, "context")
        _only(context, {"message_id"}, "context")
        _text(context, "message_id")
    part = _object(body, kind)
    if kind == "text":
        _check_text(part)
    elif kind == "template":
        _check_template(part)
    elif kind in _MEDIA:
        _check_media(part, kind)
    else:
        raise Wrong(f"type {kind} is not one of those supported")
    return _person(body)


def _person(body: Object) -> str:
    if ("to" in body) == ("recipient" in body):
        raise Wrong("either to or recipient")
    name, pattern = ("to", _PHONE) if "to" in body else ("recipient", _USER_ID)
    person = _text(body, name)
    if not pattern.fullmatch(person):
        raise Wrong(f"{name} is not well-formed")
    return person


def _check_text(part: Object) -> None:
    _only(part, {"body", "preview_url"}, "text")
    if not 1 <= len(_text(part, "body")) <= 4_096:
        raise Wrong("text.body has 1 to 4096 characters")
    if not isinstance(part.get("preview_url", False), bool):
        raise Wrong("text.preview_url is a truth value")


def _check_template(part: Object) -> None:
    _only(part, {"name", "language", "components"}, "template")
    _text(part, "name")
    language = _object(part, "language")
    _only(language, {"code"}, "template.language")
    _text(language, "code")
    components = part.get("components", [])
    if not isinstance(components, list):
        raise Wrong("template.components is a list")
    for component in components:
        if not isinstance(component, dict):
            raise Wrong("a component is an object")
        _only(component, _COMPONENT, "a component")
        _text(component, "type")


def _check_media(part: Object, kind: str) -> None:
    _only(part, _MEDIA[kind], kind)
    if not _text(part, "link").startswith(("https://", "http://")):
        raise Wrong(f"{kind}.link is not a URL")
    if len(str(part.get("caption", ""))) > 1_024:
        raise Wrong(f"{kind}.caption is too long")


def _only(found: Object, known: set[str], where: str) -> None:
    if strange := sorted(found.keys() - known):
        raise Wrong(f"{where} has unexpected keys: {', '.join(strange)}")


def _same(found: object, expected: str, where: str) -> None:
    if found != expected:
        raise Wrong(f"{where} must be {expected}")


def _text(found: Object, name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise Wrong(f"{name} is required and is text")
    return value


def _object(found: Object, name: str) -> Object:
    value = found.get(name)
    if not isinstance(value, dict):
        raise Wrong(f"{name} is required and is an object")
    return value
