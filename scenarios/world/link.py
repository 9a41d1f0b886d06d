"""The way from one of several daemons to their database: as slow, full or failing as that is, and cut at times.

This file answers for what becomes of words that go over it meanwhile: what does not arrive leaves nothing behind, what
arrives counts though its answer is lost, and whatever is under way when a cut is over gets there late.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import msgspec

from core.errors import AppendUnknown, StoreUnavailable
from core.policies import SECOND_US
from eventstore.disk import Border
from scenarios.file.sides import Way
from scenarios.world.disk import SimulatedDisk
from scenarios.world.ground import Ground

# How long somebody waits for an answer before they take the connection for lost.
SILENT_US: Final = 5 * SECOND_US


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """A daemon does not hear its database (`from`), or is not heard by it (`to`), or both, in true time."""

    since_us: int
    until_us: int
    way: Way

    def stands(self, border: Border, now_us: int) -> bool:
        """Whether it keeps a word at a border. A question is one word: it gets nowhere whichever way is cut."""
        if not self.since_us <= now_us < self.until_us:
            return False
        match border:
            case "before_write":
                return False
            case "before_sync":
                return self.way != "from"
            case "before_answer":
                return self.way != "to"
            case "before_read":
                return True


class Caller(Protocol):
    """The process whose way it is."""

    def acts(self) -> bool:
        """Whether the database takes it for the one that acts."""
        ...

    def trouble(self, for_us: int) -> None:
        """It gets nowhere for so long from now on."""
        ...

    def wrote(self) -> None:
        """A batch of its own has just become durable."""
        ...

    def refused(self) -> None:
        """A batch of its own was not written, since it does not act."""
        ...


class Link(SimulatedDisk):
    """One process's way. Its cuts are its machine's, and may grow while it lives."""

    def __init__(self, ground: Ground, cuts: list[Cut], caller: Caller, *, now_us: Callable[[], int]) -> None:
        super().__init__(ground.scenario, ground.draws, ground.borders, now_us=now_us, troubled=caller.trouble)
        self._cuts = cuts
        self._caller = caller

    def at(self, border: Border, rows: int) -> Awaitable[None] | None:
        """Called at a border of a commit or a read."""
        if border == "before_answer":
            self._caller.wrote()
        try:
            usual = SimulatedDisk.at(self, border, rows)
        except (StoreUnavailable, AppendUnknown):
            # A sign of life may be lost as well, and with it the right to send until the next one is answered.
            self._caller.trouble(0)
            raise
        # Every sign of life comes by here, and most ways are never cut.
        until_us = self._cut_until_us(border) if self._cuts else None
        return usual if until_us is None else self._wait_out(border, until_us, usual)

    def is_cut(self, border: Border) -> bool:
        """Whether a word would be kept at a border now."""
        return bool(self._cuts) and self._cut_until_us(border) is not None

    def wrote(self) -> None:
        """A batch that went over this way has just become durable."""
        self._caller.wrote()

    def mended(self) -> Awaitable[None]:
        """Ends when a write may be tried again."""
        until_us = self._cut_until_us("before_sync") or self._cut_until_us("before_answer")
        if until_us is None and not self._caller.acts():
            self._caller.refused()
        return super().mended() if until_us is None else self._pass(until_us - self._now_us())

    def _cut_until_us(self, border: Border) -> int | None:
        now_us = self._now_us()
        standing = [cut.until_us for cut in self._cuts if cut.stands(border, now_us)]
        return max(standing, default=None)

    async def _wait_out(self, border: Border, until_us: int, usual: Awaitable[None] | None) -> None:
        if usual is not None:
            await usual
        left_us = until_us - self._now_us()
        await self._pass(min(left_us, SILENT_US))
        if left_us <= SILENT_US:
            return
        if border == "before_read":
            raise StoreUnavailable("the database does not answer")
        raise AppendUnknown("the database does not answer")

    async def _pass(self, span_us: int) -> None:
        self._troubled(max(0, span_us))
        await asyncio.sleep(max(0, span_us) / SECOND_US)
