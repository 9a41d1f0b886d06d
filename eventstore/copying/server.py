"""The side of a copy that is a PostgreSQL database.

This file answers for reading all rows in one snapshot, and for writing them in one transaction that another daemon
cannot slip into. It must never write where there is an event already.
"""
# ruff: noqa: S608  # Statements are put together from constants of ours; every value is bound.

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Protocol, cast

from core.errors import StoreRefused
from core.ownership import SILENCE_S
from eventstore.copying.tables import CHUNK, TABLES, Row, Sum, Table
from eventstore.integrity import Steps
from eventstore.postgres.connection import SCHEMA, TROUBLE, Connection, connect, place_of, refused, words_of
from eventstore.postgres.months import Month, lacking, make
from eventstore.postgres.schema import judge
from eventstore.rows import SEALED_COLUMNS

# The longest that one table may take; a copy is watched by whoever started it.
_PATIENCE_S: Final = 24 * 3_600.0
# The place of `owes` in a head, a truth value here and a number in a file.
_OWES: Final = 19
# Events that were copied come before every owner of their shard, whose epochs begin at 1.
_NO_EPOCH: Final = 0
# Whoever else is on the database, be it to stand by: it acts as soon as we have gone.
_COMPANY: Final = f"""
SELECT count(*) FROM node JOIN beat USING (node)
  WHERE state = 'up' AND node.node <> $1 AND at > clock_timestamp() - interval '{SILENCE_S:.0f} seconds'"""
# What daemons that stood by took in or were told, and that no daemon has recorded yet.
_WAITING: Final = "SELECT count(*) FROM inbox WHERE kind <> 'request'"
# Whoever looks at a log beside daemons sees no vault row of a message that has no event yet.
_QUESTIONS: Final = {
    "vault": f"""
SELECT {SEALED_COLUMNS} FROM vault
  WHERE NOT EXISTS (SELECT 1 FROM inbox WHERE kind = 'message' AND inbox.stream = vault.stream) ORDER BY stream"""
}
# A URL that makes no sense is only noticed here.
_AT_FIRST: Final[tuple[type[Exception], ...]] = (*TROUBLE, ValueError)


class Copying(Protocol):
    """What a copy asks of the driver's connection."""

    async def execute(self, statement: str) -> str:
        """Does it."""
        ...

    async def fetchval(self, statement: str, *values: object, timeout: float) -> Any:  # noqa: ANN401, ASYNC109  # The driver's own.
        """The first column of the first row."""
        ...

    def cursor(self, statement: str, *, prefetch: int) -> AsyncIterator[Sequence[Any]]:
        """All rows, some at a time, within a transaction."""
        ...

    async def copy_records_to_table(
        self,
        table_name: str,
        *,
        records: Sequence[Row],
        columns: Sequence[str],
        schema_name: str,
        timeout: float,  # noqa: ASYNC109  # The driver's own.
    ) -> str:
        """Adds rows to a table."""
        ...

    def transaction(self, *, isolation: str, readonly: bool) -> AbstractAsyncContextManager[None]:
        """One transaction around what happens within."""
        ...


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[Copying]:
    """A connection that sees the log as it is now for as long as the block lasts. Raises StoreRefused."""
    async with _transaction(url, isolation="repeatable_read", readonly=True) as connection:
        if not await judge(cast("Connection", connection), url):
            raise StoreRefused(f"there is no log in {place_of(url)}")
        yield connection


async def refuse_company(url: str, identity: int) -> None:
    """Raises StoreRefused where a daemon is on the database beside this node."""
    async with _transaction(url, isolation="read_committed", readonly=True) as connection:
        others = await connection.fetchval(_COMPANY, identity, timeout=_PATIENCE_S)
        if others:
            raise StoreRefused(f"daemons use {place_of(url)} ({others}): stop all of them first; nothing was changed")


