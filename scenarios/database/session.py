"""A daemon's connections to the database: each word goes over its way, and each answer comes back over it.

This file answers for the driver's own terms: what a lost way, a full disk and a server that undoes something come to is
what production hears of its driver. It must never carry out anything twice.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Final

from core.errors import AppendUnknown, StoreUnavailable
from eventstore.disk import Border
from eventstore.postgres.connection import FAILED, LOST, TROUBLE
from eventstore.postgres.hints import CHANNEL, TELL
from eventstore.postgres.owning import BRIEFLY_S
from scenarios.database.server import CLOCK, Work
from scenarios.loop.nodes import outside
from scenarios.world.link import Link

if TYPE_CHECKING:
    from scenarios.database.shared import OnServer

# What a statement begins with that leaves nothing behind by itself.
_ASKS: Final = ("SELECT", "SET")
_BROKEN: Final[tuple[type[BaseException], ...]] = (asyncio.CancelledError, *LOST)
_WAY_IN: Final[tuple[Border, ...]] = ("before_write", "before_sync")
_WAY_TO_ASK: Final[tuple[Border, ...]] = ("before_read",)


class Session:
    """One connection. `process` is its number at the server, `real` the driver's own, of the real loop."""

    def __init__(self, database: "OnServer", link: Link, process: int, real: Any) -> None:  # noqa: ANN401  # It has no types.
        self._database = database
        self._link = link
        self.process = process
        self._real = real
        self._loop = asyncio.get_running_loop()
        self._is_closed = self._is_over = False
        self._is_within = self._has_changed = False
        # When the server undoes what was begun here and stands still.
        self._idle: asyncio.TimerHandle | None = None
        # Words that are said to everybody once what was begun here is committed.
        self._words: list[str] = []
        self._heard: tuple[Callable[..., None], Context] | None = None

    # -- the driver's words

    async def fetch(self, statement: str, *values: Any) -> Any:  # noqa: ANN401  # As the columns are.
        """See Connection."""
        rows = await self._told(statement, lambda: self._real.fetch(statement, *values))
        if statement == TELL:
            self._words += values[0]
            self._say()
        return rows

    async def fetchrow(self, statement: str, *values: object) -> Any:  # noqa: ANN401  # As the columns are.
        """See Connection."""
        return await self._told(statement, lambda: self._real.fetchrow(statement, *values))

    async def fetchval(self, statement: str, *values: object) -> Any:  # noqa: ANN401  # As the column is.
        """See Connection."""
        return await self._told(statement, lambda: self._real.fetchval(statement, *values))

    async def execute(self, statement: str, *values: object) -> Any:  # noqa: ANN401  # The driver's own.
        """See Connection."""
        return await self._told(statement, lambda: self._real.execute(statement, *values))

    @asynccontextmanager
    async def transaction(self, **options: Any) -> AsyncIterator[None]:  # noqa: ANN401  # The driver's own.
        """See Connection."""
        begun = self._real.transaction(**options)
        self._has_changed = False
        await self._put(begun.start, leaves_open=True)
        self._is_within = True
        is_whole = False
        try:
            yield
            is_whole = True
        finally:
            if not (is_whole or self._is_closed):
                await self._undo(begun)
        await self._commit(begun)

    async def add_listener(self, channel: str, heard: Callable[..., None]) -> None:
        """See Connection. Words come by the world, which knows them all: a hint that is late changes nothing."""
        assert channel == CHANNEL, "there is one channel"
        await self._told("SELECT 1", lambda: self._real.fetchval("SELECT 1"))
        self._heard = heard, copy_context()

    def is_closed(self) -> bool:
        """See Connection."""
        return self._is_closed

    async def close(self) -> None:
        """See Connection."""
        self.terminate()

    def terminate(self) -> None:
        """See Connection. Where no word gets through, the server knows nothing of it, and keeps what was begun."""
        if not self._is_closed:
            self._is_closed = True
            if not (self._is_within and self._link.is_cut("before_sync")):
                self._over()

    # -- what the server does

    def hear(self, word: str) -> None:
        """A word that somebody said reaches whoever listens here, unless it gets lost."""
        if self._heard is not None and not self._is_closed and not self._link.is_cut("before_answer"):
            heard, context = self._heard
            self._loop.call_soon(heard, self, 0, CHANNEL, word, context=context)

    def _over(self) -> None:
        """The server has let go of it, and of whatever was begun in it."""
        if not self._is_over:
            self._wait(None)
            self._is_closed = self._is_over = True
            self._database.end(self.process)

    def _wait(self, for_s: float | None) -> None:
        """For so long the server lets stand what was begun here, from now on."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if for_s is not None and not self._is_over:
            self._idle = outside(lambda: self._loop.call_later(for_s, self._over))

    # -- over the way

    async def _told(self, statement: str, work: Work) -> Any:  # noqa: ANN401  # As asked.
        changes = not statement.lstrip().startswith(_ASKS)
        # Within a transaction it is the commit that does.
        self._has_changed = self._has_changed or changes
        within = self._is_within
        return await self._put(work, changes=changes and not within, leaves_open=within, looks=CLOCK in statement)

    async def _put(self, work: Work, *, changes: bool = False, leaves_open: bool = False, looks: bool = False) -> Any:  # noqa: ANN401  # As asked.
        if self._is_closed:
            raise ConnectionResetError("the connection is closed")
        try:
            for border in _WAY_IN if changes else _WAY_TO_ASK:
                await cross(self._link, border)
            self._wait(None)
            told = self._database.ask(work, process=self.process, link=self._link, changes=changes, looks=looks)
            if leaves_open:
                # Whether or not the daemon is there to hear of it.
                outside(lambda: told.add_done_callback(lambda _: self._wait(BRIEFLY_S)))
            answer = await told
            if changes:
                await cross(self._link, "before_answer")
        except _BROKEN:
            # Nobody knows what has become of it. Whoever goes on does so with another connection.
            self.terminate()
            raise
        return answer

    async def _commit(self, begun: Any) -> None:  # noqa: ANN401  # The driver's own.
        try:
            await self._put(begun.commit, changes=self._has_changed)
        except FAILED:
            await self._undo(begun)
            raise
        self._is_within = False
        self._say()

    async def _undo(self, begun: Any) -> None:  # noqa: ANN401  # The driver's own.
        self._words.clear()
        try:
            await self._put(begun.rollback)
        except TROUBLE:
            # Whatever broke it off is told in its place.
            self.terminate()
        self._is_within = False

    def _say(self) -> None:
        if not self._is_within:
            words, self._words = self._words, []
            self._database.say(words)


async def cross(link: Link, border: Border) -> None:
    """A word passes a border of the way, or is lost there. Raises as the driver does."""
    try:
        wait = link.at(border, 0)
    except StoreUnavailable as error:
        # The server itself says so, and has done nothing.
        raise FAILED[0](str(error)) from error
    except AppendUnknown as error:
        raise ConnectionResetError(str(error)) from error
    try:
        if wait is not None:
            await wait
    except (StoreUnavailable, AppendUnknown) as error:
        raise ConnectionResetError(str(error)) from error


class SessionPool:
    """Connections for questions, made as they are needed."""

    def __init__(self, dial: Callable[[], Awaitable[Session]], most: int) -> None:
        self._dial = dial
        self._room = asyncio.Semaphore(most)
        self._free: list[Session] = []
        self._all: list[Session] = []

    @asynccontextmanager
    async def acquire(self, *, timeout: float) -> AsyncIterator[Session]:  # noqa: ASYNC109  # The driver's own.
        """See Pool."""
        async with asyncio.timeout(timeout):
            await self._room.acquire()
        try:
            session = self._free.pop() if self._free else await self._made()
            try:
                yield session
            finally:
                if not session.is_closed():
                    self._free.append(session)
        finally:
            self._room.release()

    async def close(self) -> None:
        """See Pool."""
        self.terminate()

    def terminate(self) -> None:
        """See Pool."""
        for session in self._all:
            session.terminate()

    async def _made(self) -> Session:
        session = await self._dial()
        self._all = [*(one for one in self._all if not one.is_closed()), session]
        return session
