"""Reads a tree of plain values into tables, and collects every mistake on the way instead of stopping at the first.

This file answers for strictness (unknown keys, missing keys, wrong kinds) and for saying where a mistake stands. It
must never know what any key means: the tables (tables.py) say which keys there are and which reading each has.

A broken or missing value leaves its field at the default, so that later checks see the rest of the table and can report
their own mistakes in the same run. Nothing is ever built from a tree with a mistake.
"""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Final, TypeVar, Union, cast, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo

from adapters.config.hidden import EXPECTED, NoSecret, Secret, secret
from adapters.config.positions import KeyPath
from adapters.config.units import Unfit

_SEEN_CHARS_MAX: Final = 60

T = TypeVar("T", bound=msgspec.Struct)


class Required:
    """Marks a field that must be given, though it has a default to stand in while mistakes are collected."""


class Mistake(msgspec.Struct, frozen=True, kw_only=True):
    """One mistake: in which file or variable, on which line (None: it has none), at which key; seen and expected."""

    where: str
    line: int | None
    at: str
    seen: str
    expected: str

    def __str__(self) -> str:
        """One line that editors and terminals can jump to."""
        place = f"{self.where}:{self.line}" if self.line is not None else self.where
        return f"{place}: {self.at}: {self.seen}; expected {self.expected}"


class FromEnvironment(str):
    """A text that stands in the tree because an environment variable put it there; it may hold any TOML value."""

    __slots__ = ()


class Reader:
    """Reads one tree. `lines` and `variables` say where each path comes from; secrets are looked up on the way."""

    def __init__(
        self,
        *,
        file: str,
        lines: Mapping[KeyPath, int],
        variables: Mapping[KeyPath, str],
        environ: Mapping[str, str],
        base: Path,
    ) -> None:
        self.mistakes: list[Mistake] = []
        self._broken: set[KeyPath] = set()
        self._file = file
        self._lines = lines
        self._variables = variables
        self._environ = environ
        self._base = base

    def table(self, kind: type[T], raw: object, path: KeyPath) -> T:
        """A table of this kind; what is broken or missing in it keeps its default, and is a mistake."""
        found = self._as_table(raw, path)
        if found is None:
            return kind()
        fields = _fields(kind)
        for key in found:
            if key not in fields:
                self._unknown((*path, key), fields)
        values: dict[str, object] = {}
        for key, field in fields.items():
            if key in found:
                value = self._value(field.type, found[key], (*path, key))
                if value is not _BROKEN:
                    values[field.name] = value
            elif Required in _marks(field.type):
                self.mistake((*path, key), "missing", _expected_of(field.type))
        return kind(**values)

    def mistake(self, path: KeyPath, seen: str, expected: str) -> None:
        """Notes one mistake at a key."""
        where, line = self._place(path)
        at = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")
        self._broken.add(path)
        self.mistakes.append(Mistake(where=where, line=line, at=at or "the whole", seen=seen, expected=expected))

    def sound(self, path: KeyPath) -> bool:
        """Whether no mistake was found at or below a key."""
        return not any(broken[: len(path)] == path for broken in self._broken)

    def is_broken(self, path: KeyPath) -> bool:
        """Whether a mistake was found at exactly this key."""
        return path in self._broken

    def ordered(self) -> list[Mistake]:
        """Every mistake, in the order of the lines."""
        return sorted(self.mistakes, key=lambda mistake: (mistake.line is None, mistake.line or 0, mistake.at))

    def _value(self, kind: object, raw: object, path: KeyPath) -> object:
        removable, kind = _alternatives(kind)
        if removable and raw == "none":
            return None
        reading = _reading(kind)
        if reading is not None:
            return self._leaf(reading, raw, path, also=', or "none"' if removable else "")
        kind = _bare(kind)
        if kind is Secret:
            return self._secret(raw, path)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self.table(kind, raw, path)
        if get_origin(kind) is dict:
            inner, found = get_args(kind)[1], self._as_table(raw, path) or {}
            return {key: self._value(inner, value, (*path, key)) for key, value in found.items()}
        assert get_origin(kind) is tuple, f"{path} is declared as {kind}, which has no reading"
        return self._array(get_args(kind)[0], raw, path)

    def _leaf(self, reading: Callable[[object], object], raw: object, path: KeyPath, *, also: str) -> object:
        try:
            return reading(raw)
        except Unfit as unfit:
            if isinstance(raw, FromEnvironment) and (plain := _as_toml(raw)) is not None:
                return self._leaf(reading, plain, path, also=also)
            if unfit.within is not None and isinstance(raw, dict):
                path, raw = (*path, unfit.within), raw[unfit.within]
            self.mistake(path, shown(raw), str(unfit) + also)
            return _BROKEN

    def _secret(self, raw: object, path: KeyPath) -> object:
        if isinstance(raw, FromEnvironment) and isinstance(_as_toml(raw), dict):
            raw = _as_toml(raw)
        try:
            return secret(raw, self._environ, self._base)
        except NoSecret as none:
            self.mistake(path, none.seen, none.expected)
            return _BROKEN

    def _array(self, inner: object, raw: object, path: KeyPath) -> object:
        if isinstance(raw, FromEnvironment):
            raw = _as_toml(raw)
        if not isinstance(raw, list):
            self.mistake(path, _kind(raw), "an array")
            return _BROKEN
        values = [self._value(inner, value, (*path, index)) for index, value in enumerate(raw)]
        return _BROKEN if any(value is _BROKEN for value in values) else tuple(values)

    def _as_table(self, raw: object, path: KeyPath) -> Mapping[str, object] | None:
        if isinstance(raw, FromEnvironment):
            raw = _as_toml(raw)
        if isinstance(raw, dict):
            return cast("Mapping[str, object]", raw)
        self.mistake(path, _kind(raw), "a table")
        return None

    def _unknown(self, path: KeyPath, known: Iterable[str]) -> None:
        self.mistake(path, "unknown key", one_of(str(path[-1]), known))

    def _place(self, path: KeyPath) -> tuple[str, int | None]:
        for length in range(len(path), 0, -1):
            if path[:length] in self._variables:
                return f"environment variable {self._variables[path[:length]]}", None
            if path[:length] in self._lines:
                return self._file, self._lines[path[:length]]
        # A table may be there only because a variable names something in it.
        below = next((variable for at, variable in self._variables.items() if path and at[: len(path)] == path), None)
        return (self._file if below is None else f"environment variable {below}"), None


