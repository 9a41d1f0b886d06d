"""Rows of a log in tables, and the values they stand for.

This file answers for the order of columns. It must never hold a question: statements are in writing and queries.
"""

from typing import Final, cast

from msgspec.structs import astuple

from core.records import Alias, Head, Sealed

EVENT_COLUMNS: Final = "pos, shard, seq, stream, version, type, schema_version, at_us, tenant, cause, body, link"
HEAD_COLUMNS: Final = (
    "stream, kind, shard, tenant, version, status, channel, lane, conversation, priority, host, due_us, line, place,"
    " attempts, accepted_us, changed_us, code, cause, owes, ends_us"
)
SEALED_COLUMNS: Final = "stream, tenant, subject, salt, private, reference, key_id"

HeadRow = tuple[
    int, str, int, str, int, str, str, str, int, int, int | None, int | None, int, int | None, int, int, int, str,
    int, bool, int | None,
]  # fmt: skip  # Twenty-one lines would show less.
SealedRow = tuple[int, str, bytes, bytes, bytes, bytes | None, int]
AliasRow = tuple[str, str, bytes, int]


def head_row(head: Head) -> HeadRow:
    """A head as it is stored: its fields are declared in the order of the columns."""
    return cast("HeadRow", astuple(head))


def head(row: HeadRow) -> Head:
    """A head as the rest of the house sees it."""
    return Head(
        stream=row[0],
        kind=row[1],  # type: ignore[arg-type]  # Only the writer below fills this column, from a Head.
        shard=row[2],
        tenant=row[3],
        version=row[4],
        status=row[5],
        channel=row[6],
        lane=row[7],
        conversation=row[8],
        priority=row[9],
        host=row[10],
        due_us=row[11],
        line=row[12],
        place=row[13],
        attempts=row[14],
        accepted_us=row[15],
        changed_us=row[16],
        code=row[17],
        cause=row[18],
        owes=bool(row[19]),
        ends_us=row[20],
    )


def sealed_row(sealed: Sealed) -> SealedRow:
    """A vault row as it is stored."""
    subject, salt, private = sealed.subject, sealed.salt, sealed.private
    return sealed.stream, sealed.tenant, subject, salt, private, sealed.reference, sealed.key_id


def sealed(row: SealedRow) -> Sealed:
    """A vault row as the rest of the house sees it."""
    stream, tenant, subject, salt, private, reference, key_id = row
    return Sealed(
        stream=stream, tenant=tenant, subject=subject, salt=salt, private=private, reference=reference, key_id=key_id
    )


def alias_row(alias: Alias) -> AliasRow:
    """An alias as it is stored."""
    return alias.space, alias.tenant, alias.name, alias.stream


def alias(row: AliasRow) -> Alias:
    """An alias as the rest of the house sees it."""
    space, tenant, name, stream = row
    return Alias(space=space, tenant=tenant, name=name, stream=stream)
