"""Reads that share hops: whatever is asked while the thread is at work goes along with the next hop.

This file answers for every question getting its own answer or its own error. It must never keep a read transaction
open between two hops: a checkpoint could not get past it.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from core.errors import StoreUnavailable, TidingsError
from eventstore.sqlite.connecting import read_fault
from eventstore.sqlite.connection import Connection, left_behind

Result = TypeVar("Result")
Question = Callable[[sqlite3.Connection], Result]

# More questions a hop gain nothing, and the last one's answer would wait for all of them.
QUESTIONS_MAX: Final = 64


class Reader:
    """One reading connection and the questions that wait for it. It lives as a task only while there are any."""

    def __init__(self, connection: Connection) -> None:
        # Kept, since asking for the running loop is a call to the system each time.
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._waiting: deque[tuple[Question[object], asyncio.Future[object]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    def ask(self, question: Question[Result]) -> "asyncio.Future[Result]":
        """What the question gives; it is run on the connection's thread, within a read of its own.

        Raises StoreUnavailable or CorruptLog where it cannot be answered.
        """
        if self._is_closed:
            raise StoreUnavailable("the log is closed")
        future: asyncio.Future[Result] = self._loop.create_future()
        self._waiting.append((question, future))  # type: ignore[arg-type]  # Each future gets its question's answer.
        if self._task is None:
            self._task = self._loop.create_task(self._work())
        return future

    async def close(self) -> None:
        """Answers what waits, then lets go of the connection."""
        self._is_closed = True
        if self._task is not None:
            await self._task
        await self._connection.close()

    async def _work(self) -> None:
        group: list[tuple[Question[object], asyncio.Future[object]]] = []
        try:
            while self._waiting:
                group = [self._waiting.popleft() for _ in range(min(len(self._waiting), QUESTIONS_MAX))]
                answers = await self._connection.run(partial(_answer_all, [question for question, _ in group]))
                for (_, future), answer in zip(group, answers, strict=True):
                    _settle(future, answer)
                group = []
            self._task = None
        finally:
            # Reached with questions in hand only by a bug of ours or when the loop ends: nobody may wait for ever.
            for _, future in (*group, *self._waiting):
                future.cancel()


def _answer_all(questions: list[Question[object]], connection: sqlite3.Connection) -> list[object]:
    return [_answer(connection, question) for question in questions]


def _answer(connection: sqlite3.Connection, question: Question[object]) -> object:
    try:
        connection.execute("BEGIN")
        try:
            return question(connection)
        finally:
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        return read_fault(error)
    except TidingsError as error:
        left_behind(error)
        return error


def _settle(future: "asyncio.Future[object]", answer: object) -> None:
    if future.done():
        return
    if isinstance(answer, TidingsError):
        future.set_exception(answer)
    else:
        future.set_result(answer)
