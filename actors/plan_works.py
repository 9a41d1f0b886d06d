"""One revision of a plan carried out: its messages are made, moved, replaced and withdrawn, many at a time.

This file answers for every step being harmless when it is done again, so that a start goes on where a crash cut it off:
a message is made under the key of its generation, and what exists is changed by its own actor, in its turn. It must
never make a message beside one that may still arrive.
"""

from collections.abc import Iterator, Mapping
from typing import Final, TypeVar

import anyio
import anyio.lowlevel
import msgspec
from msgspec.structs import replace

from actors.errands import Errands
from actors.intake import Acknowledgement, Intake
from actors.plan_streams import Counts
from actors.sender import LOG_TROUBLE, NONSENSE
from actors.surroundings import Decide
from core import events as e
from core.contents import Submission
from core.errors import BeingForgotten, Invalid, KeyReused, NotFound, TidingsError
from core.message import OPEN, Message
from core.plan_marks import Mark
from core.plans import Key, Plan, Wanted
from core.ports import Clock, Witness

T = TypeVar("T")

# So many messages of a plan are on their way to the log at once: enough to share commits, few enough that whoever
# asks for something else meanwhile is answered soon (25 ms beside 10,000 messages, where 256 make it 43).
_AT_ONCE: Final = 128
# After so many that were only looked at, others have their turn.
_LOOKED_AT: Final = 64

