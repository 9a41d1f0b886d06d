"""A batch as one statement: the fence, then each table's rows as arrays, then whether all of them went in.

This file answers for a batch being written whole or not at all in one round trip, and for nothing of it being written
past the fence. It must never be sent twice with other rows.
"""
# ruff: noqa: S608  # Statements are put together from constants of ours; every value is bound.

from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Final

import msgspec

from eventstore.rows import EVENT_COLUMNS, HEAD_COLUMNS, SEALED_COLUMNS, head_row
from eventstore.sheet import Sheet

# The first values of every batch: node, turn, the shards of its events, the epoch of each. The lock on our own row is
# what a takeover waits for; a row that another has changed meanwhile is judged as it is then, not as it was.
_FENCE: Final = """
WITH fence AS MATERIALIZED (
  SELECT 1 FROM node WHERE node = $1::bigint AND state = 'up' AND turn = $2::bigint FOR SHARE
), ok AS MATERIALIZED (
  SELECT 1 FROM fence WHERE cardinality($3::bigint[]) = (
    SELECT count(*) FROM unnest($3::bigint[], $4::bigint[]) AS mine (shard, epoch)
      JOIN shard ON shard.shard = mine.shard AND shard.owner = $1 AND shard.epoch = mine.epoch)
)"""
_FENCE_VALUES: Final = 4

Columns = tuple[list[object], ...]


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """How rows go into a table: `{new}` stands for them. Each type is that of a column of the rows.

    `counts` says what is contradicted where not every row had an effect.
    """

    name: str
    columns: str
    types: tuple[str, ...]
    statement: str
    counts: str = ""


def _insert(table: str, columns: str, after: str = "") -> str:
    listed = ", ".join(f"new.{column}" for column in columns.split(", "))
    return f"INSERT INTO {table} ({columns}) SELECT {listed} FROM ok, {{new}} {after}"


_T, _N, _B, _F = "text", "bigint", "bytea", "boolean"
_EVENT_COLUMNS: Final = f"{EVENT_COLUMNS}, epoch"
_HEAD_TYPES: Final = (_N, _T, _N, _T, _N, _T, _T, _T, _N, _N, _N, _N, _N, _N, _N, _N, _N, _T, _N, _F, _N)
_SEALED_TYPES: Final = (_N, _T, _B, _B, _B, _B, _N)
_MOVES: Final = ", ".join(f"{column} = new.{column}" for column in HEAD_COLUMNS.split(", ")[1:])
_RESEALS: Final = ", ".join(f"{column} = excluded.{column}" for column in SEALED_COLUMNS.split(", ")[1:])
_ALIAS: Final = "space, tenant, name, stream"

EVENTS: Final = Table(
    name="events",
    columns=_EVENT_COLUMNS,
    types=(_N, "smallint", _N, _N, _N, _T, _N, _N, _T, _N, _B, _B, _N),
    statement=_insert("event", _EVENT_COLUMNS),
)
FRESH: Final = Table(name="fresh", columns=HEAD_COLUMNS, types=_HEAD_TYPES, statement=_insert("head", HEAD_COLUMNS))
MOVED: Final = Table(
    name="moved",
    columns=f"{HEAD_COLUMNS}, before",
    types=(*_HEAD_TYPES, _N),
    statement=f"""
UPDATE head SET {_MOVES} FROM ok, {{new}} WHERE head.stream = new.stream AND head.version = new.before RETURNING 1""",
    counts="a stream is at another version than this append follows on",
)
SEALED: Final = Table(
    name="sealed", columns=SEALED_COLUMNS, types=_SEALED_TYPES, statement=_insert("vault", SEALED_COLUMNS)
)
RESEALED: Final = Table(
    name="resealed",
    columns=SEALED_COLUMNS,
    types=_SEALED_TYPES,
    statement=_insert("vault", SEALED_COLUMNS, f"ON CONFLICT (stream) DO UPDATE SET {_RESEALS}"),
)
# The rule that is broken where a peer belongs to another conversation.
PEER_RULE: Final = "address.conversation"
# A peer has one conversation for ever. Another one under the same address would break its order, so it breaks the
# column's NOT NULL instead, and with it this call alone.
ADDRESSES: Final = Table(
    name="addresses",
    columns="tenant, channel, subject, conversation",
    types=(_T, _T, _B, _N),
    statement=_insert(
        "address",
        "tenant, channel, subject, conversation",
        """ON CONFLICT (tenant, channel, subject)
  DO UPDATE SET conversation = NULL WHERE address.conversation <> excluded.conversation""",
    ),
)
ERASED: Final = Table(
    name="erased",
    columns="stream",
    types=(_N,),
    statement="DELETE FROM vault USING ok, {new} WHERE vault.stream = new.stream",
)
# Where it leads to the conversation, it leads to its negative from here on; elsewhere it stays as it is.
CLOSED: Final = Table(
    name="closed",
    columns="tenant, channel, subject, conversation",
    types=(_T, _T, _B, _N),
    statement=_insert(
        "address",
        "tenant, channel, subject, conversation",
        """ON CONFLICT (tenant, channel, subject)
  DO UPDATE SET conversation = excluded.conversation WHERE address.conversation = -excluded.conversation""",
    ),
)
GONE: Final = Table(
    name="gone",
    columns="tenant, channel, subject, conversation",
    types=(_T, _T, _B, _N),
    statement="""
DELETE FROM address USING ok, {new} WHERE address.tenant = new.tenant AND address.channel = new.channel
  AND address.subject = new.subject AND abs(address.conversation) = new.conversation""",
)
UNNAMED: Final = Table(
    name="unnamed",
    columns=_ALIAS,
    types=(_T, _T, _B, _N),
    statement="""
DELETE FROM alias USING ok, {new} WHERE alias.space = new.space AND alias.tenant = new.tenant AND alias.name = new.name
  AND alias.stream = new.stream""",
)
NAMED: Final = Table(
    name="named", columns=_ALIAS, types=(_T, _T, _B, _N), statement=_insert("alias", _ALIAS, "ON CONFLICT DO NOTHING")
)
TALLIES: Final = Table(
    name="tallies",
    columns="tenant, channel, lane, status, messages, attempts",
    types=(_T, _T, _T, _T, _N, _N),
    statement=_insert(
        "tally",
        "tenant, channel, lane, status, messages, attempts",
        """ON CONFLICT (tenant, channel, lane, status) DO UPDATE
  SET messages = tally.messages + excluded.messages, attempts = tally.attempts + excluded.attempts""",
    ),
)
SNAPSHOTS: Final = Table(
    name="snapshots",
    columns="stream, version, body",
    types=(_N, _N, _B),
    statement=_insert(
        "snapshot",
        "stream, version, body",
        """ON CONFLICT (stream) DO UPDATE SET version = excluded.version, body = excluded.body
  WHERE snapshot.version <= excluded.version""",
    ),
)
# One that has expired is taken over and goes to the end, where the order of expiry wants it. One that has not is left,
# nothing is answered for it, and what was to be its message is not written.
KEYS: Final = Table(
    name="keys",
    columns="tenant, key_hash, request_hash, stream, expires_us, at_us",
    types=(_T, _B, _B, _N, _N, _N),
    statement="""
INSERT INTO idem (tenant, key_hash, request_hash, stream, expires_us)
  SELECT new.tenant, new.key_hash, new.request_hash, new.stream, new.expires_us FROM ok, {new}
  ON CONFLICT (tenant, key_hash) DO UPDATE SET pos = DEFAULT, request_hash = excluded.request_hash,
    stream = excluded.stream, expires_us = excluded.expires_us
  WHERE idem.expires_us <= {last} RETURNING 1""",
    counts="an idempotency key is there already",
)
# What another daemon took in goes as its first event comes: whatever is repeated, it comes once.
TAKEN: Final = Table(
    name="taken",
    columns="id",
    types=(_N,),
    statement="DELETE FROM inbox USING ok, {new} WHERE inbox.id = new.id RETURNING 1",
    counts="an inbox row is gone",
)
MARKS: Final = Table(
    name="marks", columns="pos, seqs, links", types=(_N, _B, _B), statement=_insert("mark", "pos, seqs, links")
)

