"""One statement over many rows, in as few steps as can be.

This file answers for a table's rows of a batch going to SQLite together. Python's module gives the interpreter away at
every step of a statement and takes it back after it; beside a busy event loop that costs more than writing the row, so
rows go by the dozen and not one by one as `executemany` has them. It must never know what the rows mean.
"""

import sqlite3
from collections.abc import Sequence
from itertools import chain
from typing import Final

# Any number of rows is a sum of few of these, and what some deliveries at once bring to a commit is mostly one of them.
# Larger ones gain nothing, and each is kept prepared: with 256 a daemon grew by 10 MiB when measured. SQLite takes
# 32,766 values a statement; no row has more than twenty-one.
_SIZES: Final = (64, 32, 16, 8, 7, 6, 5, 4, 3, 2, 1)

Row = tuple[str | int | bytes | None, ...]


class Bulk:
    """A statement with a list of rows in it: what stands before `VALUES`, how wide a row is, what stands after it."""

    def __init__(self, before: str, width: int, after: str = "") -> None:
        row = f"({', '.join('?' * width)})"
        self._statements = {size: f"{before} VALUES {', '.join([row] * size)} {after}" for size in _SIZES}

    def run(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> int:
        """Runs it over all rows, in their order. Answers how many rows it changed."""
        start = changed = 0
        for size in _SIZES:
            while len(rows) - start >= size:
                values = tuple(chain.from_iterable(rows[start : start + size]))
                changed += connection.execute(self._statements[size], values).rowcount
                start += size
        return changed
