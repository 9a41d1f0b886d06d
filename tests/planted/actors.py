"""Conversations that record something else than they should: what several planted bugs are made of."""

from collections.abc import Callable

from actors.conversation import ConversationActor
from actors.system import System
from core import events as e
from core.message import Message


class ChangingActor(ConversationActor):
    """Records what `changed` makes of each event; None leaves it out."""

    __slots__ = ()

    def changed(self, event: e.Event, at_us: int) -> e.Event | None:
        """What is recorded instead of an event."""
        return event

    async def _record(
        self, message: Message, events: tuple[e.Event, ...], own: tuple[e.Event, ...] = (), *, at_us: int
    ) -> Message:
        found, found_own = (
            tuple(other for event in some if (other := self.changed(event, at_us)) is not None)
            for some in (events, own)
        )
        return await super()._record(message, found, found_own, at_us=at_us)


def actors_of(kind: type[ConversationActor]) -> Callable[[System], None]:
    """Has every conversation of a daemon be of this kind."""

    def started(system: System) -> None:
        wake = system.roster.wake

        def woken(conversation: int, tenant: str, *, is_new: bool = False) -> ConversationActor:
            actor = wake(conversation, tenant, is_new=is_new)
            actor.__class__ = kind
            return actor

        system.roster.wake = woken  # type: ignore[method-assign]

    return started


def in_later_lives(started: Callable[[System], None]) -> Callable[[System], None]:
    """Has a daemon be sound until it is started again."""

    def begin(system: System) -> None:
        if system._diary.boot > 1:  # noqa: SLF001 - nobody else counts its lives
            started(system)

    return begin
