"""How the other side behaves: which fault a request meets, how long an answer takes, what is told afterwards.

This file answers for each of these being drawn by the request's own key: what happens to one message never depends on
which others there are, but where they fill a provider's capacity (capacity.py).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import msgspec
from msgspec import UNSET

from core.news import Receipt, ReceiptStatus
from core.outcomes import name_of
from core.policies import MINUTE_US
from core.settings import Lane
from scenarios.draws import Draws
from scenarios.file.answers import TAKEN, Answer
from scenarios.file.readings import FOREVER_US
from scenarios.file.scenario import Scenario
from scenarios.file.selecting import LatencyTable
from scenarios.file.sides import Answered, Fault, Provider, ReceiptsTable
from scenarios.file.wired import KNOWS_AGAIN_US
from scenarios.world.books import Handed
from scenarios.world.capacity import Room
from scenarios.world.choosing import Subject, fits
from scenarios.world.meeting import Meeting
from scenarios.world.recorded import receipts_told, stands

_USUAL = Provider()
# How much of an answer's time goes by before the request has left us, at most.
_CONNECTING = 0.3
# Receipts come after their median, or up to so many times as late, one time in a hundred later still.
_RECEIPTS_P99: Final = 5
# One that comes again does so within this time.
_AGAIN_WITHIN_US: Final = MINUTE_US


class Nature:
    """The behaviour of all other sides of one world."""

    def __init__(self, scenario: Scenario, draws: Draws) -> None:
        self._draws = draws
        self._runs_for_us = scenario.runs_for_us
        self._providers = scenario.providers
        self._rooms: dict[int | None, Room] = {
            place: Room(provider.capacity, draws, f"{provider.lane} {provider.channel} {provider.at_us}")
            for place, provider in enumerate(scenario.providers)
            if provider.capacity is not None
        }
        self._known_again_us = {
            lane.name: KNOWS_AGAIN_US[lane.provider]
            for lane in scenario.settings.lanes
            if lane.name in scenario.wired and lane.provider in KNOWS_AGAIN_US
        }
        self._answered = {(one.message, one.attempt): one for one in scenario.answered}
        self._faults: Sequence[tuple[Fault, Answer]] = [
            (fault, fault.answer) for fault in scenario.faults if fault.answer is not None
        ]

    def meet(self, subject: Subject, attempt: int, at_us: int, *, by_template: bool = False) -> Meeting:
        """What awaits an attempt that begins at an instant since the start."""
        place = self._provider_at(subject, at_us)
        provider = _USUAL if place is None else self._providers[place]
        whole_us = latency_us(self._draws, provider.latency, "latency", subject.key, attempt)
        fails = self._fails(subject, attempt, at_us)
        if fails is not None and fails.outcome is not None and name_of(fails.outcome) == "window" and by_template:
            fails = None  # A closed window keeps free text out, and nothing else.
        modelled = self._modelled(provider, (subject, attempt), fails, whole_us)
        recorded = self._answered.get((subject.key, attempt))
        if recorded is None or not stands(recorded, at_us):
            return self._let_in(self._rooms.get(place), modelled, at_us)
        return _as_recorded(recorded, modelled, whole_us)

    @staticmethod
    def _let_in(room: Room | None, meeting: Meeting, at_us: int) -> Meeting:
        """A request that gets to a provider with a capacity has a place there, or is refused."""
        if room is None or (meeting.fails is not None and meeting.fails.kind not in TAKEN):
            return meeting
        refusal = room.refuses(at_us + meeting.connects_us, at_us + meeting.connects_us + meeting.answers_us)
        return meeting if refusal is None else msgspec.structs.replace(meeting, fails=refusal)

    def _modelled(self, provider: Provider, tried: tuple[Subject, int], fails: Answer | None, whole_us: int) -> Meeting:
        subject, attempt = tried
        connects_us = round(self._draws.draw("connecting", subject.key, attempt) * _CONNECTING * whole_us)
        knows_for_us = self._knows_for_us(provider, subject)
        slow_us = fails.slow_us if fails is not None else 0
        return Meeting(
            key=subject.key,
            attempt=attempt,
            fails=fails,
            connects_us=connects_us,
            answers_us=whole_us - connects_us + slow_us,
            is_idempotent=knows_for_us is not None,
            knows_for_us=knows_for_us or FOREVER_US,
            provider_id="" if provider.receipts is None else self._name(provider, subject, attempt),
            receipts=provider.receipts,
        )

    def _knows_for_us(self, provider: Provider, subject: Subject) -> int | None:
        """How long a message is known again; None for never. What is on the wire is as its provider really is."""
        return self._known_again_us.get(subject.lane) if provider.idempotent is None else provider.idempotent

    def answers(self, subject: Subject, attempt: int, at_us: int) -> int | None:
        """How long it takes until a provider says that it has a message; None where it does not."""
        recorded = self._answered.get((subject.key, attempt))
        if recorded is not None and recorded.looked_up_us is not UNSET:
            return recorded.looked_up_us
        provider = self._provider(subject, at_us)
        is_known = self._draws.happens(provider.looks_up or 0.0, "looked up", subject.key, attempt)
        is_reached = not any(
            answer.kind in {"refused", "timeout"}
            and fault.is_on(at_us, self._runs_for_us)
            and fits(fault, subject)
            and self._is_hit(fault, answer, f"look-up of {subject.key}", attempt)
            for fault, answer in self._faults
        )
        if not is_known or not is_reached:
            return None
        return latency_us(self._draws, provider.latency, "look-up", subject.key, attempt)

    def on_the_way(self, subject: Subject, attempt: int, fails: Answer | None) -> tuple[int, int | None]:
        """How much later than it should what was taken gets there, and how much after that a copy of it does."""
        key = subject.key, attempt
        late_us, copy_us = 0, None
        if fails is not None and fails.kind == "reorder":
            late_us = 1 + self._draws.integer("reordered", *key, below=fails.within_us)
        if fails is not None and fails.kind == "duplicate":
            copy_us = 1 + self._draws.integer("duplicated", *key, below=fails.within_us)
        return late_us, copy_us

    def receipts_of(self, table: ReceiptsTable, handed: Handed, meeting: Meeting) -> list[tuple[int, Receipt]]:
        """What is told of a message that was taken: how long after that it is told first, and what.

        The instants in receipts are spans since then as well.
        """
        if meeting.told is not None:
            return list(meeting.told)
        key = handed.key, handed.attempt
        if not self._draws.happens(table.share, "tells", *key):
            return []
        told = self._course(table, key)
        shift_us = table.late_by_us if self._draws.happens(table.late, "late", *key) else 0
        spans_us = [after_us for _, after_us in told]
        if self._draws.happens(table.disorder, "disorder", *key):
            spans_us.reverse()
        if self._draws.happens(table.early, "early", *key):
            # Half of the time goes by on the way there; we hear the answer after the other half.
            soonest = min(range(len(spans_us)), key=spans_us.__getitem__)
            half_us = max(2, meeting.answers_us - meeting.answers_us // 2)
            spans_us[soonest] = self._draws.integer("early by", *key, below=half_us)
        return [
            (spans_us[place] + shift_us, self._receipt(table, status, meeting.provider_id, after_us))
            for place, (status, after_us) in enumerate(told)
        ]

    def comes_again_us(self, table: ReceiptsTable, handed: Handed, status: str) -> int | None:
        """How much later a receipt is told once more, None where it is not."""
        key = handed.key, handed.attempt, status
        if not self._draws.happens(table.twice, "twice", *key):
            return None
        return 1 + self._draws.integer("twice after", *key, below=_AGAIN_WITHIN_US)

    def happens(self, what: str, handed: Handed, status: str, share: float) -> bool:
        """Whether something of which there is a share comes beside a receipt."""
        return self._draws.happens(share, what, handed.key, handed.attempt, status)

    def foreign_id(self, handed: Handed, status: str) -> str:
        """What a provider calls a message that somebody else has sent."""
        return f"{self._draws.integer('foreign id', handed.key, handed.attempt, status, below=1 << 53):x}"

    def _course(self, table: ReceiptsTable, key: tuple[str, int]) -> list[tuple[ReceiptStatus, int]]:
        """What becomes of a message, each with its instant, in the order in which it happens."""
        medians: dict[ReceiptStatus, int | None] = {
            "sent": table.sent_us,
            "delivered": table.delivered_us,
            "read": table.read_us,
        }
        failed = table.failed
        is_failed = failed is not None and self._draws.happens(failed.share, "failed", *key)
        if failed is not None and is_failed:
            medians = {**medians, "failed": failed.after_us}
            if not failed.beside:
                medians |= {"delivered": None, "read": None}
        course, last_us = list[tuple[ReceiptStatus, int]](), 0
        for status, median_us in medians.items():
            if median_us is not None:
                latency = LatencyTable(median_us=median_us, p99_us=_RECEIPTS_P99 * median_us)
                last_us = max(last_us + 1, latency_us(self._draws, latency, f"receipt {status}", *key))
                course.append((status, last_us))
        assert all(one[1] < other[1] for one, other in pairwise(course)), course
        return course

    def _receipt(self, table: ReceiptsTable, status: ReceiptStatus, provider_id: str, after_us: int) -> Receipt:
        failure = table.failed.why if table.failed is not None and status == "failed" else None
        return Receipt(
            status=status,
            provider_id="" if table.by == "echo" else provider_id,
            at_us=after_us,
            code="" if failure is None else failure.code,
            failure=failure,
        )

    def _provider(self, subject: Subject, at_us: int) -> Provider:
        place = self._provider_at(subject, at_us)
        return _USUAL if place is None else self._providers[place]

    def _provider_at(self, subject: Subject, at_us: int) -> int | None:
        """The place of the first table that fits a message at an instant."""
        found = (n for n, known in enumerate(self._providers) if known.is_on(at_us) and fits(known, subject))
        return next(found, None)

    def _name(self, provider: Provider, subject: Subject, attempt: int) -> str:
        # One that knows a message again calls it by the name that it gave it first.
        attempt = attempt if self._knows_for_us(provider, subject) is None else 0
        return f"id{self._draws.integer('provider id', subject.lane, subject.key, attempt, below=1 << 53):x}"

    def _fails(self, subject: Subject, attempt: int, at_us: int) -> Answer | None:
        for fault, answer in self._faults:
            if (
                fault.is_on(at_us, self._runs_for_us)
                and fault.attempt in (None, attempt)
                and fits(fault, subject)
                and self._is_hit(fault, answer, subject.key, attempt)
            ):
                return answer
        return None

    def _is_hit(self, fault: Fault, answer: Answer, key: str, attempt: int) -> bool:
        share = answer.share if answer.share is not None else fault.share
        if share is None:
            return True
        # By what the fault is, not by its place in the file: taking out another one must not move this one's draws.
        kind = answer.kind if answer.outcome is None else name_of(answer.outcome)
        return self._draws.happens(share, "fault", kind, answer.status, fault.at_us, key, attempt)


def _as_recorded(recorded: Answered, modelled: Meeting, whole_us: int) -> Meeting:
    """What is recorded of an attempt, and for the rest what was modelled; `whole_us` is how long it would take."""
    connects_us = modelled.connects_us if recorded.connects_us is None else recorded.connects_us
    if recorded.takes_us is not None:
        answers_us = max(0, recorded.takes_us - connects_us)
    else:
        slow_us = 0 if recorded.answer is None else recorded.answer.slow_us
        answers_us = max(0, whole_us - connects_us) + slow_us
    provider_id = modelled.provider_id if recorded.provider_id is None else recorded.provider_id
    return msgspec.structs.replace(
        modelled,
        fails=recorded.answer,
        connects_us=connects_us,
        answers_us=answers_us,
        provider_id=provider_id,
        is_recorded=True,
        told=receipts_told(recorded, provider_id),
    )


def latency_us(draws: Draws, latency: LatencyTable, purpose: str, *key: int | str) -> int:
    """A time drawn from a latency of the file; without a 99th percentile, always its median."""
    p99_us = latency.p99_us if latency.p99_us is not None else latency.median_us
    return draws.latency_us(latency.median_us, p99_us, purpose, *key)


def can_tell(scenario: Scenario, lane: Lane) -> bool:
    """Whether the provider behind a lane can be asked what became of some of its messages."""
    return any(
        side.looks_up is not None and side.lane in (None, lane.name) and side.channel in (None, lane.channel)
        for side in scenario.providers
    )
