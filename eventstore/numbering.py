"""The numbers that an event gets when it enters the log: its place in its shard, and its link.

This file answers for dense numbers and an unbroken chain a shard, the same on every store. It must never be moved on
by a batch that did not become durable: a store numbers a batch on a copy and keeps the copy with the commit.
"""

from typing import TYPE_CHECKING

from core.ids import SHARDS
from eventstore.chain import FIRST_LINK, Content, link_of
from eventstore.codec import EventRow

if TYPE_CHECKING:
    # Entries hold futures, and with asyncio a process that only checks a share of a log would start half as fast.
    from eventstore.batches import Entry


class Numbering:
    """Where the log goes on: the last number and link of each shard, the last position, instant and largest id."""

    __slots__ = ("at_us", "largest", "links", "pos", "seqs")

    def __init__(self) -> None:
        self.seqs = [0] * SHARDS
        self.links = [FIRST_LINK] * SHARDS
        self.pos = 0
        self.at_us = 0
        self.largest = 0

    def copy(self) -> "Numbering":
        """One to number a batch on."""
        other = Numbering.__new__(Numbering)
        other.seqs, other.links = self.seqs.copy(), self.links.copy()
        other.pos, other.at_us, other.largest = self.pos, self.at_us, self.largest
        return other

    def number(self, entry: "Entry") -> list[EventRow]:
        """The rows of one call, in order."""
        append = entry.append
        if append is None:
            return []
        shard, tenant, at_us = append.shard, append.tenant, entry.at_us
        seq, link, pos, largest = self.seqs[shard], self.links[shard], self.pos, self.largest
        rows: list[EventRow] = []
        for stream, version, name, schema_version, cause, body in entry.parts:
            seq += 1
            pos += 1
            content: Content = (shard, seq, stream, version, name, schema_version, at_us, tenant, cause, body)
            link = link_of(link, content)
            rows.append((pos, *content, link))
            largest = max(largest, stream)
        self.seqs[shard], self.links[shard], self.pos, self.at_us = seq, link, pos, at_us
        self.largest = largest if entry.acceptance is None else max(largest, entry.acceptance.conversation)
        return rows
