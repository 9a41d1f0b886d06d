"""A hook as it came in, and the few things that every scheme asks of it.

This file answers for headers that must stand exactly once, for the seconds that a provider signed, and for comparing in
constant time. It must never look into a body, nor let any part of a hook or a secret into an error: a BadSignature says
why in one word, for counting.
"""

import hmac
from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from core.errors import TidingsError
from core.policies import SECOND_US

Reason = Literal["missing", "repeated", "malformed", "stale", "mismatch"]
"""A header is not there or empty; is there twice; cannot be read; is genuine but of another time; nothing fits."""

# Twelve digits are the year 33658; the standard's own parsers also take spaces, signs and fractions, and so differ.
_SECONDS_CHARS_MAX: Final = 12


class BadSignature(TidingsError):
    """A hook is refused. What is answered is the same for every reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"a hook was refused: {reason}")
        self.reason = reason


class RawHook(msgspec.Struct, frozen=True, kw_only=True):
    """One request, untouched: `raw_path` is path and query as received, `headers` all of them in their order.

    Bytes that are no UTF-8 stand in texts as lone surrogates, as aiohttp hands them over.
    """

    method: str
    raw_path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def __repr__(self) -> str:
        """Nothing of it: headers may hold secrets, and a body is about people."""
        return f"{type(self).__name__}(hidden)"


def values_of(hook: RawHook, name: str) -> list[str]:
    """Every value of a header, whatever the case of its name."""
    wanted, chars = name.lower(), len(name)
    return [value for given, value in hook.headers if len(given) == chars and given.lower() == wanted]


def optional(hook: RawHook, name: str) -> str | None:
    """The one value of a header, None where it is not there. Refuses a header that stands twice.

    Of two values a proxy, a library and we may each take another one, so neither can be trusted.
    """
    wanted, chars, found = name.lower(), len(name), None
    for given, value in hook.headers:
        if len(given) == chars and given.lower() == wanted:
            if found is not None:
                raise BadSignature("repeated")
            found = value
    return found


def required(hook: RawHook, name: str) -> str:
    """The one value of a header, which is not empty."""
    value = optional(hook, name)
    if not value:
        raise BadSignature("missing")
    return value


def wire_bytes(text: str) -> bytes:
    """The bytes that a header or a path had on the wire, which are what was signed."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise BadSignature("malformed") from None


def seconds_of(text: str) -> int:
    """The unix second that a provider names: digits and nothing else."""
    if not 0 < len(text) <= _SECONDS_CHARS_MAX or not (text.isascii() and text.isdigit()):
        raise BadSignature("malformed")
    return int(text)


def demand_fresh(at_s: int, now_us: int, tolerance_us: int) -> None:
    """Refuses a second that lies further from now than the tolerance, on either side.

    To be asked after the signature was found good, so that `stale` tells of clocks and replays, never of forgeries.
    """
    if abs(now_us // SECOND_US - at_s) * SECOND_US > tolerance_us:
        raise BadSignature("stale")


def any_same(given: Iterable[str], expected: Sequence[str]) -> bool:
    """Whether one of these texts is one of those, each compared as `same` does."""
    for one in given:
        for other in expected:
            if same(one, other):
                return True
    return False


def same(given: str, expected: str) -> bool:
    """Whether two texts are the same, in a time that does not tell where they differ."""
    if given.isascii() and expected.isascii():
        return hmac.compare_digest(given, expected)
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass"))