async def make_months(url: str, months: Sequence[Month]) -> None:
    """Leaves a partition for each of these months, empty for now. Raises StoreRefused."""
    try:
        connection = await connect(url)
        try:
            for month, strayed in (await lacking(connection, months)).items():
                await make(connection, month, strayed=strayed)
        finally:
            connection.terminate()
    except TROUBLE as error:
        raise refused(url, error) from error


async def refuse_waiting(connection: Copying, url: str) -> None:
    """Raises StoreRefused where something was accepted that the log does not hold yet: a file has no place for it."""
    waiting = await connection.fetchval(_WAITING, timeout=_PATIENCE_S)
    if waiting:
        raise StoreRefused(
            f"what was accepted waits in {place_of(url)} to be taken in ({waiting}): start a daemon, which does so at"
            " once, and stop it again; nothing was changed"
        )


@asynccontextmanager
async def writing(url: str, identity: int) -> AsyncIterator[Copying]:
    """A connection whose writes are committed at the end of the block, as long as this node still owns the log."""
    async with _transaction(url, isolation="read_committed", readonly=False) as connection:
        # Whoever would take the log over waits for this row, so for the end of the copy.
        state = await connection.fetchval(
            "SELECT state FROM node WHERE node = $1 FOR SHARE", identity, timeout=_PATIENCE_S
        )
        if state != "up":
            raise StoreRefused(f"{place_of(url)} was taken over by another daemon; nothing was changed")
        yield connection


@asynccontextmanager
async def _transaction(url: str, *, isolation: str, readonly: bool) -> AsyncIterator[Copying]:
    try:
        opened = await connect(url, is_patient=True)
    except _AT_FIRST as error:
        raise refused(url, error) from None
    connection = cast("Copying", opened)
    try:
        async with connection.transaction(isolation=isolation, readonly=readonly):
            yield connection
    except TROUBLE as error:
        raise StoreRefused(f"{place_of(url)}: the copy was cut short and undone: {words_of(error)}") from None
    finally:
        opened.terminate()


async def size_of(connection: Copying) -> int:
    """How many rows the log has, over all tables."""
    counts = [
        int(await connection.fetchval(f"SELECT count(*) FROM {table.name}", timeout=_PATIENCE_S)) for table in TABLES
    ]
    return sum(counts)


async def chunks_of(connection: Copying) -> AsyncIterator[tuple[Table, list[Row]]]:
    """All rows of all tables, in order, some at a time."""
    for table in TABLES:
        chunk: list[Row] = []
        async for row in connection.cursor(_QUESTIONS.get(table.name, table.question), prefetch=CHUNK):
            chunk.append(_plain(table, tuple(row)))
            if len(chunk) == CHUNK:
                yield table, chunk
                chunk = []
        if chunk:
            yield table, chunk


async def sums_of(connection: Copying, steps: Steps) -> dict[str, Sum]:
    """What the log holds, table by table."""
    sums = {table.name: Sum() for table in TABLES}
    async for table, chunk in chunks_of(connection):
        sums[table.name].add(chunk)
        steps.heard(len(chunk))
    return sums


async def write(connection: Copying, table: Table, rows: Sequence[Row]) -> None:
    """Adds rows to a table."""
    columns = table.columns.split(", ")
    if table.name == "event":
        columns, rows = [*columns, "epoch"], [(*row, _NO_EPOCH) for row in rows]
    if table.name == "head":
        rows = [(*row[:_OWES], bool(row[_OWES]), *row[_OWES + 1 :]) for row in rows]
    await connection.copy_records_to_table(
        table.name, records=rows, columns=columns, schema_name=SCHEMA, timeout=_PATIENCE_S
    )


async def take_stock(connection: Copying) -> None:
    """Lets the server know what its tables hold by now, which it would find out by itself only later."""
    await connection.execute(f"ANALYZE {', '.join(table.name for table in TABLES)}")


def _plain(table: Table, row: Row) -> Row:
    if table.name != "head":
        return row
    owes = row[_OWES]
    assert isinstance(owes, bool), f"owes is a truth value, not {owes!r}"
    return (*row[:_OWES], int(owes), *row[_OWES + 1 :])
