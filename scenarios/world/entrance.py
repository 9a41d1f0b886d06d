"""How messages and hooks come in: by a call of ours, unless the file puts them on the wire.

This file answers for what the two ways have in common: an acknowledgement for each update, or one of the errors that a
caller acts upon. The way over the wire is scenarios/wire/door.py.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from actors.hooks import Brought
from actors.intake import Acknowledgement, Intake
from actors.system import System
from core.contents import submission_of
from core.ports import Clock
from scenarios.file.arriving import Request
from scenarios.loop.virtual import running_loop
from scenarios.world.ground import Ground
from scenarios.world.hooking import Desk, Post, take

T = TypeVar("T")


class Reach(Protocol):
    """How those who ask for more than to be let in get to the daemon that acts."""

    async def __call__(self, work: Callable[[System], Awaitable[T]]) -> T:
        """What a piece of work comes to there. Raises as the work does, or as a daemon that is not there."""
        ...


class Entrance(Protocol):
    """Where the outside knocks. All raise Refused, AppendUnknown or StreamConflict; see there."""

    async def accept(self, request: Request) -> Acknowledgement:
        """A message that a client asks for. Raises Invalid or KeyReused for one that can never be taken."""
        ...

    async def take(self, post: Post, nth: int) -> list[Acknowledgement]:
        """A hook, for the `nth` time: an acknowledgement for each update. Raises BadSignature for one not genuine."""
        ...

    async def heed(self, brought: Brought) -> None:
        """News that no hook of the file brings."""
        ...


class Here:
    """The way to the only daemon there is."""

    def __init__(self, system: System) -> None:
        self._system = system

    async def __call__(self, work: Callable[[System], Awaitable[T]]) -> T:
        """See Reach."""
        return await work(self._system)


class Desks(Protocol):
    """Where messages and hooks are taken in, by a daemon that acts or by one that stands by."""

    @property
    def intake(self) -> Intake:
        """For messages."""
        ...

    @property
    def hooks(self) -> Desk:
        """For hooks."""
        ...


class Direct:
    """The door without a wire. `wall_us` tells what the wall clock of its machine shows at an instant."""

    def __init__(self, ground: Ground, desks: Desks, clock: Clock, wall_us: Callable[[int], int]) -> None:
        self._ground = ground
        self._desks = desks
        self._clock = clock
        self._wall_us = wall_us
        self._loop = running_loop()

    async def accept(self, request: Request) -> Acknowledgement:
        """See Entrance."""
        submission = submission_of(
            request.body,
            now_us=self._clock.now_us(),
            send_at_max_us=self._ground.settings.bounds.send_at_max_us,
            trace=request.key,
        )
        return await self._desks.intake.accept(request.tenant, submission)

    async def take(self, post: Post, nth: int) -> list[Acknowledgement]:
        """See Entrance."""
        ground, now_us = self._ground, self._loop.now_us
        sent_us, wall_us = ground.scenario.start_us + now_us, self._wall_us(now_us)
        return await take(self._desks.hooks, ground.opened(post.source), post, sent_us=sent_us, wall_us=wall_us)

    async def heed(self, brought: Brought) -> None:
        """See Entrance."""
        await self._desks.hooks.heed(brought)
