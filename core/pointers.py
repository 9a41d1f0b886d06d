"""JSON pointers (RFC 6901) into what a client sent, made from what the decoder says.

This file answers for the place and the wording of a decoding mistake. It must never judge a value itself.
"""

import re
from collections.abc import Iterable, Iterator
from types import UnionType
from typing import Annotated, Final, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from core.errors import Invalid, Malformed

T = TypeVar("T")

# The decoder names a place as `$.content.attachments[0].data`, and a key or value of a map whose name it does not
# remember as `key` in `$.metadata` or `$.metadata[...]`.
_PLACE: Final = re.compile(r"(?P<said>.*) - at (?P<key>`key` in )?`\$?(?P<path>.*?)(?:\[\.\.\.\].*)?`", re.DOTALL)
_STEP: Final = re.compile(r"\.(?P<name>[^.\[\]]+)|\[(?P<index>\d+)\]")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(?P<name>.*)`", re.DOTALL)
_NO_CHOICE: Final = "invalid enum value"
_NO_TIME: Final = ("invalid RFC3339 encoded datetime", "expected `datetime")
# A key that a client made up is shown no longer than this.
_NAME_CHARS_MAX: Final = 100


def decoded(decoder: "msgspec.json.Decoder[T]", body: bytes | msgspec.Raw, *, at: str = "") -> T:
    """What the decoder makes of a JSON text that stands at the pointer `at`; raises Invalid where it cannot."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _placed(str(error), at, decoder.type) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(at, f"expected JSON in UTF-8: {error if bytes(body) else 'nothing came'}") from None
    except RecursionError:
        raise Malformed(at, "expected JSON that is not nested this deeply") from None


def pointer(at: str, *steps: str | int) -> str:
    """The pointer of something within `at`."""
    return at + "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def worded(said: str, kind: object, steps: Iterable[str]) -> str:
    """What the decoder of a type said about the value at these steps: of a closed set, with all that it holds."""
    said = said[:1].lower() + said[1:]
    if said.startswith(_NO_TIME):
        return "expected an RFC 3339 time with its offset, such as 2026-01-30T08:00:00Z"
    if said.startswith(_NO_CHOICE) and (choices := _choices(kind, steps)):
        return f"expected one of {', '.join(choices)}"
    return said


def _choices(kind: object, steps: Iterable[str]) -> list[str]:
    for step in steps:
        kind = next((inner for option in _options(kind) if (inner := _within(option, step)) is not None), None)
    return [str(word) for option in _options(kind) if get_origin(option) is Literal for word in get_args(option)]


def _options(kind: object) -> Iterator[object]:
    if get_origin(kind) is Annotated:
        yield from _options(get_args(kind)[0])
    elif get_origin(kind) in (Union, UnionType):
        for option in get_args(kind):
            yield from _options(option)
    else:
        yield kind


def _within(kind: object, step: str) -> object:
    """The type of what stands at one step within a type, None where that is not known."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return next((field.type for field in msgspec.structs.fields(kind) if field.encode_name == step), None)
    return get_args(kind)[0] if get_origin(kind) in (list, tuple) else None


def _placed(text: str, at: str, kind: object) -> Invalid:
    said, place, steps = text, at, list[str]()
    if found := _PLACE.fullmatch(text):
        said = f"{found['said']} (as a key)" if found["key"] else found["said"]
        steps = [step["name"] or step["index"] for step in _STEP.finditer(found["path"])]
        place = pointer(at, *steps)
    if missing := _MISSING.fullmatch(said):
        return Invalid(pointer(place, missing["name"]), "is required")
    if unknown := _UNKNOWN.fullmatch(said):
        return Invalid(pointer(place, unknown["name"][:_NAME_CHARS_MAX]), "is no known field")
    return Invalid(place, worded(said, kind, steps))
