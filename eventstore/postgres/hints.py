"""Words between daemons of one database that something may be there to be looked at.

This file answers for a hint never being needed: whoever waits for one looks again by itself soon. It must never be part
of a transaction that writes, since all of those would then wait for one another.
"""

import asyncio
from typing import Final

from eventstore.postgres.connection import COMMAND_S, FAREWELL_S, TROUBLE, Connection, Pool

CHANNEL: Final = "tidings"
# Something was left for the one that acts; the log is free for whoever stands by. An answer's word is its asker.
LEFT: Final = "left"
FREE: Final = "free"
# How long words are gathered, so that many of them are one.
GATHERED_S: Final = 0.015
TELL: Final = f"SELECT pg_notify('{CHANNEL}', word) FROM unnest($1::text[]) AS said (word)"  # noqa: S608  # As named above.


class Hints:
    """What this process says, and what it hears."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._said: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self._heard: dict[str, asyncio.Event] = {}

    def tell(self, word: str) -> None:
        """Says a word to every daemon, soon."""
        self._said.add(word)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def listen(self, connection: Connection) -> None:
        """Hears what is said, for as long as this connection lasts. Raises what the driver raises."""
        await connection.add_listener(CHANNEL, self._hear)

    def wake(self, word: str) -> None:
        """As if the word had been heard."""
        self._event(word).set()

    async def heard(self, word: str, *, within_s: float) -> bool:
        """Whether a word was said since the last time it was waited for, or is within so many seconds."""
        event = self._event(word)
        try:
            async with asyncio.timeout(within_s):
                await event.wait()
        except TimeoutError:
            return False
        event.clear()
        return True

    async def close(self) -> None:
        """Says what is still to be said, if somebody listens."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=FAREWELL_S)

    def _event(self, word: str) -> asyncio.Event:
        return self._heard.setdefault(word, asyncio.Event())

    def _hear(self, _connection: object, _process: int, _channel: str, word: object) -> None:
        # Words that nobody here waits for are not kept.
        if (event := self._heard.get(str(word))) is not None:
            event.set()

    async def _work(self) -> None:
        await asyncio.sleep(GATHERED_S)
        words, self._said = sorted(self._said), set()
        self._task = None
        try:
            async with self._pool.acquire(timeout=COMMAND_S) as connection:
                await connection.fetch(TELL, words)
        except TROUBLE:
            # Whoever it was meant for looks without it.
            pass
