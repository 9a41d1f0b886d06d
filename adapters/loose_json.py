"""JSON from outside, read one level at a time and without trust in its shape.

This file answers for reading what is there and leaving the rest as the bytes that came: a part that nobody asks for is
never decoded, so it cannot be wrong. Nothing here raises for any bytes; what is not there, or is something else, comes
back empty.
"""

from typing import Final

import msgspec

Json = bytes | msgspec.Raw

TEXT_CHARS_MAX: Final = 255
# What an instant in microseconds needs, and far below what SQLite can keep.
NUMBER_DIGITS_MAX: Final = 17

_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ELEMENTS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_SCALAR: Final = msgspec.json.Decoder(str | int | bool | float | None)
# Deep nesting runs into Python's own bound, and what is not UTF-8 is noticed where a string is read.
_BROKEN: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)


def members(part: Json | None) -> dict[str, msgspec.Raw]:
    """The members of an object, each as it came."""
    try:
        return {} if part is None else _MEMBERS.decode(part)
    except _BROKEN:
        return {}


def elements(part: Json | None) -> list[msgspec.Raw]:
    """The elements of an array, each as it came."""
    try:
        return [] if part is None else _ELEMENTS.decode(part)
    except _BROKEN:
        return []


def text(part: Json | None, *, chars_max: int = TEXT_CHARS_MAX) -> str:
    """A string of printable characters that is not longer than asked for."""
    found = _scalar(part)
    return found if isinstance(found, str) and found.isprintable() and len(found) <= chars_max else ""


def prose(part: Json | None) -> str:
    """A string of any length and any characters, for people."""
    found = _scalar(part)
    return found if isinstance(found, str) else ""


def number(part: Json | None) -> int | None:
    """A whole number from 0, also where it is written as a string; None where it is neither, or absurdly large."""
    found = _scalar(part)
    if isinstance(found, bool):
        return None
    if isinstance(found, int):
        return found if 0 <= found < 10**NUMBER_DIGITS_MAX else None
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) <= NUMBER_DIGITS_MAX:
        return int(found)
    return None


def is_true(part: Json | None) -> bool:
    """Whether it says `true`."""
    return _scalar(part) is True


def _scalar(part: Json | None) -> str | int | bool | float | None:
    try:
        return None if part is None else _SCALAR.decode(part)
    except _BROKEN:
        return None
