"""Whether a database answers, asked before anything depends on it.

This file answers for an answer within seconds. It must never make or change anything.
"""

from typing import Final

from eventstore.postgres.connection import TROUBLE, connect, refused
from eventstore.postgres.schema import version_in

_TROUBLE: Final[tuple[type[Exception], ...]] = (*TROUBLE, ValueError)


async def has_log(url: str) -> bool:
    """Whether there is a log of ours in this database. Raises StoreRefused where it does not answer or has another."""
    try:
        connection = await connect(url)
        try:
            return bool(await version_in(connection, url))
        finally:
            connection.terminate()
    except _TROUBLE as error:
        raise refused(url, error) from error
