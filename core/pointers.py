"""JSON pointers (RFC 6901) into what a client sent, made from what the decoder says.

This file answers for the place and the wording of a decoding mistake. It must never judge a value itself.
"""

import re
from typing import Final, TypeVar

import msgspec

from core.errors import Invalid, Malformed

T = TypeVar("T")

# The decoder names a place as `$.content.attachments[0].data`, and a key or value of a map whose name it does not
# remember as `key` in `$.metadata` or `$.metadata[...]`.
_PLACE: Final = re.compile(r"(?P<said>.*) - at (?P<key>`key` in )?`\$?(?P<path>.*?)(?:\[\.\.\.\].*)?`", re.DOTALL)
_STEP: Final = re.compile(r"\.(?P<name>[^.\[\]]+)|\[(?P<index>\d+)\]")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(?P<name>.*)`", re.DOTALL)
# A key that a client made up is shown no longer than this.
_NAME_CHARS_MAX: Final = 100


def decoded(decoder: "msgspec.json.Decoder[T]", body: bytes | msgspec.Raw, *, at: str = "") -> T:
    """What the decoder makes of a JSON text that stands at the pointer `at`; raises Invalid where it cannot."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _placed(str(error), at) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(at, f"expected JSON in UTF-8: {error}") from None
    except RecursionError:
        raise Malformed(at, "expected JSON that is not nested this deeply") from None


def pointer(at: str, *steps: str | int) -> str:
    """The pointer of something within `at`."""
    return at + "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def _placed(text: str, at: str) -> Invalid:
    said, place = text, at
    if found := _PLACE.fullmatch(text):
        said = f"{found['said']} (as a key)" if found["key"] else found["said"]
        place = pointer(at, *(step["name"] or step["index"] for step in _STEP.finditer(found["path"])))
    if missing := _MISSING.fullmatch(said):
        return Invalid(pointer(place, missing["name"]), "is required")
    if unknown := _UNKNOWN.fullmatch(said):
        return Invalid(pointer(place, unknown["name"][:_NAME_CHARS_MAX]), "is no known field")
    return Invalid(place, said[:1].lower() + said[1:])
