"""A channel to the simulated other side: the Channel port over what nature has in store for each request.

This file answers for the port's contract: whatever happens is an outcome, never later than the deadline; nothing before
the hand-over is ambiguous; and the books know what really happened.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from adapters.channels.scrubbing import scrubbed
from core import events as e
from core.outcomes import (
    Ambiguous,
    Outcome,
    Permanent,
    Rate,
    Recipient,
    Taken,
    Transient,
    of_endpoint_status,
    of_provider_status,
    retry_after_us,
)
from core.policies import SECOND_US
from core.ports import Clock, Parcel
from core.settings import Lane
from eventstore.durable import Durable
from scenarios.file.answers import LOST, TAKEN
from scenarios.world.books import Books, Handed
from scenarios.world.borders import Borders, cut
from scenarios.world.choosing import Subject
from scenarios.world.hooking import body_of
from scenarios.world.meeting import Meeting
from scenarios.world.nature import Nature

# How long it takes to find out that a provider does not answer.
_SILENT_US: Final = SECOND_US


class Author(Protocol):
    """Which process sends, and what the world knows of it that it may not know itself."""

    @property
    def node(self) -> int:
        """Its number among all processes of a run."""
        ...

    def acts(self) -> bool:
        """Whether the log is its to write."""
        ...

    def held_us(self) -> int:
        """How long it has stood still so far."""
        ...


class Alone:
    """The only process that there is."""

    node = 0

    def acts(self) -> bool:
        """Nobody else does."""
        return True

    def held_us(self) -> int:
        """Whatever holds it holds everything."""
        return 0


class SimulatedChannel:
    """One lane's other side, for one life of the daemon. `now_us` tells true time since the start."""

    def __init__(
        self,
        lane: Lane,
        *,
        nature: Nature,
        books: Books,
        borders: Borders,
        durable: Durable,
        subject_of: Callable[[int, str], Subject],
        clock: Clock,
        now_us: Callable[[], int],
        tell: Callable[[Handed, Meeting], None],
        author: Author,
    ) -> None:
        """`tell` hears of what the other side took, and has it told afterwards."""
        self._lane = lane
        self._nature = nature
        self._books = books
        self._borders = borders
        self._durable = durable
        self._subject_of = subject_of
        self._clock = clock
        self._now_us = now_us
        self._tell = tell
        self._author = author

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        """Tries once."""
        left_us = parcel.deadline_us - self._clock.now_us()
        if left_us <= 0:
            return Transient(code="timeout")
        acted, held_us = self._author.acts(), self._author.held_us()
        if self._crosses("before a request leaves", parcel):
            await cut()
        subject = self._subject(parcel)
        meeting = self._nature.meet(subject, parcel.attempt, self._now_us(), by_template=parcel.outside_window)
        self._books.met.append(meeting)
        if meeting.connects_us >= left_us:
            await _pass(left_us)
            return Transient(code="timeout")
        await _pass(meeting.connects_us)
        fails = meeting.fails
        if fails is not None and fails.kind == "refused":
            return Transient(code="connect")
        handed_over()
        is_answered = fails is None or fails.kind != "timeout"
        waits_us = min(left_us - meeting.connects_us, meeting.answers_us if is_answered else left_us)
        handed = msgspec.structs.replace(
            self._handed(parcel, subject, meeting),
            node=self._author.node,
            acted=acted,
            acts=self._author.acts(),
            was_held=self._author.held_us() > held_us,
            until_us=self._now_us() + waits_us,
        )
        self._tell(handed, meeting)
        self._books.handed.append(handed)
        if self._crosses("after a request has left", parcel):
            await cut()
        await _pass(waits_us)
        if self._crosses("after an answer is here", parcel):
            await cut()
        if not is_answered or waits_us < meeting.answers_us:
            return Ambiguous(code="timeout")
        return self._outcome(meeting, parcel.to)

    async def close(self) -> None:
        """There is nothing to close."""

    def _crosses(self, name: str, parcel: Parcel) -> bool:
        """Whether the power goes out as a boundary is crossed."""
        return self._borders.cross(f"{name}, {self._lane.name} attempt {parcel.attempt}", self._now_us())

    def _handed(self, parcel: Parcel, subject: Subject, meeting: Meeting) -> Handed:
        at_us, fails = self._now_us(), meeting.fails
        is_lost = fails is not None and fails.kind in LOST
        late_us, copy_us = self._nature.on_the_way(subject, parcel.attempt, fails)
        recorded = self._durable.streams.get(parcel.stream, [])
        return Handed(
            key=subject.key,
            message=parcel.message,
            stream=parcel.stream,
            attempt=parcel.attempt,
            lane=self._lane.name,
            tenant=parcel.tenant,
            to=parcel.to,
            content=body_of(parcel.content) if self._lane.channel == "hook" else parcel.content,
            at_us=at_us,
            log_us=self._clock.now_us(),
            # Half of the time goes by on the way there; whoever is slow has it all the same.
            arrives_us=None if is_lost else at_us + meeting.answers_us // 2,
            is_taken=fails is None or fails.kind in TAKEN or 200 <= fails.status < 300,
            is_idempotent=meeting.is_idempotent,
            knows_for_us=meeting.knows_for_us,
            late_us=late_us,
            copy_us=copy_us,
            provider_id=meeting.provider_id,
            was_intended=any(
                isinstance(entry.event, e.AttemptStarted) and entry.event.attempt == parcel.attempt
                for entry in recorded
            ),
        )

    def _subject(self, parcel: Parcel) -> Subject:
        """The message as selectors see it, in the lane that it goes through."""
        subject = self._subject_of(parcel.stream, parcel.to)
        return subject if subject.lane == self._lane.name else msgspec.structs.replace(subject, lane=self._lane.name)

    def _outcome(self, meeting: Meeting, to: str) -> Outcome:
        fails = meeting.fails
        if fails is not None and fails.outcome is not None:
            return fails.outcome
        if fails is not None and fails.kind in {"reset", "lost_reply"}:
            return Ambiguous(code="disconnected")
        if fails is not None and fails.kind in {"malformed", "intercepted"}:
            return Ambiguous(code="bad_answer")
        status, after_us, detail = 200, None, ""
        if fails is not None and fails.kind == "status":
            status = fails.status
            after_us = retry_after_us(fails.headers.get("retry-after"), self._clock.now_us())
            detail = scrubbed(fails.body.replace("{to}", to), to=to) if fails.body else ""
        outcome = self._read(status, after_us, detail)
        if isinstance(outcome, Taken) and meeting.provider_id:
            return msgspec.structs.replace(outcome, provider_id=meeting.provider_id)
        return outcome

    def _read(self, status: int, after_us: int | None, detail: str) -> Outcome:
        if self._lane.channel not in {"webhook", "hook"}:
            return of_provider_status(status, after_us=after_us, detail=detail)
        outcome = of_endpoint_status(status, after_us=after_us, detail=detail)
        if self._lane.channel == "hook" and isinstance(outcome, Recipient):
            return Permanent(code=outcome.code, detail=detail)
        if self._lane.channel == "hook" and isinstance(outcome, Rate):
            return msgspec.structs.replace(outcome, scope="lane")
        return outcome


class AskableChannel(SimulatedChannel):
    """A channel whose provider can be asked what became of an attempt: see LooksUp."""

    async def look_up(self, parcel: Parcel, started_us: int) -> Taken | None:
        """Whether the other side has the message, as far as it can tell and we can reach it."""
        if self._crosses("before a provider is asked", parcel):
            await cut()
        subject = self._subject(parcel)
        answers_us = self._nature.answers(subject, parcel.attempt, self._now_us())
        self._books.looked_up[subject.key, parcel.attempt] = answers_us
        if answers_us is None:
            await _pass(min(_SILENT_US, parcel.deadline_us - self._clock.now_us()))
            return None
        await _pass(answers_us)
        if self._crosses("after a provider was asked", parcel):
            await cut()
        known = [
            handed
            for handed in self._books.deliveries()
            if (handed.stream, handed.lane) == (parcel.stream, self._lane.name)
            and handed.log_us >= started_us
            and (handed.arrives_us or 0) <= self._now_us()
        ]
        return Taken(code="found", provider_id=known[-1].provider_id) if known else None


async def _pass(span_us: int) -> None:
    if span_us > 0:
        await asyncio.sleep(span_us / SECOND_US)
