"""The form of a scenario file as a JSON schema, for editors: `python -m scenarios.file.schema` prints it.

This file answers for the schema following from the tables alone: what a value may be is found by trying the table's own
reading, so that nobody writes it down twice. It says less than reading a file does: editors help, `simulate` decides.
"""

import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from types import NoneType, UnionType
from typing import Annotated, Final, Union, cast, get_args, get_origin

import msgspec

from adapters.config.reading import Required
from adapters.config.tables import BoundsTable
from adapters.config.units import Unfit
from scenarios.file.tables import Crash, FileTable

Schema = dict[str, object]
Reading = Callable[[object], object]

# Keys whose type depends on what they hold (loading.py); a file has no door for bodies of any size.
_READ_LATER: Final[dict[str, type[msgspec.Struct]]] = {"bounds": BoundsTable, "crash": Crash}
_NOT_IN_FILES: Final = frozenset({"body_bytes_max"})
_WORD: Final = re.compile(r'"([^"]*)"')
_TEXTS: Final = ("a text", "5m", "30/min", "1KiB", "21:00", "UTC", "+1h", "1.5")
_PLAIN: Final[dict[str, Sequence[object]]] = {
    "boolean": (True, False),
    "integer": (0, 1, 10, 500),
    "number": (0.5, 0.01, 10.5),
    "object": ({}, {"text": "a text"}),
}


def schema() -> Schema:
    """The whole of it; tables that stand in several places are defined once."""
    found: dict[str, Schema] = {}
    whole = _table(FileTable, found)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A Tidings scenario",
        **whole,
        "$defs": dict(sorted(found.items())),
    }


def as_text() -> str:
    """As it is kept beside the scenarios."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode() + "\n"


def _table(kind: type[msgspec.Struct], found: dict[str, Schema]) -> Schema:
    fields = [field for field in msgspec.structs.fields(kind) if field.encode_name not in _NOT_IN_FILES]
    required = [field.encode_name for field in fields if Required in _marks(field.type)]
    return {
        "type": "object",
        "description": (kind.__doc__ or "").strip().partition("\n")[0],
        "properties": {field.encode_name: _value(field.encode_name, field.type, found) for field in fields},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _value(key: str, kind: object, found: dict[str, Schema]) -> Schema:
    if key in _READ_LATER:
        table = _reference(_READ_LATER[key], found)
        return {"anyOf": [{"const": "every boundary"}, table]} if key == "crash" else table
    options = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    (bare,) = (option for option in options if option not in (NoneType, msgspec.UnsetType))
    plain = _plain(bare, found)
    # Where something is extended, "none" takes it away.
    return {"anyOf": [plain, {"const": "none"}]} if {NoneType, msgspec.UnsetType} <= set(options) else plain


def _plain(kind: object, found: dict[str, Schema]) -> Schema:
    readings = [cast("Reading", mark) for mark in _marks(kind) if mark is not Required and callable(mark)]
    if readings:
        return _as_read(readings[0])
    kind = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _reference(kind, found)
    if get_origin(kind) is dict:
        return {"type": "object", "additionalProperties": _value("", get_args(kind)[1], found)}
    assert get_origin(kind) is tuple, f"a value is declared as {kind}, which has no schema"
    return {"type": "array", "items": _value("", get_args(kind)[0], found)}


def _reference(kind: type[msgspec.Struct], found: dict[str, Schema]) -> Schema:
    name = kind.__name__.removesuffix("Table")
    if name not in found:
        found[name] = {}
        found[name] = _table(kind, found)
    return {"$ref": f"#/$defs/{name}"}


def _as_read(reading: Reading) -> Schema:
    """What a reading takes, found by trying: the types, the words where it takes no other text, and what it expects."""
    expected = _refusal(reading)
    if _takes(reading, datetime(2026, 1, 30, tzinfo=UTC)):
        return {"type": "string", "format": "date-time", "description": expected}
    words, tables = _WORD.findall(expected), list(_tables_in(expected))
    tried: dict[str, Sequence[object]] = {
        **_PLAIN,
        "object": (*_PLAIN["object"], *tables),
        "string": (*_TEXTS, *words),
        "array": ([], *([one] for one in (*words, *tables))),
    }
    types = [name for name, values in tried.items() if any(_takes(reading, value) for value in values)]
    if "number" in types and "integer" in types:
        types.remove("integer")
    if types == ["string"] and not any(_takes(reading, text) for text in _TEXTS):
        return {"enum": [word for word in words if _takes(reading, word)]}
    said: Schema = {"description": expected} if expected else {}
    return {"type": types[0] if len(types) == 1 else types, **said} if types else said


def _refusal(reading: Reading) -> str:
    try:
        reading(None)
    except Unfit as unfit:
        return str(unfit)
    return ""


def _takes(reading: Reading, value: object) -> bool:
    try:
        reading(value)
    except Unfit:
        return False
    return True


def _tables_in(expected: str) -> Iterator[object]:
    """The tables that a refusal shows as examples."""
    ends = [place + 1 for place, letter in enumerate(expected) if letter == "}"]
    begin = expected.find("{")
    while begin >= 0:
        end = next((end for end in ends if end > begin and _as_toml(expected[begin:end]) is not None), None)
        if end is not None:
            yield _as_toml(expected[begin:end])
        begin = expected.find("{", begin + 1 if end is None else end)


def _as_toml(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return None


def _marks(kind: object) -> tuple[object, ...]:
    return get_args(kind)[1:] if get_origin(kind) is Annotated else ()


if __name__ == "__main__":
    sys.stdout.write(as_text())
