"""What other daemons left, for the one that acts: the Inbox port over a database.

This file answers for a request being taken once, whatever becomes of it. It must never take a message in: that is
the log's, in the same commit as its event.
"""

from collections.abc import Sequence
from typing import Final

from core.records import Waiting
from eventstore.postgres.connection import Row
from eventstore.postgres.errands import Errands
from eventstore.postgres.hints import LEFT, Hints

# How often it is looked at without a hint.
LOOKED_AT_S: Final = 0.25

_WAITING: Final = """
SELECT id, kind, stream, tenant, asker, body FROM inbox WHERE id > $1 AND NOT taken ORDER BY id LIMIT $2"""
# Durable before anybody begins: what is withdrawn at this moment is either gone already, or not withdrawn any more. The
# row stays for its answer, and goes with whoever took it.
_TAKE: Final = """
UPDATE inbox SET taken = TRUE WHERE id = ANY($1::bigint[]) AND NOT taken
  AND EXISTS (SELECT 1 FROM node WHERE node = $2 AND state = 'up') RETURNING id"""
_DROP: Final = "DELETE FROM inbox WHERE id = ANY($1::bigint[])"
_ANSWER: Final = """
WITH answered AS (
  DELETE FROM inbox WHERE id = $1 AND kind = 'request'
    AND EXISTS (SELECT 1 FROM node WHERE node = $3 AND state = 'up') RETURNING asker, number)
INSERT INTO answer (asker, number, body) SELECT asker, number, $2 FROM answered RETURNING asker"""


class PostgresInbox:
    """The inbox of the daemon that acts."""

    def __init__(self, identity: int, errands: Errands, hints: Hints) -> None:
        self._identity = identity
        self._errands = errands
        self._hints = hints

    async def waiting(self, *, after: int, limit: int) -> list[Waiting]:
        """What waits beyond an id, oldest first.

        Ids become visible in any order, so what was left a moment ago may lie before what is known already: whoever has
        come to the end begins again from 0.
        """
        rows = await self._errands.asked(_WAITING, after, limit)
        return [_waiting(row) for row in rows]

    async def stirred(self) -> None:
        """Returns when something may have come: at a hint, or after 250 ms at the latest."""
        await self._hints.heard(LEFT, within_s=LOOKED_AT_S)

    async def drop(self, ids: Sequence[int]) -> None:
        """These are done with; those that are gone already change nothing."""
        await self._errands.rows(_DROP, list(ids))

    async def take(self, requests: Sequence[int]) -> list[int]:
        """Those of these requests that are still wanted: from here on somebody carries them out."""
        return [row[0] for row in await self._errands.rows(_TAKE, list(requests), self._identity)]

    async def answer(self, request: int, body: bytes, /) -> None:
        """What a request that was taken came to, for its asker to find. Where that is gone it is lost."""
        for row in await self._errands.rows(_ANSWER, request, body, self._identity):
            self._hints.tell(str(row[0]))


def _waiting(row: Row) -> Waiting:
    return Waiting(
        id=row[0], kind=row[1], stream=row[2], tenant=row[3], asker=row[4] if row[1] == "request" else 0, body=row[5]
    )
