"""Green API over real HTTP, as far as sending goes: strict about requests, with states, a queue and a journal.

test_green_api_vendor.py drives it with the vendor's own client, so that a lie of it would show.
"""

import re
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Literal

import msgspec
from aiohttp import web

from adapters.channels.green_api import GreenApiChannel
from adapters.channels.green_api_settings import GreenApiSettings
from core.policies import SECOND_US
from core.ports import Clock

INSTANCE: Final = "110100000000000001"
TOKEN: Final = "d75b3a66374942c5b3c019c698abc2067e151558acbd412345"

State = Literal[
    "authorized", "notAuthorized", "blocked", "yellowCard", "sleepMode", "starting", "suspended", "expired", "deleted"
]

_CHAT: Final = re.compile(r"[0-9]{7,15}@c\.us|[0-9-]{10,40}@g\.us")
_FIELDS: Final[dict[str, dict[str, type]]] = {
    "sendMessage": {
        "chatId": str,
        "message": str,
        "quotedMessageId": str,
        "archiveChat": bool,
        "linkPreview": bool,
    },
    "sendFileByUrl": {
        "chatId": str,
        "urlFile": str,
        "fileName": str,
        "caption": str,
        "quotedMessageId": str,
        "archiveChat": bool,
    },
}
_REQUIRED: Final = {"sendMessage": ("chatId", "message"), "sendFileByUrl": ("chatId", "urlFile", "fileName")}
_VERBS: Final = {
    **dict.fromkeys(_FIELDS, "POST"),
    **dict.fromkeys(("getStateInstance", "showMessagesQueue", "lastOutgoingMessages"), "GET"),
}
_TEXT_CHARS_MAX: Final = 20_000
_SHOWN_MAX: Final = 500
# What refuses everything, whichever method is called; every other state but `authorized` lets the queue fill.
_REFUSALS: Final[dict[State, tuple[int, str]]] = {
    "starting": (400, "instance in starting process try later"),
    "suspended": (403, "Your account is suspended"),
    "expired": (400, "Instance account is expired. Renew your instance from personal area"),
    "deleted": (400, "Instance is deleted"),
}


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it came in."""

    verb: str
    path: str
    content_type: str
    body: bytes


class Forced(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is given instead of doing anything."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = {}


class Queued(msgspec.Struct, frozen=True, kw_only=True):
    """A message that waits for its turn at the device."""

    id: str
    method: str
    body: dict[str, object]


class GreenApiServer:
    """One instance. `counts` are its requests by method, `received` the requests themselves."""

    def __init__(self, clock: Clock, *, state: State = "authorized") -> None:
        self._clock = clock
        self._forced: deque[Forced] = deque()
        self._answers_lost = 0
        self._taken = 0
        self.state: State = state
        self.queue: deque[Queued] = deque()
        self.journal: list[dict[str, object]] = []
        self.counts: Counter[str] = Counter()
        self.received: list[Received] = []
        self.url = ""

    async def __aenter__(self) -> "GreenApiServer":
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    def answers_next(self, *answers: Forced) -> None:
        """The next requests are answered so, one each, and change nothing."""
        self._forced.extend(answers)

    def loses_next_answers(self, count: int) -> None:
        """So many next requests are carried out, and then their connections are torn down."""
        self._answers_lost = count

    def work_off(self, count: int, *, status: str = "sent") -> None:
        """The device sends the first messages of the queue, which then stand in the journal: if it is authorized."""
        for _ in range(count if self.state == "authorized" else 0):
            self.journal.insert(0, _journaled(self.queue.popleft(), self._clock.now_us() // 1_000_000, status))

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        content = await request.read()
        self.received.append(
            Received(verb=request.method, path=request.path_qs, content_type=request.content_type, body=content)
        )
        place = re.fullmatch(r"/waInstance([^/]+)/([^/]+)/([^/]+)", request.path)
        if place is None:
            return web.Response(status=404, text="<html>Not Found</html>", content_type="text/html")
        instance, method, token = place.groups()
        self.counts[method] += 1
        if self._forced:
            forced = self._forced.popleft()
            return web.Response(status=forced.status, body=forced.body, headers=forced.headers)
        if instance != INSTANCE:
            return web.Response(status=403)
        if token != TOKEN:
            return web.Response(status=401)
        response = self._answer(request, method, content)
        if self._answers_lost > 0:
            self._answers_lost -= 1
            assert request.transport is not None
            request.transport.abort()
        return response

    def _answer(self, request: web.Request, method: str, content: bytes) -> web.Response:
        if _VERBS.get(method) != request.method:
            return web.Response(status=404, text="<html>Not Found</html>", content_type="text/html")
        if method == "getStateInstance":
            return web.json_response({"stateInstance": self.state})
        if self.state in _REFUSALS:
            status, words = _REFUSALS[self.state]
            return web.Response(status=status, text=words)
        if method in _FIELDS:
            return self._take(request, method, content)
        if content:
            return web.Response(status=400, text="bad request data")
        if method == "showMessagesQueue":
            return web.json_response([_shown(queued) for queued in list(self.queue)[:_SHOWN_MAX]])
        return self._last(request)

    def _take(self, request: web.Request, method: str, content: bytes) -> web.Response:
        if request.content_type != "application/json":
            return web.Response(status=400, text="bad request data")
        try:
            body = msgspec.json.decode(content, type=dict[str, object])
        except msgspec.DecodeError:
            return web.Response(status=400, text="Unexpected token _ in JSON at position 0")
        if mistake := _mistake(method, body):
            return self._invalid(request, mistake)
        self._taken += 1
        queued = Queued(id=f"3EB0{self._taken:016X}", method=method, body=body)
        self.queue.append(queued)
        return web.json_response({"idMessage": queued.id})

    def _invalid(self, request: web.Request, mistake: str) -> web.Response:
        at = datetime.fromtimestamp(self._clock.now_us() / 1_000_000, UTC).isoformat()
        words = f"Validation failed. Details: {mistake}"
        # The path is repeated, token and all: whoever keeps this answer whole has given the token away.
        shown = {"statusCode": 400, "timestamp": at, "path": request.path_qs, "message": words}
        return web.json_response(shown, status=400)

    def _last(self, request: web.Request) -> web.Response:
        minutes = request.query.get("minutes", "1440")
        if not re.fullmatch(r"[1-9][0-9]{0,5}", minutes):
            return self._invalid(request, "'minutes' must be a number")
        from_s = self._clock.now_us() // 1_000_000 - int(minutes) * 60
        lines = [line for line in self.journal if isinstance(at_s := line["timestamp"], int) and at_s >= from_s]
        return web.json_response(lines)


@asynccontextmanager
async def channel_to(
    url: str, clock: Clock, *, link_preview: bool | None = None, timeout_us: int = 30 * SECOND_US
) -> AsyncIterator[GreenApiChannel]:
    """A channel to the instance at a URL, closed at the end."""
    settings = GreenApiSettings(
        instance=INSTANCE, token=TOKEN, url=url, link_preview=link_preview, timeout_us=timeout_us
    )
    channel = GreenApiChannel(settings, clock=clock, agent="Tidings/test")
    try:
        yield channel
    finally:
        await channel.close()


def _mistake(method: str, body: dict[str, object]) -> str | None:
    """What is wrong with the body of a request, None for nothing."""
    for name in _REQUIRED[method]:
        if name not in body:
            return f"'{name}' is required"
        if body[name] == "":
            return f"'{name}' is not allowed to be empty"
    for name, value in body.items():
        kind = _FIELDS[method].get(name)
        if kind is None:
            return f"'{name}' is not allowed"
        if type(value) is not kind:
            return f"'{name}' must be a {kind.__name__}"
    if not _CHAT.fullmatch(str(body["chatId"])):
        return "'chatId' must be one of the next formats: 'phone_number@c.us' or 'group_id@g.us'"
    if len(str(body.get("message", ""))) > _TEXT_CHARS_MAX:
        return f"'message' length must be less than or equal to {_TEXT_CHARS_MAX} characters long"
    if not re.match(r"https?://", str(body.get("urlFile", "https://"))):
        return "'urlFile' must be a valid uri"
    return None


def _shown(queued: Queued) -> dict[str, object]:
    return {"messageID": queued.id, "type": queued.method, "body": queued.body}


def _journaled(queued: Queued, at_s: int, status: str) -> dict[str, object]:
    line: dict[str, object] = {
        "type": "outgoing",
        "idMessage": queued.id,
        "timestamp": at_s,
        "chatId": queued.body["chatId"],
        "statusMessage": status,
        "sendByApi": True,
    }
    if queued.method == "sendFileByUrl":
        kind = "imageMessage" if str(queued.body["fileName"]).endswith(".jpg") else "documentMessage"
        caption = queued.body.get("caption", "")
        return {**line, "typeMessage": kind, "caption": caption, "fileName": queued.body["fileName"]}
    text = queued.body["message"]
    if "quotedMessageId" in queued.body:
        return {**line, "typeMessage": "extendedTextMessage", "extendedTextMessage": {"text": text}}
    return {**line, "typeMessage": "textMessage", "textMessage": text}
