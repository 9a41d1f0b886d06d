"""A batch becomes durable: one transaction on the writer's thread, with dedup, numbers, links and heads.

This file answers for all or nothing of each call, and for saying truly what a failure left behind. It must never touch
the event loop: it runs on the connection's thread.
"""

import sqlite3
from typing import Final

from core.errors import AppendUnknown, StoreUnavailable, StreamConflict
from core.records import Repeated, Stored
from eventstore.batches import Answer, Entry
from eventstore.numbering import Numbering
from eventstore.sheet import Sheet
from eventstore.sqlite.bulk import Bulk
from eventstore.sqlite.connecting import empty_wal, wrote_nothing
from eventstore.sqlite.marks import write_mark
from eventstore.sqlite.recovery import numbering_of, oldest_expiry_us
from eventstore.sqlite.sheet import write

# Expired dedup rows go along with commits, so many at a time at most.
EXPIRED_ROWS_MAX: Final = 512
# About 2 MB: to look an address up in its table takes as long as writing a row of the vault.
ADDRESSES_KEPT: Final = 8_192

_INTO_KEYS: Final = "INSERT OR FAIL INTO idem (tenant, key_hash, request_hash, stream, expires_us)"
_UNLESS_KNOWN: Final = "ON CONFLICT (tenant, key_hash) DO NOTHING"
_KEY: Final = f"{_INTO_KEYS} VALUES (?, ?, ?, ?, ?)"
_NEW_KEY: Final = f"{_KEY} {_UNLESS_KNOWN}"
_NEW_KEYS: Final = Bulk(_INTO_KEYS, 5, _UNLESS_KNOWN)
_KNOWN_KEY: Final = "SELECT stream, request_hash, expires_us FROM idem WHERE tenant = ? AND key_hash = ?"
_DROP_KEY: Final = "DELETE FROM idem WHERE tenant = ? AND key_hash = ?"
# Rows that came last stand last: `pos` is one more than the largest for each.
_DROP_LAST: Final = "DELETE FROM idem WHERE pos > (SELECT max(pos) FROM idem) - ?"
_DROP_EXPIRED: Final = "DELETE FROM idem WHERE pos IN (SELECT pos FROM idem ORDER BY pos LIMIT ?) AND expires_us <= ?"
# A page that does not change is not written, so the probe counts.
_PROBE: Final = "UPDATE meta SET value = value + 1 WHERE name = 'probes'"

# What a call can get wrong by itself (a version that is taken, a number or text that SQLite cannot hold): it fails
# alone, and the rest of its batch is written without it.
_OFFENCES: Final = (
    StreamConflict,
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    ValueError,
)

KeyRow = tuple[str, bytes, bytes, int, int]
Address = tuple[str, str, bytes]


class Committing:
    """The writer's side of the store: where the log goes on, and the next transaction."""

    def __init__(self, numbering: Numbering, expiry_us: int | None, *, may_hold_erased: bool = False) -> None:
        self.numbering = numbering
        # When the oldest dedup row expires; None where there is none.
        self._expiry_us = expiry_us
        # Addresses whose conversations are surely in the file, so that saying so again would change nothing, and those
        # that are with the commit under way.
        self._addresses: dict[Address, int] = {}
        self._addressed: dict[Address, int] = {}
        # Whether the write-ahead log may still hold rows that were erased.
        self._has_erased = may_hold_erased

    def commit(self, connection: sqlite3.Connection, batch: list[Entry]) -> list[Answer]:
        """The answer to each call, all of them durable. Raises StoreUnavailable where nothing of the batch was written.

        Raises AppendUnknown where only recovery can tell.
        """
        self._addressed = {}
        try:
            connection.execute("BEGIN IMMEDIATE")
            answers, numbering = self._write(connection, batch)
            write_mark(connection, self.numbering.pos, numbering)
            self._drop_expired(connection, numbering.at_us)
            self._end(connection)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the log cannot be written now: {error}") from error
        finally:
            roll_back(connection)
        self.numbering = numbering
        if len(self._addresses) + len(self._addressed) > ADDRESSES_KEPT:
            self._addresses.clear()
        self._addresses |= self._addressed
        if self._has_erased:
            # Where somebody else reads there just now, the next commit tries again.
            self._has_erased = not empty_wal(connection)
        return answers

    def probe(self, connection: sqlite3.Connection) -> None:
        """A tiny commit, to see whether writing works again, and where the log stands. Raises sqlite3.Error."""
        roll_back(connection)
        connection.execute(_PROBE)
        self.numbering = numbering_of(connection)
        self._expiry_us = oldest_expiry_us(connection)

    def _write(self, connection: sqlite3.Connection, batch: list[Entry]) -> tuple[list[Answer], Numbering]:
        numbering = self.numbering.copy()
        try:
            return self._write_together(connection, batch, numbering), numbering
        except _OFFENCES:
            connection.execute("ROLLBACK")
            connection.execute("BEGIN IMMEDIATE")
        return self._write_apart(connection, batch)

    def _write_together(self, connection: sqlite3.Connection, batch: list[Entry], numbering: Numbering) -> list[Answer]:
        repeats = _claim_keys(connection, batch)
        sheet = Sheet()
        answers: list[Answer] = []
        for entry in batch:
            repeated = repeats.get(id(entry))
            if repeated is None:
                sheet.add(entry, numbering)
                answers.append(Stored() if entry.acceptance is not None else None)
            else:
                answers.append(repeated)
        for address in sheet.changes:
            # Whoever writes there next has to be told, be it in this very commit.
            self._addresses.pop(address, None)
            self._addressed.pop(address, None)
        known = self._addresses
        sheet.addresses = {address: peer for address, peer in sheet.addresses.items() if known.get(address) != peer}
        write(connection, sheet)
        self._has_erased = self._has_erased or bool(sheet.erased)
        self._addressed |= sheet.addresses
        return answers

    def _write_apart(self, connection: sqlite3.Connection, batch: list[Entry]) -> tuple[list[Answer], Numbering]:
        # Some call of the batch is at fault. Each is written on its own, and only those that cannot be are left out.
        numbering = self.numbering
        answers: list[Answer] = []
        for entry in batch:
            attempt = numbering.copy()
            connection.execute("SAVEPOINT one")
            try:
                answers += self._write_together(connection, [entry], attempt)
                numbering = attempt
            except _OFFENCES as error:
                connection.execute("ROLLBACK TO one")
                answers.append(_blamed(connection, entry, error))
            connection.execute("RELEASE one")
        return answers, numbering

    def _drop_expired(self, connection: sqlite3.Connection, at_us: int) -> None:
        if self._expiry_us is None:
            self._expiry_us = oldest_expiry_us(connection)
        if self._expiry_us is not None and self._expiry_us <= at_us:
            connection.execute(_DROP_EXPIRED, (EXPIRED_ROWS_MAX, at_us))
            self._expiry_us = oldest_expiry_us(connection)

    def _end(self, connection: sqlite3.Connection) -> None:
        last = self.numbering.pos
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            roll_back(connection)
            if wrote_nothing(error) and _last_pos(connection) == last:
                raise StoreUnavailable(f"the log cannot be written now: {error}") from error
            raise AppendUnknown(f"the log failed while it committed: {error}") from error


