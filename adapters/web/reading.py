"""What a request says besides its path: body, query, and the headers that travel with a message.

This file answers for bounds, media types and the query. It must never let a body past its bound into memory, nor
accept a name that it does not know.
"""

import asyncio
import re
from typing import Final, TypeVar

import msgspec
from aiohttp import hdrs, web

from adapters.web.front import Front
from adapters.web.percent_codes import check_query
from adapters.web.problems import Declined, badly_framed, invalid, problem, too_large, too_slow
from adapters.zones import zone_named
from core import ids
from core.contents import Submission, read
from core.errors import Invalid, NotFound
from core.pointers import worded

T = TypeVar("T")

CORRELATION: Final = "X-Correlation-Id"
TRACEPARENT: Final = "traceparent"
IDEMPOTENCY_KEY: Final = "Idempotency-Key"

# Clients that do not say what they send (or say "octets") mean JSON here; forms and XML are a mistake to be told of.
_UNSAID: Final = "application/octet-stream"
_JSON: Final = frozenset({"application/json", _UNSAID})
_LINES: Final = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines", *_JSON}
)

_CORRELATION: Final = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)
# W3C Trace Context, section 3.2: version 00 ends here, a later one may go on after a dash; ff is no version.
_TRACEPARENT: Final = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[\x21-\x7e]*)?", re.ASCII
)
_TRACEPARENT_CHARS_MAX: Final = 256

_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_NAME_CHARS_MAX: Final = 100


