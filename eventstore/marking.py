"""What a mark along the log holds: where all shards stood as of an event, packed the same on every store.

This file answers for the bytes of a mark. It must never read or write one: stores do.
"""

from struct import Struct
from typing import Final

from core.errors import CorruptLog
from core.ids import SHARDS
from eventstore.chain import FIRST_LINK
from eventstore.numbering import Numbering

# Denser marks make each page begin faster and the log larger: 10 KiB for each.
EVENTS_A_MARK: Final = 1_024

_SEQS: Final = Struct(f">{SHARDS}q")
_LINK_BYTES: Final = len(FIRST_LINK)


def is_due(before: int, now: Numbering) -> bool:
    """Whether events from the position `before` on led past the next thousand, so that a mark is due."""
    return before // EVENTS_A_MARK != now.pos // EVENTS_A_MARK


def packed(numbering: Numbering) -> tuple[bytes, bytes]:
    """The numbers and the links of all shards, as a mark holds them."""
    return _SEQS.pack(*numbering.seqs), b"".join(numbering.links)


def unpacked(row: tuple[int, bytes, bytes] | None) -> Numbering:
    """The numbering as of a mark (position, numbers, links); that of an empty log for None. Raises CorruptLog."""
    numbering = Numbering()
    if row is not None:
        numbering.pos, seqs, links = row
        if len(together(seqs, links)) != _SEQS.size + SHARDS * _LINK_BYTES or len(seqs) != _SEQS.size:
            raise CorruptLog(f"the mark at position {numbering.pos} is damaged; run `tidings verify`")
        numbering.seqs = list(_SEQS.unpack(seqs))
        numbering.links = [links[at : at + _LINK_BYTES] for at in range(0, SHARDS * _LINK_BYTES, _LINK_BYTES)]
    return numbering


def together(seqs: object, links: object) -> bytes:
    """A mark's numbers and links, as a check compares them; nothing where what stands there is no bytes any more."""
    return seqs + links if isinstance(seqs, bytes) and isinstance(links, bytes) else b""


def seqs_of(packed_seqs: bytes) -> dict[int, int]:
    """The last number of each shard, as a mark holds them."""
    return dict(enumerate(_SEQS.unpack(packed_seqs)))


def has_seen(seqs: dict[int, int], after: dict[int, int]) -> bool:
    """Whether all that lies up to these numbers lies up to the position `after` as well."""
    return all(seq <= after.get(shard, 0) for shard, seq in seqs.items())


def is_at(seqs: dict[int, int], after: dict[int, int]) -> bool:
    """Whether these numbers are just the position `after`."""
    return all(seqs.get(shard, 0) == after.get(shard, 0) for shard in range(SHARDS))
