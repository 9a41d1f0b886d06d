"""Contents of reminders with places for what differs from person to person: `Hello {name}`.

This file answers for finding the places in a content's strings and for filling them; everything else of the JSON stays
byte for byte as it was written. It must never let a value end the string that it stands in.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from core.errors import Invalid

# The name of a value, as it stands between braces.
VALUE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")

# A string of a JSON text. One that is followed by a colon is a name, and names are never filled.
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?', re.DOTALL)
_BRACE: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
# How braces may be written: as they are, or escaped as any character may be in JSON.
_BRACED: Final = re.compile(rb"[{}]|\\u007[bBdD]")

_SORTED: Final = msgspec.json.Encoder(order="sorted")


class Text:
    """A content's JSON, cut at its places: what stands before each, the name of the value there, and the rest.

    `canonical` is the same for the same content, in whatever order its fields came.
    """

    __slots__ = ("_parts", "_rest", "canonical", "names")

    def __init__(self, raw: bytes, at: str) -> None:
        """Raises Invalid for a brace that is neither doubled nor around a name; `at` is where the content stands."""
        self._parts: list[tuple[bytes, str]] = []
        literal, end = bytearray(), 0
        for found in _STRING.finditer(raw):
            if found[1] is not None or not _BRACED.search(found[0]):
                continue
            literal += raw[end : found.start()]
            end = found.end()
            literal += b'"'
            for words, name in _cut(_decoded(found[0], at), at):
                literal += msgspec.json.encode(words)[1:-1]
                if name is not None:
                    self._parts.append((bytes(literal), name))
                    literal.clear()
            literal += b'"'
        self._rest = bytes(literal + raw[end:])
        self.names = frozenset(name for _, name in self._parts)
        self.canonical = _canonical(raw)

    def filled(self, values: Mapping[str, str]) -> bytes:
        """The content for one person, as JSON; every name must have a value."""
        if not self._parts:
            return self._rest
        pieces: list[bytes] = []
        for before, name in self._parts:
            pieces += (before, msgspec.json.encode(values[name])[1:-1])
        return b"".join((*pieces, self._rest))


def _decoded(string: bytes, at: str) -> str:
    try:
        return msgspec.json.decode(string, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Invalid(at, "expected strings of valid JSON") from None


def _cut(text: str, at: str) -> Iterable[tuple[str, str | None]]:
    """The words before each place with its name, then the last words with None."""
    words, end = "", 0
    for found in _BRACE.finditer(text):
        words += text[end : found.start()]
        end = found.end()
        if found[0] in {"{{", "}}"}:
            words += found[0][0]
        elif found[1] is not None and VALUE_NAME.fullmatch(found[1]):
            yield words, found[1]
            words = ""
        else:
            raise Invalid(at, "expected a name between braces, such as {name}; a brace itself is written twice")
    yield words + text[end:], None


def _canonical(raw: bytes) -> bytes:
    try:
        return _SORTED.encode(msgspec.json.decode(raw))
    except (msgspec.DecodeError, UnicodeDecodeError):
        # A number beyond any float is valid JSON: such a content is the same only if its bytes are.
        return raw
