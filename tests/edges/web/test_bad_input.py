"""Answers for bad input: each mistake is told with what, where and what was expected, and nothing is changed by it."""

import gzip
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from adapters.web.front import WebBounds
from tests.edges.web.house import EMAIL, House, Json, bare_line, later, running

pytestmark = pytest.mark.anyio

CONTENT: Json = {"subject": "Tomorrow", "text": "At eight."}
CALL: Json = {"channel": "webhook", "to": "https://example.com/hook", "content": {"type": "a.b", "data": 1}}
YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).isoformat()

MISTAKES: dict[str, tuple[Json, str, str]] = {
    "unknown channel": ({"channel": "fax"}, "/channel", "email"),
    "unknown field": ({"colour": "red"}, "/colour", "no known field"),
    "unknown field inside": ({"content": CONTENT | {"colour": 1}}, "/content/colour", "no known field"),
    "missing field": ({"content": {"text": "x"}}, "/content/subject", "required"),
    "wrong type": ({"to": 7}, "/to", "expected `str`, got `int`"),
    "wrong type inside": ({"content": CONTENT | {"subject": []}}, "/content/subject", "expected `str`, got `array`"),
    "deep wrong type": ({"content": CONTENT | {"attachments": [{}]}}, "/content/attachments/0/filename", "required"),
    "bad address": ({"to": "ann"}, "/to", "ann@example.com"),
    "bad phone": ({"channel": "whatsapp", "to": "12", "content": {"text": "x"}}, "/to", "E.164"),
    "bad url": (
        {"channel": "webhook", "to": "ftp://x", "content": {"type": "a", "data": 1}},
        "/to",
        "https://",
    ),
    "past send_at": ({"send_at": YESTERDAY}, "/send_at", "past"),
    "absurd send_at": ({"send_at": later(days=4000)}, "/send_at", "400 days"),
    "send_at that is no time": ({"send_at": "tomorrow"}, "/send_at", "RFC 3339"),
    "send_at without a zone": ({"send_at": "2030-01-01T00:00:00"}, "/send_at", "with its offset"),
    "send_at as a number": ({"send_at": 1_800_000_000}, "/send_at", "such as 2026-01-30T08:00:00Z"),
    "a time zone that nobody knows": ({"time_zone": "Mars/Olympus"}, "/time_zone", "Europe/Berlin"),
    "the time zone of a machine": ({"time_zone": "localtime"}, "/time_zone", "Europe/Berlin"),
    "a blank reference": ({"reference": " "}, "/reference", "white space"),
    "a blank key": ({"idempotency_key": " \t"}, "/idempotency_key", "white space"),
    "past expires_at": ({"expires_at": YESTERDAY}, "/expires_at", "past"),
    "an expires_at that UTC cannot show": ({"expires_at": "9999-12-31T23:59:59-12:00"}, "/expires_at", "year 9999"),
    "expires before due": (
        {"send_at": later(days=2), "expires_at": later(days=1)},
        "/expires_at",
        "after send_at",
    ),
    "priority out of range": ({"priority": 10}, "/priority", "9"),
    "unknown lane": ({"lane": "pigeon"}, "/lane", "mail, spare"),
    "lane of another channel": ({"lane": "calls"}, "/lane", "mail, spare"),
    "channel without a lane": (
        {"channel": "push", "to": "u", "content": {"title": "a", "body": "b"}},
        "/channel",
        "lane",
    ),
    "unknown policy": ({"policy": "patient"}, "/policy", "email"),
    "unknown order": ({"order": "lifo"}, "/order", "fifo"),
    "failover through an unknown lane": ({"failover": ["mail", "pigeon"]}, "/failover/1", "mail, spare"),
    "failover to another channel": ({"failover": ["calls"]}, "/failover/0", "mail, spare"),
    "failover twice through a lane": ({"failover": ["mail", "mail"]}, "/failover", "each lane once"),
    "failover through no lane": ({"failover": []}, "/failover", "length >= 1"),
    "failover that begins elsewhere": ({"failover": ["mail"], "lane": "spare"}, "/lane", "'mail'"),
    "fallback to an unknown channel": ({"fallback": [CALL | {"channel": "fax"}]}, "/fallback/0/channel", "email"),
    "fallback to a bad address": ({"fallback": [CALL, CALL | {"to": "ftp://x"}]}, "/fallback/1/to", "https://"),
    "fallback without content": ({"fallback": [{"channel": "email", "to": "a@b.example"}]}, "/fallback/0/content", ""),
    "fallback with another content": ({"fallback": [CALL | {"content": CONTENT}]}, "/fallback/0/content/subject", ""),
    "fallback through an unknown lane": ({"fallback": [CALL | {"lane": "mail"}]}, "/fallback/0/lane", "calls"),
    "fallback to a channel without a lane": (
        {"fallback": [{"channel": "push", "to": "u", "content": {"title": "a", "body": "b"}}]},
        "/fallback/0/channel",
        "lane",
    ),
    "five fallbacks": ({"fallback": [CALL] * 5}, "/fallback", "length <= 4"),
    "a time for no fallback": ({"fallback_by": later(days=1)}, "/fallback_by", "a fallback"),
    "a fallback by yesterday": ({"fallback": [CALL], "fallback_by": YESTERDAY}, "/fallback_by", "to come"),
    "a fallback before it is due": (
        {"fallback": [CALL], "fallback_by": later(days=1), "send_at": later(days=2)},
        "/fallback_by",
        "after send_at",
    ),
    "a fallback after the end": (
        {"fallback": [CALL], "fallback_by": later(days=3), "expires_at": later(days=2)},
        "/fallback_by",
        "no moment after expires_at",
    ),
    "a fallback in the far future": ({"fallback": [CALL], "fallback_by": later(days=4000)}, "/fallback_by", "400 days"),
    "a cause that is no id": ({"cause": "yesterday"}, "/cause", "hook_"),
    "a cause of another kind": ({"cause": "conv_0000000000001"}, "/cause", "hook_"),
    "unknown kind of media": (
        {"channel": "whatsapp", "to": "+15550100", "content": {"media": {"url": "https://x.example", "kind": "gif"}}},
        "/content/media/kind",
        "image, video",
    ),
    "header in the subject": ({"content": CONTENT | {"subject": "a\r\nBcc: x"}}, "/content/subject", "one line"),
}