def one_of(seen: str, known: Iterable[str]) -> str:
    """What was expected where a name is unknown: the near ones, or all of them."""
    known = list(known)
    near = get_close_matches(seen, known, n=2, cutoff=0.7)
    listed = ", ".join(known)
    return f"{' or '.join(near)} (known: {listed})" if near else f"one of {listed}" if known else "none here"


def shown(raw: object) -> str:
    """A value as it may be shown to a person: shortened, and never an address with credentials in it."""
    if isinstance(raw, dict | list):
        return _kind(raw)
    if isinstance(raw, str) and "://" in raw and "@" in raw:
        return "an address with credentials (not shown)"
    match raw:
        case bool():
            text = str(raw).lower()
        case str():
            text = msgspec.json.encode(str(raw)).decode()
        case _:
            text = str(raw)
    return text if len(text) <= _SEEN_CHARS_MAX else f"{text[: _SEEN_CHARS_MAX - 1]}…"


@cache
def _fields(kind: type[msgspec.Struct]) -> Mapping[str, FieldInfo]:
    # Kept, since the annotations of a table are resolved anew each time they are asked for.
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


class _Broken:
    pass


_BROKEN: Final = _Broken()


def _kind(raw: object) -> str:
    match raw:
        case dict():
            return "a table"
        case list():
            return "an array"
        case str():
            return "a text"
        case None:
            return "a text that is no TOML value"
        case _:
            return shown(raw)


def _as_toml(raw: str) -> object:
    try:
        return tomllib.loads(f"value = {raw}").get("value")
    except tomllib.TOMLDecodeError:
        return None


def _alternatives(kind: object) -> tuple[bool, object]:
    # `X | UnsetType | None` reads as X, or as the word "none", which takes away what is extended. `X | None` merely may
    # be missing.
    if get_origin(kind) not in (Union, UnionType):
        return False, kind
    options = get_args(kind)
    (rest,) = (option for option in options if option not in (NoneType, msgspec.UnsetType))
    return NoneType in options and msgspec.UnsetType in options, rest


def _marks(kind: object) -> tuple[object, ...]:
    return get_args(kind)[1:] if get_origin(kind) is Annotated else ()


def _bare(kind: object) -> object:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _reading(kind: object) -> Callable[[object], object] | None:
    for mark in _marks(kind):
        if mark is not Required and callable(mark):
            return cast("Callable[[object], object]", mark)
    return None


def _expected_of(kind: object) -> str:
    reading = _reading(kind)
    if reading is None:
        return EXPECTED if _bare(kind) is Secret else "a value"
    try:
        reading(None)
    except Unfit as unfit:
        return str(unfit)
    return "a value"
