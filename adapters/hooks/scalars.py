"""One value out of a JSON body, by a JSON pointer (RFC 6901).

This file answers for pointers and for what they find in any bytes whatever. It must never raise for a body, nor say
anything of one that cannot be read but that there is nothing.
"""

import re
from functools import lru_cache
from typing import Final

import msgspec

_POINTER: Final = re.compile(r"(?:/(?:[^/~]|~[01])*)*")
# RFC 6901 section 4: no leading zeros, and no sign. `-`, the element after the last, never exists.
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)

_DECODER: Final = msgspec.json.Decoder()
# A hook is asked for its id, its kind and what it is ordered by, one right after the other.
_KEPT_BODIES: Final = 8
_KEPT_BYTES_MAX: Final = 65_536


@lru_cache(maxsize=256)
def steps_of(pointer: str) -> tuple[str, ...]:
    """The names and indexes on the way; raises ValueError for what is no pointer."""
    if _POINTER.fullmatch(pointer) is None:
        raise ValueError("expected a JSON pointer such as /data/object/customer")
    # `~1` first: in `~01` the tilde is escaped, and what follows it is a plain 1.
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])


def scalar_at(body: bytes, pointer: str) -> str | None:
    """The text, number or truth value at a pointer, as text; None where there is none, or the body is no JSON.

    Whole numbers are kept to the last digit. Raises ValueError for what is no pointer.
    """
    steps = steps_of(pointer)
    value = _last_decoded(body) if len(body) <= _KEPT_BYTES_MAX else _decoded(body)
    for step in steps:
        value = value.get(step) if type(value) is dict else _element(value, step)
    if type(value) is str:
        return value
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case _:
            return None


def _decoded(body: bytes) -> object:
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


_last_decoded: Final = lru_cache(maxsize=_KEPT_BODIES)(_decoded)


def _element(value: object, step: str) -> object:
    if isinstance(value, list) and _INDEX.fullmatch(step) and int(step) < len(value):
        return value[int(step)]
    return None
