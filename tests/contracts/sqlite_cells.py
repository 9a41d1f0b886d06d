"""Answers for where the rows of a table lie in a SQLite file, byte by byte (sqlite.org/fileformat2.html, section 1.6).

It must never name a byte that says nothing: room that is free, or what a page says about itself.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

_INTERIOR, _LEAF = 5, 13
_HEADER_OF: Final = {_INTERIOR: 12, _LEAF: 8}
_FILE_HEADER: Final = 100


def cells_of(path: Path, table: str) -> list[range]:
    """Where each row of a table lies in the file of a log that is closed: its length, its rowid and its record."""
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    return list(_File(path.read_bytes(), page_bytes).cells(root))


class _File:
    def __init__(self, content: bytes, page_bytes: int) -> None:
        self._content, self._page_bytes = content, page_bytes

    def cells(self, page: int) -> Iterator[range]:
        start = (page - 1) * self._page_bytes
        at = start + (_FILE_HEADER if page == 1 else 0)
        kind, count = self._content[at], self._number(at + 3, 2)
        pointers = [self._number(at + _HEADER_OF[kind] + 2 * n, 2) for n in range(count)]
        if kind == _LEAF:
            for pointer in pointers:
                yield from self._cell(start + pointer)
            return
        for pointer in pointers:
            yield from self.cells(self._number(start + pointer, 4))
        yield from self.cells(self._number(at + 8, 4))

    def _cell(self, at: int) -> Iterator[range]:
        payload, rowid_at = self._varint(at)
        _, record_at = self._varint(rowid_at)
        # As much as a leaf keeps of a record; the rest lies in a chain of pages of its own.
        most, least = self._page_bytes - 35, (self._page_bytes - 12) * 32 // 255 - 23
        local = payload
        if payload > most:
            surplus = least + (payload - least) % (self._page_bytes - 4)
            local = surplus if surplus <= most else least
        yield range(at, record_at + local)
        left, page = payload - local, self._number(record_at + local, 4)
        while left > 0:
            start = (page - 1) * self._page_bytes
            here = min(left, self._page_bytes - 4)
            yield range(start + 4, start + 4 + here)
            left, page = left - here, self._number(start, 4)

    def _number(self, at: int, length: int) -> int:
        return int.from_bytes(self._content[at : at + length], "big")

    def _varint(self, at: int) -> tuple[int, int]:
        value = 0
        for place in range(8):
            byte = self._content[at + place]
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value, at + place + 1
        return value << 8 | self._content[at + 8], at + 9