@pytest.mark.parametrize("name", MISTAKES)
async def test_a_mistake_is_answered_with_its_place(house: House, name: str) -> None:
    """A request that cannot be meant gets 422 with a JSON pointer and what was expected, and leaves no trace."""
    changes, at, expected = MISTAKES[name]
    given = await house.ask("POST /v1/messages", EMAIL | changes)
    assert (given.status, given.kind) == (422, "invalid"), given.body
    assert given.mistake[0] == at, given.body
    assert expected in given.mistake[1], given.body
    assert await house.count() == 0


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"{", b'{"channel": "email",}', b"\xff\xfe", b"NaN", b'{"to": "\xff"}'),
        msgspec.json.encode(EMAIL) + b" and more",
        b'{"channel": "email", "content": ' + b"[" * 100_000,
    ],
)
async def test_what_is_no_json_is_malformed(house: House, raw: bytes) -> None:
    """A body that is not JSON gets 400, which says so, and leaves no trace."""
    given = await house.ask("POST /v1/messages", raw=raw)
    assert (given.status, given.kind) == (400, "malformed"), given.body
    assert "JSON" in str(given.json["detail"])
    assert await house.count() == 0


@pytest.mark.parametrize("raw", [b"[]", b"7", b'"x"', b"null"])
async def test_json_that_is_no_object_is_invalid(house: House, raw: bytes) -> None:
    """JSON of another kind than an object gets 422 at the root."""
    given = await house.ask("POST /v1/messages", raw=raw)
    assert (given.status, given.mistake[0]) == (422, "")


async def test_a_body_over_the_bound_is_not_taken(house: House) -> None:
    """A body over 1 MiB gets 413 with the bound, whether it says its size beforehand or not."""
    raw = msgspec.json.encode(EMAIL | {"content": CONTENT | {"text": "x" * (1 << 20)}})
    size_unsaid = b"%x\r\n%b\r\n0\r\n\r\n" % (len(raw), raw)
    for sent, header in ((raw, f"Content-Length: {len(raw)}"), (size_unsaid, "Transfer-Encoding: chunked")):
        given = await _answer_to(house, sent, header)
        assert given.startswith(b"HTTP/1.1 413 ")
        assert b"urn:tidings:problem:too-large" in given
        assert b"1048576 bytes" in given
    assert await house.count() == 0


