"""The acting daemon's own side of the inbox: what others took in becomes events, news and answers here.

This file answers for each row being dealt with once, as far as the log can tell, and for none being forgotten: what
could not be dealt with stays where it is and is looked at again. Whoever takes in here meanwhile comes after it, since
both may be of one conversation. It must never take anything in by guessing: what a newer release left waits for one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import anyio
import msgspec
from anyio.abc import TaskGroup

from actors.arrivals import Arrivals
from actors.hooks import Brought, Hooks, LeftNews
from actors.sender import LOG_TROUBLE
from core.errors import (
    AppendUnknown,
    CorruptLog,
    Refused,
    StoreUnavailable,
    StreamConflict,
    StreamParked,
    TidingsError,
)
from core.message import Message
from core.parked import append_of, message_of, unparked
from core.policies import SECOND_US
from core.ports import Clock, Inbox, Log, Witness
from core.records import Waiting

# Rows read in one go: their messages share a commit.
_PAGE: Final = 512
# Requests carried out at once, and those that may wait here for that; the others wait in the inbox.
_REQUESTS_AT_ONCE: Final = 16
_REQUESTS_MAX: Final = 1_024
# How long a sweep may keep those waiting who want to come after it: no longer than a client or a hook's sender waits.
_IN_STEP_WITHIN_US: Final = 5 * SECOND_US
# After trouble with the log, what is left is looked at again this much later.
_AGAIN_US: Final = SECOND_US

Answer = Callable[[bytes], Awaitable[bytes]]
"""Carries a request out; whatever that comes to is an answer."""


class TakingIn:
    """Who empties the inbox. `answer` is set by whoever can carry requests out; while it is None they wait."""

    def __init__(
        self,
        inbox: Inbox,
        *,
        log: Log,
        clock: Clock,
        arrivals: Arrivals,
        hooks: Hooks,
        news: LeftNews,
        witness: Witness,
    ) -> None:
        self._inbox = inbox
        self._log = log
        self._clock = clock
        self._arrivals = arrivals
        self._hooks = hooks
        self._news = news
        self._witness = witness
        self.answer: Answer | None = None
        # Messages that may be in the log already, by their rows.
        self._unsure: dict[int, Message] = {}
        # Rows that are not looked at again: what makes no sense here, and requests that wait for a worker.
        self._set_aside: set[int] = set()
        self._requests: asyncio.Queue[Waiting] = asyncio.Queue()
        # Who carries them out: as many as there ever was work for at once, most of the time nobody.
        self._group: TaskGroup | None = None
        self._workers = self._idle_workers = 0
        # Who waits for the sweep under way, who for the next, and whether the last one took in every message.
        self._behind: list[asyncio.Future[None]] = []
        self._behind_next: list[asyncio.Future[None]] = []
        # Whether anybody waits for the next, and what keeps us from beginning it: until something comes, we rest.
        self._is_asked = False
        self._rest: anyio.CancelScope | None = None
        self._is_in_step = True
        # Why the inbox cannot be gone through now; empty while it can.
        self.trouble = ""

    async def caught_up(self) -> None:
        """Returns once all that others had made durable before is in the log.

        Whoever was answered by another daemon and then writes here has two messages in that order. Raises
        StoreUnavailable where that cannot be, or takes long.
        """
        if not self._is_in_step:
            raise _not_in_step()
        waits = asyncio.get_running_loop().create_future()
        self._behind_next.append(waits)
        self._is_asked = True
        if self._rest is not None:
            self._rest.cancel()
        await waits

    async def run(self) -> None:
        """Deals with what is there and what comes, until cancelled."""
        try:
            async with anyio.create_task_group() as self._group:
                self._workers = self._idle_workers = 0
                while True:
                    await self._go_through()
        finally:
            self._is_in_step = False
            self._let_go()

    async def _go_through(self) -> None:
        """One sweep, and the time until the next."""
        self._behind, self._behind_next = self._behind_next, []
        self._is_asked = False
        is_done = await self._sweep()
        # However long it took, it is through.
        self._is_in_step |= is_done
        self._let_go()
        if is_done:
            await self._stirred()
            return
        await self._clock.sleep_until(self._clock.now_us() + _AGAIN_US)
        # What is on its way has to be through before the inbox can tell what became of it.
        await self._log.settled()

    def _let_go(self) -> None:
        """Whoever waited for the sweep goes on; where messages were left out nobody does, nor waits for another."""
        if not self._is_in_step:
            self._behind += self._behind_next
            self._behind_next = []
        for waits in self._behind:
            if waits.done():
                continue
            if self._is_in_step:
                waits.set_result(None)
            else:
                waits.set_exception(_not_in_step())
        self._behind = []

    async def _stirred(self) -> None:
        """Returns when something may have come, or somebody has to know."""
        if not self._is_asked:
            with anyio.CancelScope() as self._rest:
                await self._inbox.stirred()
            self._rest = None

    async def _sweep(self) -> bool:
        """Goes through the inbox once, from its beginning: rows may come to lie before others that were seen.

        Answers whether all of it was dealt with.
        """
        after, is_done, unsure = 0, True, dict(self._unsure)
        self._is_in_step, long_us = True, self._clock.now_us() + _IN_STEP_WITHIN_US
        try:
            while True:
                rows = await self._inbox.waiting(after=after, limit=_PAGE)
                for row in rows:
                    unsure.pop(row.id, None)
                is_done &= await self._deal_with([row for row in rows if row.id not in self._set_aside])
                if len(rows) < _PAGE:
                    break
                after = rows[-1].id
                if self._clock.now_us() > long_us:
                    self._is_in_step = False
                    self._let_go()
            await self._found(unsure)
        except LOG_TROUBLE as error:
            self._refused(error)
            self._is_in_step, self.trouble = False, str(error)
            return False
        self.trouble = ""
        return is_done and not self._unsure

    async def _deal_with(self, rows: Sequence[Waiting]) -> bool:
        """News first: what a person wants is known before anything that was taken in beside it leaves."""
        is_done = await self._heed([row for row in rows if row.kind == "news"])
        is_done &= await self._take_in([row for row in rows if row.kind == "message"])
        is_done &= self._hand_out([row for row in rows if row.kind == "request"])
        return is_done

    # -- messages

    async def _take_in(self, rows: Sequence[Waiting]) -> bool:
        """Appends each message in the order in which it came. Answers whether all of them are in the log."""
        messages: list[tuple[Waiting, Message]] = []
        calls: list[Awaitable[None]] = []
        is_done = True
        for row in rows:
            now_us = self._clock.now_us()
            try:
                parked = unparked(row.body)
                call = self._log.append(append_of(parked, now_us, row.id))
            except (CorruptLog, StreamParked) as error:
                self._park(row, error)
                continue
            except Refused as error:
                self._refused(error)
                is_done = False
                break
            messages.append((row, message_of(parked, now_us)))
            calls.append(call)
        troubles: list[TidingsError] = []
        for (row, message), outcome in zip(messages, await asyncio.gather(*calls, return_exceptions=True), strict=True):
            if isinstance(outcome, TidingsError):
                troubles.append(outcome)
            self._taken_in(row, message, outcome)
        if troubles:
            self._refused(troubles[0], rows=len(troubles))
        self._is_in_step &= is_done and not troubles
        return is_done and not troubles

    def _taken_in(self, row: Waiting, message: Message, outcome: BaseException | None) -> None:
        match outcome:
            case None:
                self._unsure.pop(row.id, None)
                self._arrivals.durable(message)
            case AppendUnknown() | StreamConflict():
                # It may be there, ahead of others. Where it is not, its row is, and has its turn again.
                self._unsure[row.id] = message
                self._arrivals.unknown(message)
            case Refused():
                pass
            case OverflowError() | ValueError():
                self._park(row, outcome)
            case _:
                raise outcome

    async def _found(self, gone: dict[int, Message]) -> None:
        """Rows that were in doubt and are gone: their messages are in the log, and maybe on nobody's agenda."""
        heads = await self._log.heads_by([message.id for message in gone.values()]) if gone else {}
        for row, message in gone.items():
            head = heads.get(message.id)
            # Where more has happened to it since, somebody has found it already.
            if head is not None and head.version == message.version:
                self._arrivals.durable(message)
            self._unsure.pop(row, None)

    # -- news

    async def _heed(self, rows: Sequence[Waiting]) -> bool:
        """Has news heeded, those about the same lanes together. Answers whether all of them were."""
        together: dict[tuple[object, ...], tuple[list[int], Brought]] = {}
        for row in rows:
            try:
                brought = self._news.brought_of(row.body)
            except CorruptLog as error:
                self._park(row, error)
                continue
            key = (brought.tenant, brought.lanes, brought.accounts)
            ids, before = together.get(key, ([], msgspec.structs.replace(brought, news=())))
            together[key] = [*ids, row.id], msgspec.structs.replace(before, news=(*before.news, *brought.news))
        is_done = True
        for ids, brought in together.values():
            try:
                await self._hooks.heed(brought)
                await self._inbox.drop(ids)
            except LOG_TROUBLE as error:
                # Heard twice they come to the same.
                self._refused(error)
                is_done = False
        return is_done

    # -- requests

    def _hand_out(self, rows: Sequence[Waiting]) -> bool:
        """Gives requests to the workers. Answers whether there was room for all of them."""
        if self.answer is None:
            return True  # Nobody can carry them out yet; their askers know how long they wait.
        room = rows[: _REQUESTS_MAX - self._requests.qsize()]
        for row in room:
            self._set_aside.add(row.id)
            self._requests.put_nowait(row)
        assert self._group is not None, "requests are handed out while the inbox is gone through"
        while self._idle_workers < self._requests.qsize() and self._workers < _REQUESTS_AT_ONCE:
            self._workers, self._idle_workers = self._workers + 1, self._idle_workers + 1
            self._group.start_soon(self._carry_out)
        return len(room) == len(rows)

    async def _carry_out(self) -> None:
        """One worker: one request at a time, for ever."""
        while True:
            row = await self._requests.get()
            self._idle_workers -= 1
            # Kept: whoever stops answering meanwhile does not mean what was taken already.
            answer = self.answer
            try:
                if answer is not None and await self._inbox.take([row.id]):
                    await self._inbox.answer(row.id, await answer(row.body))
            except LOG_TROUBLE as error:
                # Its asker hears that nobody took it, or that nobody can tell.
                self._refused(error)
            self._set_aside.discard(row.id)
            self._idle_workers += 1

    # -- troubles

    def _refused(self, error: TidingsError, *, rows: int = 1) -> None:
        self._witness.note("inbox_refused", error=type(error).__name__, rows=rows)

    def _park(self, row: Waiting, error: Exception) -> None:
        self._witness.note("inbox_parked", row=row.id, kind=row.kind, stream=row.stream, error=str(error))
        self._set_aside.add(row.id)


def _not_in_step() -> StoreUnavailable:
    return StoreUnavailable("what other daemons took in has to be in the log first", retry_after_s=1)
