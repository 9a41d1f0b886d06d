"""Scenario files as text: plain values as TOML, one table after another.

This file answers for what it writes being read back as the same values. It must never know a key.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from core.policies import SECOND_US

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def span(span_us: int) -> str:
    """A duration in seconds, exact to the microsecond."""
    whole, rest = divmod(max(0, span_us), SECOND_US)
    return f"{whole}.{rest:06}".rstrip("0").rstrip(".") + "s"


def line(key: str, value: object) -> str:
    """One key with its value."""
    return f"{_key(key)} = {_value(value)}"


def table(path: Sequence[str], values: Mapping[str, object], *, is_one_of_many: bool = False) -> list[str]:
    """A table with its heading. None is left out: it means that nothing is said."""
    heading = ".".join(_key(part) for part in path)
    lines = [f"[[{heading}]]" if is_one_of_many else f"[{heading}]"]
    return ["", *lines, *(line(key, value) for key, value in values.items() if value is not None)]


def many(name: str, tables: Iterable[Mapping[str, object]]) -> list[str]:
    """Several tables of one name."""
    return [text for values in tables for text in table((name,), values, is_one_of_many=True)]


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _value(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return _text(value)
        case int() | float():
            return repr(value)
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case Mapping():
            inner = ", ".join(f"{_key(str(key))} = {_value(part)}" for key, part in value.items() if part is not None)
            return f"{{ {inner} }}" if inner else "{}"
        case list() | tuple():
            return f"[{', '.join(_value(part) for part in value)}]"
        case _:
            raise AssertionError(f"a value that no scenario has: {value!r}")


def _text(value: str) -> str:
    # A JSON string is a basic string of TOML, but for DEL, which JSON leaves as it is.
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
