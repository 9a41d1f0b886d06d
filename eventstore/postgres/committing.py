"""A batch becomes durable: dedup, numbers, links and heads, then its rows as one statement.

This file answers for all or nothing of each call, and for a call that is at fault failing alone. It must never number
a batch on what is not durable.
"""

from typing import Final, cast

from core.errors import AppendUnknown, StoreUnavailable, StreamConflict
from core.records import Repeated, Stored
from eventstore.batches import Answer, Entry
from eventstore.marking import is_due, packed
from eventstore.numbering import Numbering
from eventstore.postgres.connection import TROUBLE, words_of
from eventstore.postgres.line import Line
from eventstore.postgres.months import Months
from eventstore.postgres.owning import Ownership
from eventstore.postgres.racing import is_race, late_of
from eventstore.postgres.recovery import numbering_of, oldest_expiry_us
from eventstore.postgres.sending import Contradicted, Sending
from eventstore.postgres.statements import KEYS, MARKS, TAKEN, parts_of
from eventstore.sheet import Sheet

# Expired dedup rows go along with commits: so many at a time, and so often by log time at most.
EXPIRED_ROWS_MAX: Final = 4_096
EXPIRED_EVERY_US: Final = 1_000_000

_KNOWN_KEYS: Final = """
SELECT idem.tenant, idem.key_hash, idem.stream, idem.request_hash, idem.expires_us
  FROM unnest($1::text[], $2::bytea[]) AS asked (tenant, key_hash)
  JOIN idem ON idem.tenant = asked.tenant AND idem.key_hash = asked.key_hash"""
_VERSIONS: Final = "SELECT stream, version FROM head WHERE stream = ANY($1::bigint[])"
_DROP_EXPIRED: Final = """
DELETE FROM idem WHERE pos IN (SELECT pos FROM idem ORDER BY pos LIMIT $2) AND expires_us <= $3
  AND EXISTS (SELECT 1 FROM node WHERE node = $1 AND state = 'up')"""
_PROBE: Final = """
UPDATE meta SET value = value + 1 WHERE name = 'probes'
  AND EXISTS (SELECT 1 FROM node WHERE node = $1 AND state = 'up')"""

_TROUBLE: Final[tuple[type[Exception], ...]] = (*TROUBLE, StoreUnavailable)

Key = tuple[str, bytes]
# stream, request hash, expiry.
Known = tuple[int, bytes, int]
# As KEYS wants it: the key, request hash, stream, expiry, and when it came.
Claim = tuple[str, bytes, bytes, int, int, int]


