"""What a database holds, read for the world: its events from where it read last, and the small tables whole.

This file answers for the world's view being what is in the tables, whoever wrote it and whoever was told. It must never
be asked while a statement is under way that may still change them.
"""
# ruff: noqa: S608  # Statements are put together from constants of ours; every value is bound.

from typing import Final, cast

import msgspec

from core.records import Alias, Head, Sealed, Waiting
from eventstore.cluster import NOBODY
from eventstore.codec import EventRow
from eventstore.durable import Durable
from eventstore.postgres.connection import Connection, Row
from eventstore.postgres.rows import event_row, head_of_row, sealed_of_row
from eventstore.rows import EVENT_COLUMNS, HEAD_COLUMNS, SEALED_COLUMNS, AliasRow, alias

# Whoever counts as dead owns nothing, whatever stands there until somebody takes over.
_OWNER: Final = """
SELECT shard.owner FROM shard JOIN node ON node.node = shard.owner AND node.state = 'up' WHERE shard.shard = 0"""
_STATE: Final = """
SELECT coalesce((SELECT pos FROM event ORDER BY pos DESC LIMIT 1), 0), (SELECT count(*) FROM vault),
  (SELECT count(*) FROM inbox WHERE NOT taken), (SELECT coalesce(max(id), 0) FROM inbox)"""
_EVENTS: Final = f"SELECT {EVENT_COLUMNS} FROM event WHERE pos > $1 ORDER BY pos"
_HEADS: Final = f"SELECT {HEAD_COLUMNS} FROM head ORDER BY stream"
_VAULT: Final = f"SELECT {SEALED_COLUMNS} FROM vault ORDER BY stream"
_TALLIES: Final = "SELECT tenant, channel, lane, status, messages, attempts FROM tally"
_ADDRESSES: Final = "SELECT tenant, channel, subject, conversation FROM address ORDER BY tenant, channel, subject"
_ALIASES: Final = "SELECT space, tenant, name, stream FROM alias ORDER BY space, tenant, name, stream"
_INBOX: Final = "SELECT id, kind, stream, tenant, asker, body FROM inbox WHERE NOT taken ORDER BY id"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What is there after a step. `events` are those that came, `beside` what lies beside them, None where none did."""

    owner: int
    events: list[EventRow]
    beside: "Beside | None"


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """The tables beside the events. Keys and snapshots are left out: nobody looks at either but their daemon."""

    heads: list[Head]
    sealed: list[Sealed]
    tallies: list[tuple[str, str, str, str, int, int]]
    addresses: list[tuple[str, str, bytes, int]]
    aliases: list[Alias]
    inbox: list[Waiting]
    left: int


class Tables:
    """How far the tables have been read."""

    def __init__(self) -> None:
        self.pos = 0
        self.state: tuple[int, ...] = ()


async def sight_of(connection: Connection, tables: Tables) -> Seen:
    """What is there now, and was not before. Raises what the driver raises."""
    owner = await connection.fetchval(_OWNER) or NOBODY
    state = tuple(await connection.fetchrow(_STATE) or ())
    if state == tables.state:
        return Seen(owner=owner, events=[], beside=None)
    events = [event_row(tuple(row)) for row in await connection.fetch(_EVENTS, tables.pos)]
    tables.state, tables.pos = state, state[0]
    return Seen(owner=owner, events=events, beside=await _beside(connection, left=state[-1]))


async def _beside(connection: Connection, *, left: int) -> Beside:
    return Beside(
        heads=[head_of_row(row) for row in await connection.fetch(_HEADS)],
        sealed=[sealed_of_row(row) for row in await connection.fetch(_VAULT)],
        tallies=cast("list[tuple[str, str, str, str, int, int]]", await connection.fetch(_TALLIES)),
        addresses=cast("list[tuple[str, str, bytes, int]]", await connection.fetch(_ADDRESSES)),
        aliases=[alias(cast("AliasRow", row)) for row in await connection.fetch(_ALIASES)],
        inbox=[_waiting(row) for row in await connection.fetch(_INBOX)],
        left=left,
    )


def _waiting(row: Row) -> Waiting:
    return Waiting(id=row[0], kind=row[1], stream=row[2], tenant=row[3], asker=row[4], body=row[5])


def show(durable: Durable, seen: Seen) -> None:
    """Brings the world's view to what was seen."""
    for row in seen.events:
        durable.add_event(row)
    beside = seen.beside
    if beside is None:
        return
    for head in beside.heads:
        if durable.heads.get(head.stream) != head:
            durable.put_head(head)
    for sealed in beside.sealed:
        if durable.sealed.get(sealed.stream) != sealed:
            durable.seal(sealed)
    for stream in durable.sealed.keys() - {sealed.stream for sealed in beside.sealed}:
        durable.unseal(stream)
    durable.tallies = {(row[0], row[1], row[2], row[3]): (row[4], row[5]) for row in beside.tallies}
    durable.addresses = {(row[0], row[1], row[2]): row[3] for row in beside.addresses}
    durable.peers = {}
    for tenant, channel, _, conversation in beside.addresses:
        durable.peers.setdefault(conversation, (tenant, channel))
    durable.aliases = {}
    for one in beside.aliases:
        durable.aliases.setdefault((one.space, one.tenant, one.name), []).append(one.stream)
    durable.parking.rows = {row.id: row for row in beside.inbox}
    durable.parking.last = max(durable.parking.last, beside.left)
