"""The chain of a shard: each event's link is made over the one before it, so that no byte changes unnoticed.

This file answers for the bytes that a link is made over, the same on every store. It must never take in what a store
or a node adds for itself (positions, row ids, epochs): a log that was copied elsewhere still verifies.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from struct import Struct, error
from typing import Final

FIRST_LINK: Final = bytes(32)

# shard, seq, stream, version, type, schema version, at, tenant, cause, body: as in codec.EventRow between pos and link.
Content = tuple[int, int, int, int, str, int, int, str, int, bytes]
_Numbers = Sequence[int]
_Bytes = Sequence[bytes]
# The same of many events, a column for each, and the texts as bytes.
Columns = tuple[_Numbers, _Numbers, _Numbers, _Numbers, _Bytes, _Numbers, _Numbers, _Bytes, _Numbers, _Bytes]

# Numbers first and each in its own width, then the three lengths, then the three texts: no two contents give the same
# bytes. Big-endian, and signed as a store's 64-bit integers are.
_FIXED: Final = Struct(">HqqqIqqIII")


def link_of(previous: bytes, content: Content) -> bytes:
    """The 32 bytes of an event's link; `previous` is that of the event before it in the shard, or FIRST_LINK.

    Raises OverflowError for a number that no store could hold.
    """
    shard, seq, stream, version, name, schema_version, at_us, tenant, cause, body = content
    type_bytes, tenant_bytes = name.encode(), tenant.encode()
    lengths = len(type_bytes), len(tenant_bytes), len(body)
    try:
        fixed = _FIXED.pack(shard, seq, stream, version, schema_version, at_us, cause, *lengths)
    except error as too_large:
        raise OverflowError(f"stream {stream}, version {version}: {too_large}") from too_large
    return sha256(b"".join((previous, fixed, type_bytes, tenant_bytes, body))).digest()


def linked_bytes(before: Sequence[bytes], columns: Columns) -> Iterator[bytes]:
    """What the links of many events are made over, `before` the links before them: whole columns at a time, for speed.

    Raises OverflowError as `link_of` does.
    """
    shards, seqs, streams, versions, types, schema_versions, instants, tenants, causes, bodies = columns
    numbers = shards, seqs, streams, versions, schema_versions, instants, causes
    try:
        fixed = list(map(_FIXED.pack, *numbers, map(len, types), map(len, tenants), map(len, bodies)))
    except error as too_large:
        raise OverflowError(f"events {seqs[0]} and on of shard {shards[0]}: {too_large}") from too_large
    return map(b"".join, zip(before, fixed, types, tenants, bodies, strict=True))
