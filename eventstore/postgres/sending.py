"""One batch on its way to the database: sent, and sent again where the connection broke, until its fate is known.

This file answers for saying truly what a failure left behind. It must never take a lost connection for a proof that
nothing was written: only a new turn, and a look at what is there, is one.
"""

import re
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Final, NoReturn, TypeVar

from core.errors import AppendUnknown, StoreUnavailable, StreamConflict, TidingsError
from eventstore.numbering import Numbering
from eventstore.postgres.connection import (
    CROSSED,
    FAILED,
    LOST,
    TROUBLE,
    Connection,
    Row,
    broken_rule,
    is_misfit,
    is_offence,
    words_of,
)
from eventstore.postgres.line import Line
from eventstore.postgres.owning import Ownership
from eventstore.postgres.statements import Parts, statement_of, values_of
from eventstore.sheet import Sheet

# A connection may break again as often as it was made again, or another transaction be in the way each time.
SENT_MAX: Final = 5

_LANDED: Final = "SELECT stream, version, link, epoch FROM event WHERE pos > $1 AND pos <= $2 ORDER BY pos"
# The rule of each month that a place in the log is taken once, which only somebody else's event can break.
_PLACES: Final = re.compile(r"event_\w+_pkey")

Result = TypeVar("Result")


class Contradicted(StreamConflict):
    """The store says no to a batch, and only in the words of a rule of its own; `rule` names it where it has a name."""

    def __init__(self, words: str, rule: str) -> None:
        super().__init__(words)
        self.rule = rule


class Trip:
    """The line for the time of one batch, whatever is in it."""

    def __init__(self, line: Line, ownership: Ownership) -> None:
        self._line = line
        self._ownership = ownership
        # Whether something was sent and nobody knows what it came to.
        self._is_open = False

    async def ask(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """The rows that a question gives. Raises StoreUnavailable."""
        return [tuple(row) for row in await self._through(lambda connection: connection.fetch(statement, *values))]

    async def _told(self, connection: Connection, statement: str, *values: object) -> Row:
        """The one row that a statement gives which writes. Raises what the driver raises."""
        self._is_open = True
        try:
            row = await connection.fetchrow(statement, *values)
        except LOST:
            raise
        except FAILED:
            # The server tells of a statement that it has undone.
            self._is_open = False
            raise
        self._is_open = False
        assert row is not None, "a statement that writes tells what it came to"
        return row

    def _refuse_another(self) -> NoReturn:
        """The fence let nothing through."""
        self._ownership.lose_to_another()
        raise self._ownership.refusal()

    async def _through(self, work: Callable[[Connection], Awaitable[Result]]) -> Result:
        for tries in count(1):
            connection = await self._connection()
            try:
                return await work(connection)
            except LOST as error:
                self._line.drop()
                if tries == SENT_MAX:
                    raise self._fate(error) from error
            except CROSSED as error:
                if tries == SENT_MAX:
                    raise self._fate(error) from error
            except FAILED as error:
                raise self._fault(error) from error
        raise AssertionError("the last try returns or raises")

    async def _connection(self) -> Connection:
        try:
            return await self._line.again()
        except TROUBLE as error:
            raise self._fate(error) from error
        except StoreUnavailable as error:
            raise self._fate(error) from error

    def _fault(self, error: Exception) -> TidingsError | ValueError:
        if _PLACES.fullmatch(broken_rule(error)):
            self._ownership.lose("somebody else has written to it")
            return self._ownership.refusal()
        if is_misfit(error):
            return ValueError(f"an append holds {words_of(error)}")
        if is_offence(error):
            return Contradicted(words_of(error), broken_rule(error))
        return self._fate(error)

    def _fate(self, error: Exception) -> StoreUnavailable | AppendUnknown:
        """What is known of the batch where it cannot go on."""
        words = str(error) if isinstance(error, StoreUnavailable) else words_of(error)
        if self._is_open:
            return AppendUnknown(f"the log failed while it committed: {words}")
        return StoreUnavailable(f"the log cannot be written now: {words}")


class Sending(Trip):
    """A batch of the log, which is to follow on `before`."""

    def __init__(self, line: Line, ownership: Ownership, before: Numbering) -> None:
        super().__init__(line, ownership)
        self._before = before

    async def send(self, parts: Parts, sheet: Sheet) -> None:
        """Returns once the batch is durable.

        Raises StreamConflict or ValueError where it contradicts the store, StoreUnavailable where nothing of it was
        written, and AppendUnknown where that is not known.
        """
        statement, values = statement_of(tuple(table for table, _ in parts)), values_of(parts)
        shards = sorted({row[1] for row in sheet.events})
        epochs = [self._ownership.epochs[shard] for shard in shards]

        async def sent(connection: Connection) -> bool:
            if self._is_open and await self._has_landed(connection, sheet):
                return True
            fence = self._ownership.identity, self._line.turn, shards, epochs
            return bool((await self._told(connection, statement, *fence, *values))[0])

        if not await self._through(sent):
            self._refuse_another()

    async def _has_landed(self, connection: Connection, sheet: Sheet) -> bool:
        """Whether what was sent through an earlier connection is there. It cannot come later: its turn is over."""
        last = self._before.pos + len(sheet.events)
        found = [tuple(row) for row in await connection.fetch(_LANDED, self._before.pos, last)]
        # A link is made over every byte of its event and of those before it.
        ours = [(row[3], row[4], row[11], self._ownership.epochs[row[1]]) for row in sheet.events]
        self._is_open = False
        if found and found != ours:
            self._ownership.lose("somebody else has written to it")
            self._ownership.check()
        return bool(found)
