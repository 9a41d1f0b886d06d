"""On which line each key of a TOML document stands, so that a mistake can be pointed at.

This file answers for positions only. It must never judge a document: tomllib has accepted the text before it comes
here, so the scan may trust its grammar (TOML 1.0.0) and only needs to know where values begin and end.
"""

import re
import tomllib
from bisect import bisect_right
from typing import Final

KeyPath = tuple[str | int, ...]
"""Keys from the root to a value; a number is a place in an array, from 0."""

# No group repeats possessively: before CPython 3.11.5 such a group matches less than it should (python/cpython#106052).
_BLANK: Final = re.compile(r"[ \t\r\n]*(?:#[^\n]*[ \t\r\n]*)*")
_QUOTED: Final = r"""(?:"[^"\\\n]*(?:\\.[^"\\\n]*)*"|'[^'\n]*')"""
_KEY: Final = re.compile(rf"[ \t]*({_QUOTED}|[A-Za-z0-9_-]+)[ \t]*(\.?)")
_STRING: Final = re.compile(_QUOTED)
# Up to two quotes may stand right before the closing three.
_LONG_BASIC: Final = re.compile(r'"""[^"\\]*(?:(?:\\.|"{1,2}(?!"))[^"\\]*)*"{3,5}', re.DOTALL)
_LONG_LITERAL: Final = re.compile(r"'''[^']*(?:'{1,2}(?!')[^']*)*'{3,5}", re.DOTALL)
_BARE: Final = re.compile(r"[^,\]}#\n]+")


def lines_of(text: str) -> dict[KeyPath, int]:
    """The line, from 1, where each table, key and array element of a document begins; the text must parse as TOML."""
    scan = _Scan(text)
    scan.document()
    return scan.lines


class _Scan:
    def __init__(self, text: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._text = text
        self._at = 0
        self._breaks = [match.start() for match in re.finditer("\n", text)]
        # How many tables each array of tables has so far: `[a.b]` below `[[a]]` means its last one.
        self._counts: dict[KeyPath, int] = {}

    def document(self) -> None:
        prefix: KeyPath = ()
        while self._skip(_BLANK) < len(self._text):
            if self._text[self._at] == "[":
                prefix = self._header()
            else:
                self._pair(prefix)

    def _header(self) -> KeyPath:
        at, many = self._at, self._text.startswith("[[", self._at)
        self._at += 2 if many else 1
        keys = self._keys()
        self._at += 2 if many else 1
        path: KeyPath = ()
        for key in keys[:-1]:
            path = self._last_of((*path, key), at)
        path = (*path, keys[-1])
        if many:
            self._counts[path] = self._counts.get(path, 0) + 1
        return self._last_of(path, at)

    def _last_of(self, path: KeyPath, at: int) -> KeyPath:
        self._mark(path, at)
        if path not in self._counts:
            return path
        path = (*path, self._counts[path] - 1)
        self._mark(path, at)
        return path

    def _pair(self, prefix: KeyPath) -> None:
        at = self._at
        path = prefix
        for key in self._keys():
            path = (*path, key)
            self._mark(path, at)
        self._at += 1  # the equals sign
        self._skip(_BLANK)
        self._value(path)

    def _keys(self) -> list[str]:
        keys: list[str] = []
        while True:
            match = _KEY.match(self._text, self._at)
            assert match is not None, f"no key at offset {self._at}, though the document parsed"
            self._at = match.end()
            keys.append(_plain(match[1]))
            if not match[2]:
                return keys

    def _value(self, path: KeyPath) -> None:
        match self._text[self._at]:
            case "[":
                self._array(path)
            case "{":
                self._inline_table(path)
            case '"':
                self._skip(_LONG_BASIC if self._text.startswith('"""', self._at) else _STRING)
            case "'":
                self._skip(_LONG_LITERAL if self._text.startswith("'''", self._at) else _STRING)
            case _:
                self._skip(_BARE)

    def _array(self, path: KeyPath) -> None:
        self._at += 1
        index = 0
        while self._text[self._skip(_BLANK)] != "]":
            self._mark((*path, index), self._at)
            self._value((*path, index))
            self._comma()
            index += 1
        self._at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        while self._text[self._skip(_BLANK)] != "}":
            self._pair(path)
            self._comma()
        self._at += 1

    def _comma(self) -> None:
        if self._text[self._skip(_BLANK)] == ",":
            self._at += 1

    def _skip(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self._text, self._at)
        assert match is not None, f"no end of the value at offset {self._at}, though the document parsed"
        self._at = match.end()
        return self._at

    def _mark(self, path: KeyPath, at: int) -> None:
        self.lines.setdefault(path, bisect_right(self._breaks, at - 1) + 1)


def _plain(key: str) -> str:
    if key[0] not in "\"'":
        return key
    # Escapes in quoted keys are tomllib's business.
    return next(iter(tomllib.loads(f"{key} = 0")))
