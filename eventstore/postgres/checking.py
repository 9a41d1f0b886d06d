"""The check of a log in PostgreSQL as a person starts it: by URL, in the foreground.

This file answers for verification changing nothing, beside a daemon too. It must never mend anything.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import StoreRefused
from eventstore.audit.findings import Report
from eventstore.integrity import Progress, check
from eventstore.postgres.book import PostgresBook
from eventstore.postgres.connection import TROUBLE, Connection, connect, place_of, refused
from eventstore.postgres.schema import judge


def verify(url: str, progress: Progress | None = None) -> Report:
    """The full check of the log in a database, also beside the daemon that writes it. Raises StoreRefused.

    It runs an event loop of its own, so it is not called where one is running.
    """
    with asyncio.Runner() as runner, _reading(runner, url) as connection:
        return check(PostgresBook(runner, connection), progress)


@contextmanager
def _reading(runner: asyncio.Runner, url: str) -> Iterator[Connection]:
    try:
        connection = runner.run(connect(url, is_patient=True))
    except ValueError as error:
        raise refused(url, error) from error
    except TROUBLE as error:
        raise refused(url, error) from error
    try:
        runner.run(_begin(connection, url))
        yield connection
    except TROUBLE as error:
        raise refused(url, error) from error
    finally:
        connection.terminate()


async def _begin(connection: Connection, url: str) -> None:
    if not await judge(connection, url, is_to_read=True):
        raise StoreRefused(f"there is no log in {place_of(url)}")
    # One snapshot for all of it, whatever is committed meanwhile.
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
