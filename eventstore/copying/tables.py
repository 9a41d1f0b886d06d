"""The tables of a log as both kinds of store have them, and the sum by which two of them are compared.

This file answers for every row that makes a log, in an order that is the same on both sides. It must never know how a
store is reached.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Final

import msgspec

from eventstore.rows import EVENT_COLUMNS, HEAD_COLUMNS, SEALED_COLUMNS

Row = tuple[str | int | bytes | None, ...]

# Rows that are held in memory at once, and told as one step.
CHUNK: Final = 2_000
_ENCODER: Final = msgspec.msgpack.Encoder()


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One table: its columns, and the columns whose order is the order of its rows.

    What each store gives out by itself and nobody outside sees is not among the columns.
    """

    name: str
    columns: str
    order: str

    @property
    def question(self) -> str:
        """Asks for all rows, in order."""
        return f"SELECT {self.columns} FROM {self.name} ORDER BY {self.order}"  # noqa: S608  # Constants of ours.


# Events come first, so that a copy which is cut short shows at once that it has no heads.
TABLES: Final = (
    Table(name="event", columns=EVENT_COLUMNS, order="pos"),
    Table(name="mark", columns="pos, seqs, links", order="pos"),
    Table(name="head", columns=HEAD_COLUMNS, order="stream"),
    Table(name="idem", columns="tenant, key_hash, request_hash, stream, expires_us", order="pos"),
    Table(name="vault", columns=SEALED_COLUMNS, order="stream"),
    Table(name="address", columns="tenant, channel, subject, conversation", order="tenant, channel, subject"),
    Table(name="alias", columns="space, tenant, name, stream", order="space, tenant, name, stream"),
    Table(
        name="tally",
        columns="tenant, channel, lane, status, messages, attempts",
        order="tenant, channel, lane, status",
    ),
    Table(name="snapshot", columns="stream, version, body", order="stream"),
)


class Sum:
    """How many rows of a table there are, and a hash over all of them in their order."""

    def __init__(self) -> None:
        self.rows = 0
        self._hash = blake2b(digest_size=32)

    def add(self, rows: Iterable[Row]) -> None:
        """Takes in the rows that come next."""
        for row in rows:
            self.rows += 1
            self._hash.update(_ENCODER.encode(row))

    def __eq__(self, other: object) -> bool:
        """Whether both stand for the same rows."""
        return isinstance(other, Sum) and (self.rows, self._hash.digest()) == (other.rows, other._hash.digest())

    __hash__ = None  # type: ignore[assignment]  # It changes with each row.


def differing(ours: Mapping[str, Sum], theirs: Mapping[str, Sum]) -> list[str]:
    """The tables that are not the same on both sides."""
    return [table.name for table in TABLES if ours[table.name] != theirs[table.name]]
