"""Every refusal of the HTTP API as one problem (RFC 9457), and which error becomes which.

This file answers for the stable `type` values and for what a client is told. It must never show a stack trace, an
exception's own words where they were not written for the client, or anything of another tenant.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from aiohttp import hdrs, web

from core import errors, ids

MEDIA_TYPE: Final = "application/problem+json"
_TYPE_ROOT: Final = "urn:tidings:problem:"

# The last part of each `type`, its status and its title: names here are a contract, add but never rename.
KINDS: Final[Mapping[str, tuple[int, str]]] = {
    "malformed": (400, "The request is not well-formed"),
    "unauthenticated": (401, "A valid key is needed"),
    "role": (403, "The key does not allow this"),
    "not-found": (404, "There is no such thing"),
    "method": (405, "This path does not take this method"),
    "timeout": (408, "The request did not come in time"),
    "state": (409, "Its present state does not allow this"),
    "key-reused": (409, "The idempotency key belongs to another request"),
    "too-large": (413, "The body is too large"),
    "media-type": (415, "The body's media type is not supported"),
    "expectation": (417, "The expectation cannot be met"),
    "invalid": (422, "The request asks for something that is not possible"),
    "busy": (429, "Too much at once"),
    "unexpected": (500, "Something is wrong on our side"),
    "unavailable": (503, "New work cannot be taken now"),
    "unknown-outcome": (503, "It is not known whether this was done"),
}


class Mistake(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong: `at` is a JSON pointer into the body, `?name` in the query, or a header's name."""

    at: str
    detail: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A refusal. `id` is the thing it is about; `correlation` finds the daemon's own words in its log."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[Mistake, ...] = ()
    id: str | None = None
    correlation: str | None = None
    retry_after_s: int | None = None


class Declined(errors.TidingsError):
    """The door itself says no, before anything behind it was asked."""

    def __init__(self, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(problem.detail)
        self.problem = problem
        self.headers = dict(headers or {})


_ENCODER: Final = msgspec.json.Encoder()


def problem(
    kind: str,
    detail: str,
    *,
    mistakes: tuple[Mistake, ...] = (),
    thing: str | None = None,
    correlation: str | None = None,
    retry_after_s: int | None = None,
) -> Problem:
    """The problem of a kind, in words for this occurrence."""
    status, title = KINDS[kind]
    return Problem(
        type=_TYPE_ROOT + kind,
        title=title,
        status=status,
        detail=detail,
        errors=mistakes,
        id=thing,
        correlation=correlation,
        retry_after_s=retry_after_s,
    )


def invalid(at: str, detail: str) -> Declined:
    """Well-formed, but not something that can be asked for (422)."""
    return Declined(problem("invalid", f"{at}: {detail}", mistakes=(Mistake(at=at, detail=detail),)))


def too_large(bytes_max: int) -> Declined:
    """What a client is told whose body (or line) is over the bound."""
    return Declined(problem("too-large", f"at most {bytes_max} bytes are taken"))


def badly_framed() -> Declined:
    """What a client is told whose body breaks off the rules of HTTP: where the next request begins, nobody knows."""
    return Declined(problem("malformed", "the body is not framed as HTTP asks"), {hdrs.CONNECTION: "close"})


def too_slow(silence_s: float) -> Problem:
    """What a client is told whose body does not come."""
    return problem("timeout", f"the rest of the body did not come within {silence_s:g} seconds")


def of_error(error: errors.TidingsError) -> Problem | None:
    """What the client is told of an error of ours; None where it is a bug or a broken log, which is not his to know."""
    match error:
        case Declined():
            return error.problem
        case errors.Invalid():
            kind = "malformed" if isinstance(error, errors.Malformed) else "invalid"
            return problem(kind, str(error), mistakes=(Mistake(at=error.at, detail=error.detail),))
        case errors.NotFound():
            return problem("not-found", str(error) or "there is no such thing for this tenant")
        case errors.Forbidden() | errors.StreamParked():
            return problem("state", str(error))
        case errors.KeyReused():
            return problem("key-reused", str(error), thing=ids.encode("msg", error.stream))
        case errors.Overloaded():
            return problem("busy", str(error), retry_after_s=error.retry_after_s)
        case errors.Refused():
            return problem("unavailable", str(error), retry_after_s=error.retry_after_s)
        case errors.AppendUnknown():
            words = "the log failed while it was writing; ask for the state, or repeat with the same idempotency key"
            return problem("unknown-outcome", words, retry_after_s=5)
        case _:
            return None


def encoded(told: Problem) -> bytes:
    """The problem as JSON."""
    return _ENCODER.encode(told)


def response(told: Problem, headers: Mapping[str, str] | None = None) -> web.Response:
    """The problem as an answer, with Retry-After where it says how long to wait; `Connection: close` is also done."""
    given = dict(headers or {})
    if told.retry_after_s is not None:
        given["Retry-After"] = str(told.retry_after_s)
    made = web.Response(body=encoded(told), status=told.status, content_type=MEDIA_TYPE, headers=given)
    if hdrs.CONNECTION in given:
        made.force_close()
    return made
