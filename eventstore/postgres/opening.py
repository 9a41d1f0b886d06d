"""Opening the database: every reason to refuse it, said so that a person knows what to do.

This file answers for a log that is whole as far as a start can tell, and for giving back what was taken where it is
not. It must never change a database that it refuses.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final, TypeVar

from core.errors import StoreRefused, StoreUnavailable
from core.ownership import SILENCE_S
from core.ports import Witness
from eventstore.postgres.connection import BUSY, CONNECT_S, TROUBLE, connect, create_pool, place_of, refused
from eventstore.postgres.hints import Hints
from eventstore.postgres.log import PostgresLog
from eventstore.postgres.node import Node
from eventstore.postgres.owning import arrive
from eventstore.postgres.presence import Presence
from eventstore.postgres.reader import MOST, SOUGHT_MOST
from eventstore.postgres.reading import PostgresReading
from eventstore.postgres.recovery import numbering_of
from eventstore.postgres.schema import judge, prepare

_TROUBLE: Final[tuple[type[Exception], ...]] = (*TROUBLE, ValueError)

# A daemon that cannot begin is started again by its supervisor, which may count how often. So it tries itself for a
# while, for longer than anybody who stopped in the middle of a takeover may hold the others up.
AGAIN_FOR_S: Final = 20.0
_AGAIN_S: Final = 0.5

Result = TypeVar("Result")


async def open_node(url: str, *, identity: int, witness: Witness | None = None) -> Node:
    """This process as a daemon on the database, whoever acts there; tables are made where there are none.

    `identity` is 63 random bits, fresh for each process start. `Node.lost()` raises StoreRefused once another daemon
    has taken this one for dead: whoever runs the process awaits it, and stops. Raises StoreRefused or CorruptLog.
    """
    return await _refusing(url, _arrived(url, identity, witness))


async def open_log(url: str, *, identity: int) -> PostgresLog:
    """The log in this database, taken by this process. Raises StoreRefused while another daemon acts, or CorruptLog.

    For what acts now or not at all; a daemon stands by (`open_node`). `PostgresLog.lost()` is as `Node.lost()`.
    """
    node = await open_node(url, identity=identity)
    async with AsyncExitStack() as undo:
        undo.push_async_callback(node.close)
        found = await _refusing(url, node.act())
        if not isinstance(found, PostgresLog):
            raise StoreRefused(
                f"another daemon uses this database; it was last heard of {found.silent_s:.0f} s ago"
                f" ({place_of(url)}): stop it first, or if it has died start again once it was silent for"
                f" {SILENCE_S:.0f} s"
            )
        undo.pop_all()
    return found


async def read_log(url: str) -> PostgresReading:
    """The log in this database for reading, also beside a daemon. Raises StoreRefused or CorruptLog."""
    return await _refusing(url, _read(url))


async def insisted(step: Callable[[], Awaitable[Result]]) -> Result:
    """What a step gives, which leaves nothing behind where it fails: taken again for a while where the server is busy.

    Raises what it raised at last.
    """
    loop = asyncio.get_running_loop()
    end_s = loop.time() + AGAIN_FOR_S
    while True:
        try:
            return await step()
        except BUSY:
            if loop.time() + _AGAIN_S > end_s:
                raise
        await asyncio.sleep(_AGAIN_S)


async def _arrived(url: str, identity: int, witness: Witness | None) -> Node:
    async with AsyncExitStack() as undo:
        connection = await connect(url)
        undo.callback(connection.terminate)
        await insisted(lambda: prepare(connection, url))
        numbering = await insisted(lambda: numbering_of(connection))
        pool = await create_pool(url, most=MOST, most_anew=SOUGHT_MOST)
        undo.callback(pool.terminate)
        # The server has room for a reader too, or says so now.
        async with pool.acquire(timeout=CONNECT_S):
            pass
        hints = Hints(pool)
        await hints.listen(connection)
        # From here on it must be heard of, so nothing that may take its time comes after this.
        ownership = await insisted(lambda: arrive(connection, url, identity))
        undo.pop_all()
    presence = Presence(url, connection, ownership, hints)
    return Node(
        url, ownership=ownership, pool=pool, presence=presence, hints=hints, numbering=numbering, witness=witness
    )


async def _read(url: str) -> PostgresReading:
    async with AsyncExitStack() as undo:
        pool = await create_pool(url, most=MOST, most_anew=SOUGHT_MOST)
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