async def test_a_body_that_never_comes_is_not_waited_for() -> None:
    """A request whose body stops half way gets 408, which says how long it was waited for."""
    async with running(door=WebBounds(silence_s=0.1), lingers_s=0.1) as house:
        given = await _answer_to(house, b'{"channel": ', "Content-Length: 100")
        assert given.startswith(b"HTTP/1.1 408 ")
        assert b"0.1 seconds" in given
        assert await house.count() == 0


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (b"Authorization: Bearer \xff", b"401"),
        (b"Tidings-Tenant: \xff", b"422"),
        (b"Idempotency-Key: \xff", b"422"),
        (b"X-Correlation-Id: \xff", b"422"),
        (b"Content-Encoding: \xff", b"415"),
        (b"traceparent: \xff", b"202"),
        (b"Content-Type: \xff", b"202"),
    ],
)
async def test_bytes_that_are_no_text_harm_no_header(house: House, header: bytes, status: bytes) -> None:
    """A header that is not UTF-8 is refused, or passed over where any broken one would be; it never is our fault."""
    body = msgspec.json.encode(EMAIL)
    secret = await house.secret("send")
    key = b"" if header.startswith(b"Auth") else f"Authorization: Bearer {secret}\r\n".encode()
    async with bare_line(house) as line:
        head = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + key + header
        await line.send(head + f"\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        given = await line.all()
    assert given.split(b" ", 2)[1] == status, given


@pytest.mark.parametrize("header", ["Tidings-Tenant", "Idempotency-Key"])
async def test_a_header_that_decides_comes_once(house: House, header: str) -> None:
    """Two values get 422, since the one that is passed over may be that of a proxy, or of the client it speaks for."""
    body = msgspec.json.encode(EMAIL)
    given = await _answer_to(house, body, f"Content-Length: {len(body)}\r\n{header}: one\r\n{header}: two")
    assert given.startswith(b"HTTP/1.1 422 ")
    assert f"{header}: expected it once".encode() in given
    assert await house.count() == 0


async def test_a_body_that_is_empty_is_called_that(house: House) -> None:
    """Where nothing came that is said, and not that something of it is missing."""
    given = await house.ask("POST /v1/messages", raw=b"")
    assert given.mistake == ("", "expected JSON in UTF-8: nothing came")


async def _answer_to(house: House, body: bytes, header: str) -> bytes:
    key = await house.secret("send")
    async with bare_line(house) as line:
        head = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n{header}"
        await line.send(head.encode() + b"\r\n\r\n" + body)
        return await line.receive(4096)


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/batch", "/v1/cancel"])
async def test_a_packed_body_is_declined(house: House, path: str) -> None:
    """A body with a Content-Encoding gets 415 and is not unpacked, however small it is."""
    raw = gzip.compress(msgspec.json.encode(EMAIL))
    given = await house.ask(f"POST {path}", raw=raw, headers={"Content-Encoding": "gzip"})
    assert (given.status, given.kind, given.headers["Accept-Encoding"]) == (415, "media-type", "identity")
    assert await house.count() == 0


@pytest.mark.parametrize("media_type", ["application/x-www-form-urlencoded", "text/xml", "multipart/form-data"])
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/batch", "/v1/cancel"])
async def test_another_media_type_is_refused_by_name(house: House, path: str, media_type: str) -> None:
    """A body that says that it is no JSON gets 415 with both the media type that came and the one expected."""
    given = await house.ask(f"POST {path}", EMAIL, headers={"Content-Type": media_type})
    assert (given.status, given.kind) == (415, "media-type")
    assert media_type in str(given.json["detail"])
    assert "json" in given.headers["Accept-Post"]


async def test_a_header_and_a_field_must_not_contradict(house: House) -> None:
    """An Idempotency-Key header that differs from the field gets 422, and so does one that is no key."""
    body = EMAIL | {"idempotency_key": "one"}
    for key in ("two", "x" * 300):
        given = await house.ask("POST /v1/messages", body, headers={"Idempotency-Key": key})
        assert (given.status, given.mistake[0]) == (422, "/idempotency_key")
    assert await house.count() == 0


@pytest.mark.parametrize("correlation", ["two words", "x" * 129, "caf\u00e9"])
async def test_a_correlation_id_is_printable_and_short(house: House, correlation: str) -> None:
    """A correlation id that could not be given back gets 422 and is not given back."""
    given = await house.ask("POST /v1/messages", EMAIL, headers={"X-Correlation-Id": correlation})
    assert (given.status, given.mistake[0]) == (422, "X-Correlation-Id")
    assert "X-Correlation-Id" not in given.headers


@pytest.mark.parametrize(
    ("call", "at"),
    [
        ("GET /v1/messages?colour=red", "?colour"),
        ("GET /v1/messages?limit=0", "?limit"),
        ("GET /v1/messages?limit=many", "?limit"),
        ("GET /v1/messages?limit=1&limit=2", "?limit"),
        ("GET /v1/messages?status=lost", "?status"),
        ("GET /v1/messages?status=", "?status"),
        ("GET /v1/messages?channel=fax", "?channel"),
        ("GET /v1/messages?lane=pigeon", "?lane"),
        ("GET /v1/messages?reference=%20", "?reference"),
        ("GET /v1/messages?reference=%FF", "?reference"),
        ("GET /v1/messages?limit=1&reference=%zz", "?reference"),
        ("GET /v1/messages?cause=yesterday", "?cause"),
        ("GET /v1/messages?cause=conv_0000000000001", "?cause"),
        ("GET /v1/messages?before=yesterday", "?before"),
        ("GET /v1/messages?conversation=msg_0000000000001", "?conversation"),
        ("GET /v1/events?limit=1001", "?limit"),
        ("GET /v1/events?after=7", "?after"),
        ("GET /v1/events?after=gA", "?after"),
        ("GET /v1/events/stream?from=7", "?from"),
    ],
)
async def test_a_query_is_read_as_strictly_as_a_body(house: House, call: str, at: str) -> None:
    """An unknown, repeated or senseless parameter gets 422 with its name."""
    given = await house.ask(call)
    assert (given.status, given.kind, given.mistake[0]) == (422, "invalid", at)


@pytest.mark.parametrize(
    ("path", "body", "at"),
    [
        ("/v1/cancel", {}, "/reference"),
        ("/v1/cancel", {"reference": ""}, "/reference"),
        ("/v1/cancel", {"reference": " "}, "/reference"),
        ("/v1/cancel", {"reference": "a", "id": "b"}, "/id"),
        ("/v1/reschedule", {"reference": "a", "send_at": YESTERDAY}, "/send_at"),
        ("/v1/reschedule", {"reference": "a", "send_at": later(days=4000)}, "/send_at"),
        ("/v1/reschedule", {"reference": "a", "send_at": "2030-01-01T00:00:00"}, "/send_at"),
        ("/v1/redrives", {}, "/filter"),
        ("/v1/redrives", {"filter": {"colour": "red"}}, "/filter/colour"),
        ("/v1/redrives", {"filter": {"conversation": "7"}}, "/filter/conversation"),
        ("/v1/redrives", {"filter": {"channel": "fax"}}, "/filter/channel"),
        ("/v1/redrives", {"filter": {"lane": "pigeon"}}, "/filter/lane"),
        ("/v1/redrives", {"filter": {}, "rate": "fast"}, "/rate"),
        ("/v1/redrives", {"filter": {}, "rate": "0/s"}, "/rate"),
        ("/v1/keys", {"role": "king"}, "/role"),
        ("/v1/keys", {"role": "send", "tenant": "a b"}, "/tenant"),
        ("/v1/keys", {"role": "send", "label": "x" * 201}, "/label"),
        ("/v1/keys", {"role": "send", "label": "\x1b[2Jthe shop"}, "/label"),
    ],
)
async def test_every_body_is_read_strictly(house: House, path: str, body: Json, at: str) -> None:
    """What operators and administrators ask for is checked like a message, with the place of the first mistake."""
    given = await house.ask(f"POST {path}", body)
    assert (given.status, given.kind, given.mistake[0]) == (422, "invalid", at), given.body


@pytest.mark.parametrize(
    ("call", "body", "expected"),
    [
        ("GET /v1/messages?channel=fax", None, "expected one of email, whatsapp, push, webhook, hook"),
        ("GET /v1/messages?lane=pigeon", None, "expected one of: calls, chat, mail, shop, spare"),
        (
            "GET /v1/messages?status=lost",
            None,
            "scheduled, queued, sending, retrying, held, sent, delivered, read, failed, dead, cancelled, expired",
        ),
        ("POST /v1/redrives", {"filter": {"lane": "pigeon"}}, "expected one of: calls, chat, mail, shop, spare"),
        ("POST /v1/keys", {"role": "king"}, "expected one of read, send, operate, admin"),
        ("POST /v1/messages", EMAIL | {"on_ambiguous": "ask"}, "expected one of resend, hold, fail"),
    ],
)
async def test_a_word_that_is_not_known_is_answered_with_those_that_are(
    house: House, call: str, body: Json | None, expected: str
) -> None:
    """Where there is a closed set of words, the refusal of another one lists it."""
    given = await house.ask(call, body)
    assert given.status == 422
    assert expected in given.mistake[1]
