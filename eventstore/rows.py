"""Rows of a log in tables, and the values they stand for.

This file answers for the order of columns. It must never hold a question: statements are in writing and queries.
"""

from typing import Final, cast

from msgspec.structs import astuple

from core.records import Alias, Head, Sealed, head_from
from core.records import HeadRow as HeadRow

EVENT_COLUMNS: Final = "pos, shard, seq, stream, version, type, schema_version, at_us, tenant, cause, body, link"
HEAD_COLUMNS: Final = (
    "stream, kind, shard, tenant, version, status, channel, lane, conversation, priority, host, due_us, line, place,"
    " attempts, accepted_us, changed_us, code, cause, owes, ends_us"
)
SEALED_COLUMNS: Final = "stream, tenant, subject, salt, private, reference, key_id"

SealedRow = tuple[int, str, bytes, bytes, bytes, bytes | None, int]
AliasRow = tuple[str, str, bytes, int]

# A head as the rest of the house sees it.
head: Final = head_from


def head_row(head: Head) -> HeadRow:
    """A head as it is stored: its fields are declared in the order of the columns."""
    return cast("HeadRow", astuple(head))


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