class Committing:
    """The writer's side of the store: where the log goes on, and the next batch."""

    def __init__(
        self, line: Line, ownership: Ownership, numbering: Numbering, *, months: Months, expiry_us: int | None
    ) -> None:
        self.numbering = numbering
        self._line = line
        self._ownership = ownership
        self._months = months
        # When dedup rows may be dropped next; None where there is none.
        self._expiry_us = expiry_us

    async def commit(self, batch: list[Entry]) -> list[Answer]:
        """The answer to each call, all of them durable. Raises StoreUnavailable where nothing of the batch was written.

        Raises AppendUnknown where only a probe can tell.
        """
        self._ownership.check()
        if batch[-1].at_us >= self._months.due_us:
            await self._months.heed(batch[-1].at_us)
        answers = await self._write(batch)
        await self._drop_expired()
        return answers

    async def probe(self) -> None:
        """A tiny commit, to see whether writing works again, and where the log stands. Raises StoreUnavailable."""
        self._ownership.check()
        try:
            connection = await self._line.connected()
            await connection.execute(_PROBE, self._ownership.identity)
            self.numbering = await numbering_of(connection)
            self._expiry_us = await oldest_expiry_us(connection)
        except TROUBLE as error:
            # The next one may reach another server, where this one has become a standby.
            self._line.drop()
            raise StoreUnavailable(f"the log cannot be written now: {words_of(error)}") from error

    async def _write(self, batch: list[Entry]) -> list[Answer]:
        """The batch together; where some call is at fault its halves, so that only that one is left out."""
        try:
            return await self._write_raced(batch)
        except Contradicted as error:
            if len(batch) == 1:
                return [await self._blamed(batch[0], error)]
        except (StreamConflict, OverflowError, ValueError) as error:
            if len(batch) == 1:
                return [error]
        middle = len(batch) // 2
        answers = await self._write(batch[:middle])
        try:
            return answers + await self._write(batch[middle:])
        except StoreUnavailable as error:
            raise AppendUnknown(f"the log failed within a batch: {error}") from error

    async def _write_raced(self, batch: list[Entry]) -> list[Answer]:
        """The batch together, and again where another daemon took in something of it at that moment."""
        try:
            return await self._write_together(batch, {})
        except Contradicted as error:
            if not is_race(error):
                raise
        late = await late_of(Sending(self._line, self._ownership, self.numbering), batch)
        return await self._write_together(batch, late)

    async def _blamed(self, entry: Entry, error: Contradicted) -> StreamConflict:
        # What PostgreSQL says names a constraint; whoever reads it wants to know what is there.
        streams = sorted({stream for stream, *_ in entry.parts})
        rows = await Sending(self._line, self._ownership, self.numbering).ask(_VERSIONS, streams)
        versions = dict(cast("list[tuple[int, int]]", rows))
        known = [f"{stream} is at version {versions.get(stream, 0)}" for stream in streams]
        return StreamConflict(f"an append contradicts the store ({error}): of its streams {', '.join(known)}")

    async def _write_together(self, batch: list[Entry], late: dict[int, StreamConflict]) -> list[Answer]:
        """All calls but those that came too late, which have their answer by their place in the batch."""
        sending = Sending(self._line, self._ownership, self.numbering)
        known = await _known_keys(sending, batch)
        claims: dict[Key, Claim] = {}
        numbering, sheet = self.numbering.copy(), Sheet()
        answers: list[Answer] = []
        answer: Answer
        taken: list[tuple[int]] = []
        for at, entry in enumerate(batch):
            answer = late.get(at) or _claimed(entry, known, claims)
            if answer is None:
                sheet.add(entry, numbering)
                if entry.append is not None and entry.append.inbox:
                    taken.append((entry.append.inbox,))
                answer = Stored() if entry.acceptance is not None else None
            answers.append(answer)
        parts = parts_of(sheet, self._ownership.epochs)
        if claims:
            # In one order everywhere, so that daemons which claim the same keys wait for each other in turn.
            parts.append((KEYS, sorted(claims.values())))
        if taken:
            parts.append((TAKEN, taken))
        if is_due(self.numbering.pos, numbering):
            parts.append((MARKS, [(numbering.pos, *packed(numbering))]))
        if parts:
            await sending.send(parts, sheet)
        self.numbering = numbering
        if claims and self._expiry_us is None:
            self._expiry_us = min(claim[4] for claim in claims.values())
        return answers

    async def _drop_expired(self) -> None:
        at_us = self.numbering.at_us
        if self._expiry_us is None or self._expiry_us > at_us:
            return
        try:
            connection = await self._line.connected()
            await connection.execute(_DROP_EXPIRED, self._ownership.identity, EXPIRED_ROWS_MAX, at_us)
            oldest_us = await oldest_expiry_us(connection)
        except _TROUBLE:
            # What the batch came to is known. The next one finds out about the line, and drops these rows.
            self._line.drop()
        else:
            self._expiry_us = None if oldest_us is None else max(oldest_us, at_us + EXPIRED_EVERY_US)


async def _known_keys(sending: Sending, batch: list[Entry]) -> dict[Key, Known]:
    """The dedup rows that are there under a batch's keys."""
    keys = [
        (entry.acceptance.append.tenant, entry.acceptance.dedup.key_hash)
        for entry in batch
        if entry.acceptance is not None and entry.acceptance.dedup is not None
    ]
    if not keys:
        return {}
    columns = [list(column) for column in zip(*keys, strict=True)]
    rows = cast("list[tuple[str, bytes, int, bytes, int]]", await sending.ask(_KNOWN_KEYS, *columns))
    return {(row[0], row[1]): (row[2], row[3], row[4]) for row in rows}


def _claimed(entry: Entry, known: dict[Key, Known], claims: dict[Key, Claim]) -> Repeated | None:
    """Puts an acceptance's key among the claims; the answer to it where an earlier one has the key."""
    acceptance = entry.acceptance
    if acceptance is None or acceptance.dedup is None:
        return None
    dedup, stream = acceptance.dedup, acceptance.sealed.stream
    key = acceptance.append.tenant, dedup.key_hash
    before = known.get(key)
    if before is not None and before[2] > entry.at_us:
        return Repeated(stream=before[0], same=dedup.is_of(before[1]))
    known[key] = stream, dedup.request_hash, dedup.expires_us
    claims[key] = *key, dedup.request_hash, stream, dedup.expires_us, entry.at_us
    return None
