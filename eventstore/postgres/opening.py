"""Opening the database: every reason to refuse it, said so that a person knows what to do.

This file answers for a log that is whole as far as a start can tell, and for giving back what was taken where it is
not. It must never change a database that it refuses.
"""

from collections.abc import Awaitable
from contextlib import AsyncExitStack
from typing import Final, TypeVar

from core.errors import StoreRefused, StoreUnavailable
from eventstore.postgres.committing import Committing
from eventstore.postgres.connection import CONNECT_S, TROUBLE, connect, create_pool, place_of, refused
from eventstore.postgres.line import begin
from eventstore.postgres.log import PostgresLog
from eventstore.postgres.owning import Beat, claim, leave
from eventstore.postgres.reader import MOST
from eventstore.postgres.reading import PostgresReading
from eventstore.postgres.recovery import numbering_of, oldest_expiry_us
from eventstore.postgres.schema import judge, prepare

_TROUBLE: Final[tuple[type[Exception], ...]] = (*TROUBLE, ValueError)

Result = TypeVar("Result")


async def open_log(url: str, *, identity: int) -> PostgresLog:
    """The log in this database, taken by this process; made where there is none. Raises StoreRefused or CorruptLog.

    `identity` is 63 random bits, fresh for each process start. `PostgresLog.lost()` raises StoreRefused once another
    daemon has taken the database over: whoever runs the process awaits it, and stops.
    """
    return await _refusing(url, _opened(url, identity))


async def read_log(url: str) -> PostgresReading:
    """The log in this database for reading, also beside a daemon. Raises StoreRefused or CorruptLog."""
    return await _refusing(url, _read(url))


async def _opened(url: str, identity: int) -> PostgresLog:
    async with AsyncExitStack() as undo:
        connection = await connect(url, for_writing=True)
        undo.callback(connection.terminate)
        await prepare(connection, url)
        ownership = await claim(connection, url, identity)
        undo.push_async_callback(leave, connection, ownership)
        line = await begin(url, connection, ownership)
        numbering = await numbering_of(connection)
        committing = Committing(line, ownership, numbering, await oldest_expiry_us(connection))
        beating = await connect(url)
        undo.callback(beating.terminate)
        pool = await create_pool(url, most=MOST)
        undo.callback(pool.terminate)
        # The server has room for a reader too, or says so now.
        async with pool.acquire(timeout=CONNECT_S):
            undo.pop_all()
    beat = Beat(url, beating, ownership)
    return PostgresLog(committing, pool=pool, line=line, ownership=ownership, beat=beat)


async def _read(url: str) -> PostgresReading:
    async with AsyncExitStack() as undo:
        pool = await create_pool(url, most=MOST)
        undo.push_async_callback(pool.close)
        async with pool.acquire(timeout=CONNECT_S) as connection:
            if not await judge(connection, url, is_to_read=True):
                raise StoreRefused(f"there is no log in {place_of(url)}")
            numbering = await numbering_of(connection)
        undo.pop_all()
    return PostgresReading(pool, numbering)


async def _refusing(url: str, opening: Awaitable[Result]) -> Result:
    """What `opening` gives; the driver's errors become StoreRefused, with the database's name and no password."""
    try:
        return await opening
    except StoreUnavailable as error:
        raise StoreRefused(str(error)) from error
    except _TROUBLE as error:
        raise refused(url, error) from error