_UNTRIED: Final = frozenset({"queued", "scheduled"})
# Why messages are cancelled that a plan withdrew or replaced, or that went with whom they were for.
_BY_PLANS: Final = frozenset({"plan", "replaced", "erased"})


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a revision comes to: the plan as it was set at `set_us`, what it wants, and its marks with what is to do."""

    tenant: str
    set_us: int
    plan: Plan
    wanted: Mapping[Key, Wanted]
    marks: dict[Key, Mark]
    trace: str
    correlation: str | None

    def submission_of(self, key: Key, mark: Mark) -> Submission:
        """What the message of a mark is made of; raises Invalid."""
        return self.plan.submission_of(
            self.wanted[key], mark.generation, trace=self.trace, correlation=self.correlation
        )


class Done:
    """What was done so far: the marks as they are now, and whose messages came, moved, went, or stayed after all."""

    def __init__(self, marks: dict[Key, Mark]) -> None:
        self.marks = dict(marks)
        self.created: dict[Key, int] = {}
        self.moved: dict[Key, int] = {}
        self.cancelled: dict[Key, int] = {}
        self.refused: dict[Key, str] = {}
        self.stayed = 0
        self._order = tuple(marks)

    def in_order(self, found: Mapping[Key, T]) -> tuple[T, ...]:
        """What was found for some, in the order of the plan and not in that of happening."""
        return tuple(found[key] for key in self._order if key in found)

    def counts(self, kept: int) -> Counts:
        """How many messages came, moved and went, where so many were to stay."""
        return Counts(
            created=len(self.created),
            moved=len(self.moved),
            cancelled=len(self.cancelled),
            kept=kept + self.stayed,
        )


class PlanWorks:
    """Whoever carries plans out."""

    def __init__(self, *, errands: Errands, intake: Intake, clock: Clock, witness: Witness) -> None:
        self._errands = errands
        self._intake = intake
        self._clock = clock
        self._witness = witness

    async def check(self, work: Work) -> None:
        """Raises Invalid for the first message that could not be made, before any of the plan is recorded."""
        for number, (key, mark) in enumerate(work.marks.items()):
            if mark.todo in {"make", "replace"}:
                try:
                    self._intake.check(work.submission_of(key, mark))
                except Invalid as invalid:
                    raise work.plan.placed(invalid, work.wanted[key]) from None
            if number % _LOOKED_AT == 0:
                await anyio.lowlevel.checkpoint()

    async def carry_out(self, work: Work) -> Done:
        """Does all that is to do. Raises what the log answers where it is in trouble: then it may be done again."""
        done = Done(work.marks)
        todo = iter([key for key, mark in work.marks.items() if mark.todo])
        troubles: list[TidingsError] = []
        async with anyio.create_task_group() as group:
            for _ in range(min(self._at_once(), sum(1 for mark in work.marks.values() if mark.todo))):
                group.start_soon(self._work, work, done, todo, troubles)
        if troubles:
            raise troubles[0]
        return done

    def _at_once(self) -> int:
        """So many that the door does not refuse some of them, each time anew: half of the room is for others."""
        return max(1, min(_AT_ONCE, self._intake.room() // 2))

    async def _work(self, work: Work, done: Done, todo: Iterator[Key], troubles: list[TidingsError]) -> None:
        for key in todo:
            if troubles:
                return
            try:
                await self._act(work, done, key)
            except LOG_TROUBLE as error:
                troubles.append(error)
            except (NotFound, *NONSENSE) as error:
                # Erased, or of a conversation that waits for a person: the others need not wait for that.
                self._witness.note("plan_parked", message=work.marks[key].message, error=type(error).__name__)
                done.marks[key] = replace(work.marks[key], todo="")

    async def _act(self, work: Work, done: Done, key: Key) -> None:
        mark = work.marks[key]
        match mark.todo:
            case "make":
                await self._make(work, done, key, mark)
            case "replace":
                await self._replace(work, done, key, mark)
            case "move":
                zone = work.plan.zone_for(work.wanted[key])
                message = await self._errands.change(work.tenant, mark.message, _moving(mark.at_us, zone))
                if _is_untried(message):
                    done.moved[key] = message.id
                else:
                    done.stayed += 1
                done.marks[key] = replace(mark, todo="")
            case "withdraw":
                message = await self._errands.change(work.tenant, mark.message, _withdrawing)
                if message.status == "cancelled" or message.cancel is not None:
                    done.cancelled[key] = message.id
                done.marks[key] = replace(mark, todo="")
            case "":
                pass

    async def _make(self, work: Work, done: Done, key: Key, mark: Mark) -> None:
        """Makes the message of a mark, under the first generation from its own on whose key is free for it."""
        while True:
            try:
                acknowledged = await self._accept(work, key, mark)
            except KeyReused as error:
                # By somebody who made reminders without a plan, or for somebody forgotten: it gives way if it can.
                mark = replace(mark, message=error.stream, generation=mark.generation + 1)
                if not await self._gave_way(work, done, key, mark):
                    return
            except BeingForgotten as error:
                # All others need not wait until that is over.
                self._refuse(done, key, mark, str(error))
                return
            except Invalid as invalid:
                self._refuse(done, key, mark, str(work.plan.placed(invalid, work.wanted[key])))
                return
            else:
                mark = replace(mark, message=acknowledged.id)
                if await self._is_theirs(work, done, key, mark, is_found=acknowledged.duplicate):
                    return
                mark = replace(mark, generation=mark.generation + 1)

    async def _accept(self, work: Work, key: Key, mark: Mark) -> Acknowledgement:
        submission = work.submission_of(key, mark)
        if submission.send_at_us is not None and submission.send_at_us <= self._clock.now_us():
            # Its moment was to come when the plan was set, and passed while nothing could be made.
            submission = replace(submission, send_at_us=None)
        return await self._intake.accept(work.tenant, submission)

    async def _is_theirs(self, work: Work, done: Done, key: Key, mark: Mark, *, is_found: bool) -> bool:
        """Whether the message of a mark, which was made or found under its key, is the one that the plan has now.

        One of before the plan was set is of somebody whom it forgot, and their generations with them, or was made
        without a plan: it stays, unless it was cancelled because it was wanted no more.
        """
        before = await self._errands.message(work.tenant, mark.message) if is_found else None
        if before is None or before.accepted_us >= work.set_us:
            done.created[key] = mark.message
        elif before.status == "cancelled" and not before.attempt and before.reason in _BY_PLANS:
            return False
        else:
            done.stayed += 1
        done.marks[key] = replace(mark, todo="")
        return True

    async def _replace(self, work: Work, done: Done, key: Key, mark: Mark) -> None:
        if await self._gave_way(work, done, key, mark):
            await self._make(work, done, key, mark)

    async def _gave_way(self, work: Work, done: Done, key: Key, mark: Mark) -> bool:
        """Whether the message before certainly goes nowhere, so that another one may be made."""
        before = await self._errands.change(work.tenant, mark.message, _giving_way)
        if before.status != "cancelled" or before.attempt:
            done.stayed += 1
            done.marks[key] = replace(mark, todo="")
            return False
        if before.reason == "replaced" and before.changed_us >= work.set_us:
            done.cancelled[key] = before.id
        return True

    def _refuse(self, done: Done, key: Key, mark: Mark, why: str) -> None:
        """There will be no message: it has expired, or what was sound when the plan was set is so no more."""
        del done.marks[key]
        if mark.message:
            done.marks[key] = replace(mark, is_wanted=False, todo="")
        done.refused[key] = f"refused: {why}"


def _is_untried(message: Message) -> bool:
    return message.status in _UNTRIED and not message.attempt


def _moving(at_us: int, zone: str) -> Decide:
    """To another moment (0: at once), to another time zone, or both."""

    def decide(message: Message, now_us: int) -> tuple[e.Event, ...]:
        # One whose moment stays keeps its place, also where that has come meanwhile.
        due_us = message.first_due_us if at_us in {0, message.first_due_us} else max(now_us, at_us)
        if not _is_untried(message) or (due_us, zone) == (message.first_due_us, message.zone):
            return ()
        return (e.MessageRescheduled(due_us=due_us, zone=None if zone == message.zone else zone),)

    return decide


def _withdrawing(message: Message, _now_us: int) -> tuple[e.Event, ...]:
    if message.status not in OPEN or message.cancel is not None:
        return ()
    return (e.CancelRequested(reason="plan") if message.in_flight else e.MessageCancelled(reason="plan"),)


def _giving_way(message: Message, _now_us: int) -> tuple[e.Event, ...]:
    return (e.MessageCancelled(reason="replaced"),) if _is_untried(message) else ()