class Headers(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The headers that are taken and given back; None where there was none that is sound."""

    traceparent: str | None
    correlation: str | None


def submission_in(
    body: bytes, *, trace: str = "", correlation: str | None = None, idempotency_key: str | None = None
) -> Submission:
    """The submission in a body or a line. Raises Invalid for the first mistake, an unknown time zone included."""
    submission = read(body, trace=trace, correlation=correlation, idempotency_key=idempotency_key)
    if submission.zone is not None and zone_named(submission.zone) is None:
        raise Invalid("/time_zone", f"no time zone is called {submission.zone!r}, expected one such as Europe/Berlin")
    return submission


_NO_HEADERS: Final = Headers(traceparent=None, correlation=None)


def headers_of(request: web.Request) -> Headers:
    """Trace context and correlation id. A broken trace context starts anew, as W3C asks; a broken id is a mistake."""
    given = request.headers
    traceparent, correlation = given.get(TRACEPARENT), given.get(CORRELATION)
    if traceparent is None and correlation is None:
        return _NO_HEADERS
    if correlation is not None and _CORRELATION.fullmatch(correlation) is None:
        raise invalid(CORRELATION, "expected 1 to 128 printable ASCII characters without spaces")
    return Headers(traceparent=_sound_trace(traceparent), correlation=correlation)


def idempotency_key_of(request: web.Request) -> str | None:
    """The key in the header, which may stand for the field (its length is checked with the field's)."""
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is None:
        return None
    # Bytes that are no UTF-8 reach us as lone surrogates, which nothing further on could write.
    if not key.isprintable():
        raise invalid(IDEMPOTENCY_KEY, "expected printable characters in UTF-8")
    if len(request.headers.getall(IDEMPOTENCY_KEY)) > 1:
        raise invalid(IDEMPOTENCY_KEY, "expected it once")
    return key


def given_back(request: web.Request) -> dict[str, str]:
    """The headers that an answer carries because the request did. Never raises: it serves refusals too."""
    found: dict[str, str] = {}
    correlation = request.headers.get(CORRELATION)
    if correlation is not None and _CORRELATION.fullmatch(correlation):
        found[CORRELATION] = correlation
    traceparent = trace_of(request)
    if traceparent is not None:
        found[TRACEPARENT] = traceparent
    return found


def trace_of(request: web.Request) -> str | None:
    """The trace context that a request is part of, None where it names none that is sound."""
    return _sound_trace(request.headers.get(TRACEPARENT))


def _sound_trace(text: str | None) -> str | None:
    if text is None or len(text) > _TRACEPARENT_CHARS_MAX:
        return None
    match = _TRACEPARENT.fullmatch(text)
    if match is None or (match[1] == "00" and match[2] is not None):
        return None
    return text


async def body_of(front: Front, request: web.Request) -> bytes:
    """The whole body: JSON or of no type in particular (else 415), within the bound (413), and in time (408)."""
    takes(request, _JSON, "application/json")
    return await whole_body(front, request)


async def whole_body(front: Front, request: web.Request) -> bytes:
    """The whole body, whatever it says it is: within the bound (413), and in time (408)."""
    bytes_max, length = request.client_max_size, request.content_length
    # Said beforehand, it need not be read first.
    if length is not None and length > bytes_max:
        raise too_large(bytes_max)
    try:
        # A small body is there already, and needs no watch.
        if request.content.is_eof():
            return _at_hand(request, bytes_max)
        async with asyncio.timeout(front.bounds.silence_s):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise too_large(bytes_max) from None
    except web.RequestPayloadError:
        raise badly_framed() from None
    except TimeoutError:
        raise Declined(too_slow(front.bounds.silence_s)) from None


def _at_hand(request: web.Request, bytes_max: int) -> bytes:
    body = request.content.read_nowait()
    if len(body) > bytes_max:
        raise too_large(bytes_max)
    return body


def takes_lines(request: web.Request) -> None:
    """Declines a batch that says it is something else than JSON lines (415)."""
    takes(request, _LINES, "application/x-ndjson")


def takes(request: web.Request, media_types: frozenset[str], expected: str) -> None:
    """Declines a body whose media type is none of these, or that comes packed (415)."""
    given = request.headers
    said = given.get(hdrs.CONTENT_TYPE)
    # Nearly every client says just that, without parameters, and is spared the parsing.
    if said is not None and said not in media_types and request.content_type not in media_types:
        words = f"expected Content-Type: {expected}, got {request.content_type}"
        raise Declined(problem("media-type", words), {"Accept-Post": expected})
    # Packed bodies would have to be unpacked before their size is known, and messages are small.
    if given.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        words = "expected a body without Content-Encoding: packed ones are not taken"
        raise Declined(problem("media-type", words), {hdrs.ACCEPT_ENCODING: "identity"})


def query_of(request: web.Request, kind: type[T]) -> T:
    """The query as a struct: every name is known, given once, and of the right type (422)."""
    given = request.query
    if not given:
        return msgspec.convert({}, kind)
    check_query(request)
    for name in given:
        if len(given.getall(name)) > 1:
            raise invalid(f"?{name}", "expected it once")
    try:
        return msgspec.convert(dict(given), kind, strict=False)
    except msgspec.ValidationError as error:
        unknown = _UNKNOWN.fullmatch(str(error))
        if unknown is not None:
            raise invalid(f"?{unknown[1][:_NAME_CHARS_MAX]}", "is no known parameter") from None
        words, _, place = str(error).partition(" - at `$.")
        name = place.rstrip("`")
        raise invalid(f"?{name}", worded(words, kind, [name])) from None


def decline_query(request: web.Request) -> None:
    """Declines what is asked for in the query of a call that takes none (422)."""
    for name in request.query:
        raise invalid(f"?{name[:_NAME_CHARS_MAX]}", "is no known parameter")


def id_in_path(request: web.Request, prefix: ids.Prefix) -> int:
    """The number behind the id in the path; what is no id of that kind names nothing (404)."""
    number = ids.decode(prefix, request.match_info["id"])
    if number is None:
        raise NotFound(f"expected an id such as {ids.encode(prefix, 1)} in the path")
    return number


def id_of(text: str, prefix: ids.Prefix, at: str) -> int:
    """The number behind an id that was given elsewhere than in the path (422)."""
    number = ids.decode(prefix, text)
    if number is None:
        raise invalid(at, f"expected an id such as {ids.encode(prefix, 1)}")
    return number
