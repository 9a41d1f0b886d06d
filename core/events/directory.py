"""device, plan and stray: where pushes go, what reminders are wanted, and receipts that nobody knows yet."""

from typing import Literal

from core.events.shape import Event, ReceiptStatus
from core.outcomes import Failure


class DeviceRegistered(Event, frozen=True, kw_only=True):
    """A device and its token, for the first time or with another token. The vault holds user, device and token."""

    platform: str
    app: str
    commitment: bytes


class DeviceSeen(Event, frozen=True, kw_only=True):
    """It registered again with the token that it has."""


class DeviceStaled(Event, frozen=True, kw_only=True):
    """It was not heard of for longer than its lane's policy allows: routine pushes leave it out."""


class DeviceInvalidated(Event, frozen=True, kw_only=True):
    """The provider said that the token will never work (again)."""

    code: str


class DeviceRemoved(Event, frozen=True, kw_only=True):
    """Logged out, its token is another device's now, or a newer device of its user needed its place."""

    reason: Literal["requested", "moved", "displaced"]


class PlanSet(Event, frozen=True, kw_only=True):
    """What is wanted from now on: the vault holds it, under this commitment. Messages follow from it."""

    revision: int
    reminders: int
    commitment: bytes


class PlanApplied(Event, frozen=True, kw_only=True):
    """Every message of `revision` was made, moved or cancelled; the vault holds which they are, under `commitment`."""

    revision: int
    created: int
    moved: int
    cancelled: int
    kept: int
    commitment: bytes = b""


class StrayKept(Event, frozen=True, kw_only=True):
    """A receipt for a provider's id that no message has (yet). `name` is the keyed hash of that id in its lane."""

    lane: str
    name: bytes
    status: ReceiptStatus
    told_us: int | None = None
    code: str = ""
    failure: Failure | None = None


class StrayClaimed(Event, frozen=True, kw_only=True):
    """Its message turned up and has it now."""

    message: int


class StrayDropped(Event, frozen=True, kw_only=True):
    """Nobody claimed it in time: the message was never ours, or is long gone."""
