"""How a numbering moves on along events that were read: what recovery and checks of a beginning share.

This file answers for a gap and a broken link being seen. It must never read a store.
"""

from core.errors import CorruptLog
from core.ids import SHARDS
from eventstore.chain import Content, link_of
from eventstore.codec import EventRow
from eventstore.numbering import Numbering


def follow(numbering: Numbering, row: EventRow) -> None:
    """Moves on by one event. Raises CorruptLog where its number or link does not follow on the one before it."""
    pos, shard, seq, stream, version, name, schema_version, at_us, tenant, cause, body, link = row
    if not 0 <= shard < SHARDS:
        raise CorruptLog(
            f"shard {shard}, seq {seq} (stream {stream}, version {version}): there is no such shard; the file was"
            " damaged or changed: run `tidings verify`, restore a copy"
        )
    expected = numbering.seqs[shard] + 1
    content: Content = (shard, seq, stream, version, name, schema_version, at_us, tenant, cause, body)
    if seq != expected or pos != numbering.pos + 1:
        raise CorruptLog(
            f"shard {shard}, seq {seq} (stream {stream}, version {version}): a gap, expected seq {expected} at position"
            f" {numbering.pos + 1}, not {pos}; the file was damaged or changed: run `tidings verify`, restore a copy"
        )
    if not _is_link(link, numbering.links[shard], content):
        raise CorruptLog(
            f"shard {shard}, seq {seq} (stream {stream}, version {version}): its link does not follow on the one before"
            " it; the file was damaged or changed: run `tidings verify`, restore a copy"
        )
    numbering.pos, numbering.seqs[shard], numbering.links[shard] = pos, seq, link


def _is_link(link: bytes, previous: bytes, content: Content) -> bool:
    try:
        return link_of(previous, content) == link
    except OverflowError:
        return False  # A number that no store writes.
