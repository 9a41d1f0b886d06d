"""The database's side of the world, on the real loop: one statement after another, by the world's clock.

This file answers for a statement being through, or waiting for one that the world still has to let go on, before
anybody is told anything; and for the database's clock showing the world's time meanwhile. It must never begin a
statement by itself that changes what a daemon can see.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from eventstore.postgres.connection import Connection, connect, driver
from scenarios.database.tables import Seen, Tables, sight_of

# What is ours comes before pg_catalog, so that the very statements of production judge by the world's clock; and how
# long anything may take is counted by it.
OF_THE_WORLD: Final = {
    "search_path": "tidings, simulated, pg_catalog",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}
CLOCK: Final = "clock_timestamp"
# A sequence shows what was set at once, to whoever looks and within whatever transaction.
_CLOCK: Final = """
CREATE SCHEMA IF NOT EXISTS simulated;
CREATE SEQUENCE IF NOT EXISTS simulated.now_us;
CREATE OR REPLACE FUNCTION simulated.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
  AS 'SELECT to_timestamp(last_value / 1000000.0) FROM simulated.now_us'"""
_SHOW: Final = "SELECT setval('simulated.now_us', $1)"
# The clock is nobody's to keep over a power cut.
_CARELESS: Final = "SET synchronous_commit = 'off'"
# Whether all of these wait for a lock, and for nobody but others of the world: what else is there ends by itself.
_ARE_BLOCKED: Final = """
SELECT bool_and(cardinality(pg_blocking_pids(pid)) > 0 AND pg_blocking_pids(pid) <@ $2::int[])
  FROM unnest($1::int[]) AS pid"""
_CANCEL: Final = "SELECT pg_cancel_backend($1)"
# Waits until it is gone, with its locks.
_END: Final = "SELECT pg_terminate_backend($1, 10000)"
# How long a statement is let alone before anybody asks whether it waits for another: nearly all are through by then.
_LET_ALONE_S: Final = 0.02
_ASKED_AGAIN_S: Final = 0.002

Work = Callable[[], Awaitable[Any]]


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a step: what each statement gave that is through now, which ones wait, and what can be seen since.

    Statements go by the numbers that they were asked under. An outcome may be an exception. `seen` is None where
    nothing can have changed.
    """

    outcomes: list[tuple[int, Any]]
    waiting: list[int]
    seen: Seen | None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A statement, or whatever else is done to a session; `process` is its number at the server, 0 without one.

    `changes` something that can be seen, and `looks` at the clock.
    """

    number: int
    process: int
    changes: bool
    looks: bool
    work: Work


class Server:
    """The sessions of a world on one database. Everything here runs on the real loop."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._shown_us = 0
        self._tables = Tables()
        self._sessions: dict[int, Any] = {}
        self._under_way: dict[int, tuple[Asked, asyncio.Task[Any]]] = {}
        self._observer: Connection

    async def begin(self) -> None:
        """Gives the database the world's clock, which stands until it is set."""
        self._observer = await connect(self._url, is_patient=True)
        await self._observer.execute(_CLOCK)
        await self._observer.execute(_CARELESS)

    async def settle(self, asked: Asked, now_us: int) -> Settled:
        """Begins what is asked, at an instant of the world, and goes on until nothing moves any more."""
        # One that has waited looks when it goes on.
        if now_us != self._shown_us and (asked.looks or any(one.looks for one, _ in self._under_way.values())):
            await self._observer.fetchval(_SHOW, now_us)
            self._shown_us = now_us
        self._under_way[asked.number] = asked, asyncio.ensure_future(asked.work())
        await self._until_nothing_moves()
        through = [(one, task) for one, task in self._under_way.values() if task.done()]
        for one, _ in through:
            del self._under_way[one.number]
        has_changed = any(one.changes for one, _ in through)
        return Settled(
            outcomes=[(one.number, _outcome(task)) for one, task in through],
            waiting=list(self._under_way),
            seen=await sight_of(self._observer, self._tables) if has_changed else None,
        )

    async def _until_nothing_moves(self) -> None:
        pause_s = _LET_ALONE_S if len(self._under_way) == 1 else _ASKED_AGAIN_S
        while True:
            _, moving = await asyncio.wait([task for _, task in self._under_way.values()], timeout=pause_s)
            if not moving or await self._are_blocked():
                return
            pause_s = _ASKED_AGAIN_S

    async def _are_blocked(self) -> bool:
        waiting = [one.process for one, task in self._under_way.values() if not task.done()]
        if not all(waiting):
            return False
        return bool(await self._observer.fetchval(_ARE_BLOCKED, waiting, list(self._sessions)))

    # -- what is done to sessions, as the work of a step

    async def connected(self, options: dict[str, Any]) -> tuple[int, Any]:
        """A session, and its number at the server. Raises what the driver raises."""
        session = await driver().connect(**options)
        process = int(session.get_server_pid())
        self._sessions[process] = session
        return process, session

    async def cancel(self, number: int) -> None:
        """A statement that waits is undone."""
        if (found := self._under_way.get(number)) is not None:
            asked, task = found
            await self._observer.fetchval(_CANCEL, asked.process)
            # Until it is heard of, it would seem to wait still.
            await asyncio.wait([task])

    async def end(self, process: int) -> None:
        """A session is over, and what it had not committed is undone."""
        session = self._sessions.pop(process, None)
        if session is not None and not session.is_closed():
            await self._observer.fetchval(_END, process)
            session.terminate()

    async def close(self) -> None:
        """Lets go of every session, and of what is under way."""
        for session in self._sessions.values():
            session.terminate()
        tasks = [task for _, task in self._under_way.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._observer.terminate()


def _outcome(task: "asyncio.Task[Any]") -> Any:  # noqa: ANN401  # Whatever a statement gives.
    error = task.exception()
    return task.result() if error is None else error
