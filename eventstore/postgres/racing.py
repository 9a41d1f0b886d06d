"""What other daemons took in between the moment at which a batch was put together and that at which it was written.

This file answers for a race costing those calls alone that lost it. It must never write.
"""

from collections.abc import Mapping
from typing import Final, cast

from core.errors import StreamConflict
from core.records import Acceptance
from eventstore.batches import Entry
from eventstore.postgres.sending import Contradicted, Trip
from eventstore.postgres.statements import KEYS, PEER_RULE, TAKEN

_PEERS: Final = """
SELECT address.tenant, address.channel, address.subject, address.conversation
  FROM unnest($1::text[], $2::text[], $3::bytea[]) AS asked (tenant, channel, subject)
  JOIN address ON address.tenant = asked.tenant AND address.channel = asked.channel
    AND address.subject = asked.subject"""
_THERE: Final = "SELECT id FROM inbox WHERE id = ANY($1::bigint[])"

# tenant, channel, subject.
Peer = tuple[str, str, bytes]
# The answers to calls that came too late, by their place in the batch.
Late = dict[int, StreamConflict]


def is_race(error: Contradicted) -> bool:
    """Whether a batch was contradicted by what another daemon may have done, and not by itself."""
    return error.rule == PEER_RULE or str(error) in {KEYS.counts, TAKEN.counts}


async def late_of(trip: Trip, batch: list[Entry]) -> Late:
    """Those that came too late; keys are asked for anew anyway."""
    messages = {at: entry.acceptance for at, entry in enumerate(batch) if entry.acceptance is not None}
    return await strangers(trip, messages) | await _gone(trip, batch)


def peer_of(acceptance: Acceptance) -> Peer:
    """The address that a message goes to."""
    return acceptance.append.tenant, acceptance.channel, acceptance.sealed.subject


async def strangers(trip: Trip, messages: Mapping[int, Acceptance]) -> Late:
    """Those messages whose peer has come to belong to another conversation."""
    peers = {at: peer_of(message) for at, message in messages.items()}
    if not peers:
        return {}
    columns = [list(column) for column in zip(*sorted(set(peers.values())), strict=True)]
    rows = cast("list[tuple[str, str, bytes, int]]", await trip.ask(_PEERS, *columns))
    known = {(row[0], row[1], row[2]): row[3] for row in rows}
    late: Late = {}
    for at, peer in peers.items():
        message = messages[at]
        conversation = known.get(peer, None if message.is_known else message.conversation)
        if conversation != messages[at].conversation:
            stream = messages[at].sealed.stream
            late[at] = StreamConflict(f"stream {stream}: its peer belongs to conversation {conversation}")
    return late


async def _gone(trip: Trip, batch: list[Entry]) -> Late:
    named = {
        at: entry.append.inbox for at, entry in enumerate(batch) if entry.append is not None and entry.append.inbox
    }
    if not named:
        return {}
    there = {row[0] for row in await trip.ask(_THERE, list(named.values()))}
    late: Late = {}
    for at, row in named.items():
        if row not in there:
            late[at] = StreamConflict(f"the inbox row {row} was taken in before")
        # Whoever names it again in the same batch comes too late as well.
        there.discard(row)
    return late
