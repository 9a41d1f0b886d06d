"""A lane on the wire: production's own channel, and nature's plan for each attempt laid into the bytes it writes.

This file answers for the books telling what really happened: a request left when the channel says so, and arrived when
the other side had all of it. What an attempt comes to is the real channel's word alone.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from adapters.chance import KeyedChance
from adapters.channels.building import build
from core.outcomes import Outcome, Transient
from core.ports import Channel, Clock, Parcel
from core.settings import Lane
from scenarios.draws import Draws
from scenarios.file.wired import SPOKEN
from scenarios.wire.accounts import settings_of
from scenarios.wire.course import course_of
from scenarios.wire.exchange import Exchange, UnderWay
from scenarios.world.books import Handed
from scenarios.world.borders import cut
from scenarios.world.channel import SimulatedChannel


class WireChannel(SimulatedChannel):
    """One lane, for one life of the daemon, in front of the `real` channel."""

    def __init__(self, lane: Lane, *, real: Channel, draws: Draws, **world: Any) -> None:  # noqa: ANN401  # Handed on.
        super().__init__(lane, **world)
        self._real = real
        self._draws = draws

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        """Tries once."""
        if parcel.deadline_us <= self._clock.now_us():
            return Transient(code="timeout")
        if self._crosses("before a request leaves", parcel):
            await cut()
        subject = self._subject(parcel)
        meeting = self._nature.meet(subject, parcel.attempt, self._now_us(), by_template=parcel.outside_window)
        assert meeting.fails is None or meeting.fails.kind in SPOKEN, f"no wire speaks {meeting.fails.kind}"
        self._books.met.append(meeting)
        is_mail = self._lane.provider == "smtp"
        course = course_of(meeting, self._draws, subject.key, parcel.attempt, is_mail=is_mail)

        def leaves() -> None:
            handed_over()
            self._books.handed.append(
                msgspec.structs.replace(self._handed(parcel, subject, meeting), arrives_us=None, is_taken=False)
            )
            self._cut_at("as a request leaves", parcel)

        def arrives(is_taken: bool) -> None:  # noqa: FBT001  # A callback of one word.
            self._arrived(parcel, is_taken=is_taken, exchange=exchange)

        exchange = Exchange(lane=self._lane, parcel=parcel, meeting=meeting, course=course, arrived=arrives)
        with UnderWay(exchange):
            outcome = await self._real.send(parcel, leaves)
        if self._crosses("after an answer is here", parcel):
            await cut()
        return outcome

    async def close(self) -> None:
        """Closes the real one."""
        await self._real.close()

    def _arrived(self, parcel: Parcel, *, is_taken: bool, exchange: Exchange) -> None:
        place, handed = self._noted(parcel)
        arrived = msgspec.structs.replace(handed, arrives_us=self._now_us(), is_taken=is_taken)
        self._tell(arrived, exchange.meeting)
        self._books.handed[place] = arrived
        self._cut_at("as a request arrives", parcel)

    def _noted(self, parcel: Parcel) -> tuple[int, Handed]:
        """The request as it left. Bytes that arrive without anybody having said that they left are a bug of ours."""
        noted = self._books.handed
        for place in range(len(noted) - 1, -1, -1):
            if (noted[place].stream, noted[place].attempt) == (parcel.stream, parcel.attempt):
                return place, noted[place]
        raise AssertionError(f"attempt {parcel.attempt} of {parcel.message} arrived and had never been handed over")

    def _cut_at(self, name: str, parcel: Parcel) -> None:
        if self._crosses(name, parcel):
            # The loop stops once this callback returns, so what was written now never leaves.
            _ = cut()


def real_channel(lane: Lane, clock: Clock) -> Channel:
    """Production's channel of a lane, with the account that the wire has for it."""
    return build(
        settings_of(lane.provider),
        lane=lane.name,
        channel=lane.channel,
        clock=clock,
        chance=KeyedChance(0),
        release="simulated",
    )
