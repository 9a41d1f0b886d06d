"""Reminder plans over HTTP: set one, look at it, cancel it.

This file answers for shapes and calls. A plan is shown without addresses, contents and values: whoever set it has
those, and whoever may only read need not.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Literal

from aiohttp import web

from adapters.moments import moment
from adapters.web.answers import Answer, answer, moment_or_none
from adapters.web.auth import Caller
from adapters.web.front import Front
from adapters.web.percent_codes import name_in_path
from adapters.web.reading import body_of, headers_of
from adapters.zones import zone_named
from core import ids
from core.content_shapes import ChannelName
from core.message import WAITING
from core.plan_requests import Participant, PlanEvent, Reminder, check_reference, read_plan
from core.plan_times import Anchor
from core.plan_views import PlanChange, PlanMessage
from core.records import Head


class PlanSkipped(Answer, frozen=True, kw_only=True):
    """A message that is wanted and will not be there. `why` is past, in_flight, tried, or `refused: ` and the reason.

    in_flight: the one before it was withdrawn while an attempt was out, and may still arrive; tried: it may have.
    """

    participant: str
    kind: str
    why: str


class PlanChanged(Answer, frozen=True, kw_only=True):
    """What setting or cancelling a plan came to. `kept` counts wanted messages that stay as they were."""

    reference: str
    revision: int
    created: list[str]
    moved: list[str]
    cancelled: list[str]
    kept: int
    skipped: list[PlanSkipped]

    @classmethod
    def of(cls, change: PlanChange) -> "PlanChanged":
        """The outside form of a change."""
        return cls(
            reference=change.reference,
            revision=change.revision,
            created=[ids.encode("msg", message) for message in change.created],
            moved=[ids.encode("msg", message) for message in change.moved],
            cancelled=[ids.encode("msg", message) for message in change.cancelled],
            kept=change.kept,
            skipped=[PlanSkipped(participant=key[0], kind=key[1], why=why) for key, why in change.skipped],
        )


class PlanParticipant(Answer, frozen=True, kw_only=True):
    """Somebody who is reminded."""

    id: str
    channel: ChannelName
    time_zone: str | None

    @classmethod
    def of(cls, who: Participant) -> "PlanParticipant":
        """The outside form of a participant."""
        return cls(id=who.id, channel=who.channel, time_zone=who.time_zone)


class PlanReminder(Answer, frozen=True, kw_only=True):
    """One kind of reminder, as it was asked for."""

    kind: str
    at: str | None
    offset: str | None
    relative_to: Anchor | None
    expires_after: str | None

    @classmethod
    def of(cls, reminder: Reminder) -> "PlanReminder":
        """The outside form of a reminder."""
        return cls(
            kind=reminder.kind,
            at=reminder.at,
            offset=reminder.offset,
            relative_to=reminder.relative_to,
            expires_after=reminder.expires_after,
        )


class PlannedMessage(Answer, frozen=True, kw_only=True):
    """The last message for one participant and kind. `wanted` is false once the plan wants it no more."""

    participant: str
    kind: str
    id: str
    status: str
    due: datetime | None
    wanted: bool


class ReminderPlan(Answer, frozen=True, kw_only=True):
    """One plan now. `state` is applied once all that follows from this revision has happened."""

    reference: str
    revision: int
    state: Literal["pending", "applied"]
    cancelled: bool
    set_at: datetime
    event: PlanEvent
    participants: list[PlanParticipant]
    reminders: list[PlanReminder]
    messages: list[PlannedMessage]


async def put(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Makes a plan what is asked for, and says what changed."""
    tenant, headers = caller.one_tenant, headers_of(request)
    reference = name_in_path(request, "reference")
    check_reference(reference)
    plan = read_plan(await body_of(front, request), is_zone=_is_zone)
    change = await front.system.plans.put(
        tenant, reference, plan, trace=headers.traceparent or "", correlation=headers.correlation
    )
    return answer(PlanChanged.of(change))


async def cancel(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Withdraws everything of a plan that is open, and says what that was."""
    return answer(
        PlanChanged.of(await front.system.plans.cancel(caller.one_tenant, name_in_path(request, "reference")))
    )


async def show(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """One plan and its messages now."""
    state = await front.system.plans.show(caller.one_tenant, name_in_path(request, "reference"))
    now_us, paused = front.clock.now_us(), front.system.errands.paused_lanes
    return answer(
        ReminderPlan(
            reference=state.reference,
            revision=state.revision,
            state="applied" if state.is_applied else "pending",
            cancelled=state.is_cancelled,
            set_at=moment(state.set_us),
            event=state.request.event,
            participants=[PlanParticipant.of(who) for who in state.request.participants],
            reminders=[PlanReminder.of(reminder) for reminder in state.request.reminders],
            messages=[_shown(message, now_us, paused) for message in state.messages],
        )
    )


def _shown(message: PlanMessage, now_us: int, paused_lanes: Collection[str]) -> PlannedMessage:
    return PlannedMessage(
        participant=message.key[0],
        kind=message.key[1],
        id=ids.encode("msg", message.id),
        status=_status(message.head, now_us, paused_lanes),
        due=moment_or_none(message.head.due_us),
        wanted=message.is_wanted,
    )


def _status(head: Head, now_us: int, paused_lanes: Collection[str]) -> str:
    """The status that people see (as views.shown_status has it), where a whole plan's messages are not folded."""
    if head.status in WAITING and head.lane in paused_lanes:
        return "held"
    if head.status == "scheduled" and head.due_us is not None and head.due_us <= now_us:
        return "queued"
    return head.status


def _is_zone(name: str) -> bool:
    return zone_named(name) is not None