def roll_back(connection: sqlite3.Connection) -> None:
    """Ends what is open without an effect. Where even that fails, the next probe tries again."""
    if connection.in_transaction:
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error:
            pass


def _last_pos(connection: sqlite3.Connection) -> int | None:
    try:
        (pos,) = connection.execute("SELECT ifnull(max(pos), 0) FROM event").fetchone()
    except sqlite3.Error:
        return None
    return int(pos)


def _claim_keys(connection: sqlite3.Connection, batch: list[Entry]) -> dict[int, Repeated]:
    """Inserts the dedup rows of a batch; the calls that lost to an earlier one, by the id of their entry."""
    claims: list[tuple[Entry, KeyRow]] = []
    for entry in batch:
        acceptance = entry.acceptance
        if acceptance is None or acceptance.dedup is None:
            continue
        dedup, tenant, stream = acceptance.dedup, acceptance.append.tenant, acceptance.sealed.stream
        claims.append((entry, (tenant, dedup.key_hash, dedup.request_hash, stream, dedup.expires_us)))
    if len(claims) > 1 and _claim_all(connection, [row for _, row in claims]):
        return {}
    # Where some key is there already, one after another tells which call lost to which.
    return {id(entry): repeated for entry, row in claims if (repeated := _claim(connection, entry, row))}


def _claim_all(connection: sqlite3.Connection, rows: list[KeyRow]) -> bool:
    """Inserts all of these rows together, or none where one of their keys is there already."""
    claimed = _NEW_KEYS.run(connection, rows)
    if claimed < len(rows):
        # No savepoint: every page that the rows touch would be copied first, for what hardly ever comes to pass.
        connection.execute(_DROP_LAST, (claimed,))
    return claimed == len(rows)


def _claim(connection: sqlite3.Connection, entry: Entry, row: KeyRow) -> Repeated | None:
    """Inserts one dedup row; the answer to its call where an earlier one has the key."""
    if connection.execute(_NEW_KEY, row).rowcount:
        return None
    tenant, key_hash, _, _, _ = row
    stream, known_request, expires_us = connection.execute(_KNOWN_KEY, (tenant, key_hash)).fetchone()
    if expires_us > entry.at_us:
        dedup = None if entry.acceptance is None else entry.acceptance.dedup
        assert dedup is not None, "its row was made of it"
        return Repeated(stream=stream, same=dedup.is_of(known_request))
    # Forgotten, but not yet dropped. The new row goes to the end, where the order of expiry wants it.
    connection.execute(_DROP_KEY, (tenant, key_hash))
    connection.execute(_KEY, row)
    return None


def _blamed(connection: sqlite3.Connection, entry: Entry, error: Exception) -> Answer:
    if isinstance(error, StreamConflict | OverflowError | ValueError):
        return error
    # What SQLite says names a constraint; whoever reads it wants to know what is there.
    known = [f"{stream} is at version {_version(connection, stream)}" for stream, *_ in entry.parts]
    return StreamConflict(f"an append contradicts the store ({error}): of its streams {', '.join(known)}")


def _version(connection: sqlite3.Connection, stream: int) -> int:
    (version,) = connection.execute("SELECT ifnull(max(version), 0) FROM head WHERE stream = ?", (stream,)).fetchone()
    return int(version)
