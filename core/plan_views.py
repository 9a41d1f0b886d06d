"""What people are shown of a plan: how it stands, and what setting it came to.

This file answers for the shape of both. Ids are numbers and instants microseconds; outside forms are made at the door.
"""

import msgspec

from core.plan_requests import PlanRequest
from core.plans import Key
from core.records import Head


class PlanChange(msgspec.Struct, frozen=True, kw_only=True):
    """What setting a plan came to. The messages are those of this call, in the order of participants and reminders;
    `kept` counts those that stay as they were.

    `skipped` are wanted messages that will not be there, and why.
    """

    reference: str
    revision: int
    created: tuple[int, ...]
    moved: tuple[int, ...]
    cancelled: tuple[int, ...]
    kept: int
    skipped: tuple[tuple[Key, str], ...]


class PlanMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The last message of a plan for one participant and kind; `is_wanted`: the plan wants it still."""

    key: Key
    id: int
    is_wanted: bool
    head: Head


class PlanState(msgspec.Struct, frozen=True, kw_only=True):
    """A plan now, as it was set at `set_us`. `is_applied`: all that follows from it has happened."""

    reference: str
    revision: int
    is_applied: bool
    is_cancelled: bool
    set_us: int
    request: PlanRequest
    messages: tuple[PlanMessage, ...]