Rows = Sequence[Sequence[object]]
# Each table that has rows, in the order in which the statement names them.
Parts = list[tuple[Table, Rows]]


def parts_of(sheet: Sheet, epochs: list[int]) -> Parts:
    """The tables that a batch writes to, with its rows; `epochs` are those of all shards."""
    found: Parts = [
        (EVENTS, [(*row, epochs[row[1]]) for row in sheet.events]),
        (FRESH, [head_row(head) for head in sheet.fresh()]),
        (MOVED, [(*head_row(head), before) for head, before in sheet.moved()]),
        (SEALED, list(sheet.sealed.values())),
        (RESEALED, list(sheet.resealed.values())),
        # In one order everywhere, so that daemons which write the same addresses wait for each other in turn.
        (ADDRESSES, [(*address, conversation) for address, conversation in sorted(sheet.addresses.items())]),
        (ERASED, [(stream,) for stream in sorted(sheet.erased)]),
        (CLOSED, _changed(sheet, "closed", -1)),
        (GONE, _changed(sheet, "gone", 1)),
        (UNNAMED, sheet.aliases(leads=False)),
        (NAMED, sheet.aliases(leads=True)),
        (TALLIES, [(*key, *counted) for key, counted in sheet.counts.items()]),
        (SNAPSHOTS, [(kept.stream, kept.version, kept.body) for kept in sheet.snapshots.values()]),
    ]
    return [(table, rows) for table, rows in found if rows]


def _changed(sheet: Sheet, becomes: str, sign: int) -> list[tuple[object, ...]]:
    changes = sorted(sheet.changes.items(), key=itemgetter(0))
    return [(*address, sign * change.conversation) for address, change in changes if change.becomes == becomes]


def values_of(parts: Parts) -> list[list[object]]:
    """The values of a statement behind those of the fence: a list for each column."""
    return [list(column) for _, rows in parts for column in zip(*rows, strict=True)]


@lru_cache(maxsize=256)  # Batches differ in which tables they write to, and few such mixtures are common.
def statement_of(tables: tuple[Table, ...]) -> str:
    """The statement that writes to these tables. Its one row says whether the fence let the batch through."""
    steps = [_FENCE]
    checks: list[str] = []
    place = _FENCE_VALUES
    for table in tables:
        first, place = place + 1, place + len(table.types)
        arrays = ", ".join(f"${first + at}::{kind}[]" for at, kind in enumerate(table.types))
        new = f"unnest({arrays}) AS new ({table.columns})"
        # Where a row has to know when it came, that is its last column, and the latest of the batch is near enough.
        last = f"(SELECT max(at) FROM unnest(${place}::{table.types[-1]}[]) AS came (at))"
        steps.append(f"{table.name} AS ({table.statement.format(new=new, last=last)})")
        if table.counts:
            count = f"(SELECT count(*) FROM {table.name}) <> cardinality(${place}::{table.types[-1]}[])"
            checks.append(f"WHEN {count} THEN contradicted('{table.counts}')")
    checked = f"CASE {' '.join(checks)} ELSE TRUE END" if checks else "TRUE"
    return f"{', '.join(steps)}\nSELECT CASE WHEN EXISTS (SELECT 1 FROM ok) THEN {checked} ELSE FALSE END"
