"""Many messages in one request: JSON lines in, JSON lines out, one for each in order, while both are still flowing.

This file answers for order, bounds and isolation: a line that cannot be taken is answered for itself. Lines are
accepted many at a time, so that they share commits. It must never hold more of a batch than its bounds say.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Iterable
from typing import Final

from aiohttp import web

from actors.intake import Acknowledgement
from adapters.web import failures
from adapters.web.answers import encoded as answer_bytes
from adapters.web.auth import Caller
from adapters.web.front import Front
from adapters.web.lines import Lines
from adapters.web.messages import accepted
from adapters.web.problems import Problem, badly_framed, invalid, too_large, too_slow
from adapters.web.problems import encoded as problem_bytes
from adapters.web.reading import (
    IDEMPOTENCY_KEY,
    Headers,
    given_back,
    headers_of,
    submission_in,
    takes_lines,
)

# Answers are written in pieces of about this size, so that a line costs no system call of its own.
_PIECE_BYTES: Final = 64 * 1024


async def accept(front: Front, request: web.Request, caller: Caller) -> web.StreamResponse:
    """Takes charge of every line that can be taken, and answers for each as `POST /v1/messages` would."""
    takes_lines(request)
    tenant, headers = caller.one_tenant, headers_of(request)
    if IDEMPOTENCY_KEY in request.headers:
        raise invalid(IDEMPOTENCY_KEY, "expected in each line as idempotency_key: a batch has no key of its own")
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"} | given_back(request))
    await response.prepare(request)
    batch = _Batch(front, tenant, headers)
    # asyncio's own group: here alone a task is started for so little that its price counts, and anyio's cost five times
    # as much when measured. Nothing in it raises, so no acceptance is ever cancelled between commit and answer.
    async with asyncio.TaskGroup() as group:
        group.create_task(batch.write(response))
        await batch.read(request, group)
        await batch.read_by_client(request)
    return response


class _Batch:
    """One batch under way. Lines are numbered as they are read; answers wait for those before them."""

    def __init__(self, front: Front, tenant: str, headers: Headers) -> None:
        self._front = front
        self._tenant = tenant
        self._headers = headers
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._answers: dict[int, bytes] = {}
        self._read = 0
        self._written = 0
        self._is_sending = False
        self._workers = 0
        self._held_bytes = 0
        self._unread_bytes = 0
        self._ended = False
        # The client has gone, or does not read. What was accepted stays accepted; its keys make a repeat safe.
        self._is_left = False
        self._next_is_there = asyncio.Event()
        self._moved = asyncio.Event()

    # -- lines in

    async def read(self, request: web.Request, group: asyncio.TaskGroup) -> None:
        """Takes lines from the request until its end, no faster than there is room for them."""
        bounds = self._front.bounds
        lines = Lines(line_bytes_max=bounds.body_bytes_max)
        try:
            while not self._is_left and (piece := await self._piece(request)):
                self._take(lines.fed(piece), group)
                while self._is_full() and not self._is_left:
                    await self._movement(request)
            self._take(lines.ended(), group)
        except TimeoutError:
            self._refuse(too_slow(bounds.silence_s))
        except web.RequestPayloadError:
            self._refuse(badly_framed().problem)
        except ConnectionError:
            self._is_left = True
        self._ended = True
        self._next_is_there.set()

    async def read_by_client(self, request: web.Request) -> None:
        """Waits until every answer is on its way, or the client lets none of them through."""
        while self._written < self._read and not self._is_left:
            await self._movement(request)

    async def _piece(self, request: web.Request) -> bytes:
        async with asyncio.timeout(self._front.bounds.silence_s):
            return await request.content.readany()

    def _take(self, lines: Iterable[bytes | None], group: asyncio.TaskGroup) -> None:
        for line in lines:
            if line is None:
                self._refuse(too_large(self._front.bounds.body_bytes_max).problem)
            else:
                self._waiting.append((self._read, line))
                self._held_bytes += len(line)
                self._read += 1
        for _ in range(min(len(self._waiting), self._front.bounds.batch_lines_max - self._workers)):
            self._workers += 1
            group.create_task(self._work())

    def _refuse(self, told: Problem) -> None:
        self._read += 1
        self._answered(self._read - 1, problem_bytes(told))

    def _is_full(self) -> bool:
        bounds = self._front.bounds
        return (
            len(self._waiting) >= bounds.batch_lines_max
            or self._held_bytes >= bounds.batch_held_bytes_max
            or self._unread_bytes >= bounds.batch_unread_bytes_max
        )

    async def _movement(self, request: web.Request) -> None:
        """Returns once a line was accepted or answers were sent; leaves a client that takes nothing for too long."""
        self._moved.clear()
        try:
            async with asyncio.timeout(self._front.bounds.patience_s):
                await self._moved.wait()
        except TimeoutError:
            if self._is_sending:
                self._is_left = True
                if request.transport is not None:
                    request.transport.abort()

    # -- acceptance

    async def _work(self) -> None:
        while self._waiting:
            number, line = self._waiting.popleft()
            try:
                answer = answer_bytes(accepted(await self._accepting(line)))
            except Exception as error:
                answer = problem_bytes(failures.told(self._front, error, "POST /v1/messages/batch")[0])
            self._held_bytes -= len(line)
            self._moved.set()
            self._answered(number, answer)
        self._workers -= 1

    def _accepting(self, line: bytes) -> Awaitable[Acknowledgement]:
        """What takes charge of a line that can be read."""
        submission = submission_in(
            line,
            trace=self._headers.traceparent or "",
            correlation=self._headers.correlation,
        )
        return self._front.desk.intake.accept(self._tenant, submission)

    # -- answers out

    def _answered(self, number: int, answer: bytes) -> None:
        self._answers[number] = answer
        self._unread_bytes += len(answer) + 1
        if number == self._written:
            self._next_is_there.set()

    async def write(self, response: web.StreamResponse) -> None:
        """Writes answers in order as soon as they are there, until every line has its own or the client is gone."""
        while not self._is_left and not (self._ended and self._written == self._read):
            self._next_is_there.clear()
            answers = self._in_order()
            if not answers:
                await self._next_is_there.wait()
                continue
            piece = b"\n".join((*answers, b""))
            self._is_sending = True
            try:
                await response.write(piece)
            except ConnectionError:
                self._is_left = True
            self._is_sending = False
            self._written += len(answers)
            self._unread_bytes -= len(piece)
            self._moved.set()

    def _in_order(self) -> list[bytes]:
        """The answers that come next, as far as they are there, up to one piece of them."""
        answers: list[bytes] = []
        size_bytes = 0
        while size_bytes < _PIECE_BYTES:
            answer = self._answers.pop(self._written + len(answers), None)
            if answer is None:
                break
            answers.append(answer)
            size_bytes += len(answer)
        return answers
