"""lane: one provider account, its health and its policy."""

from typing import Literal

import msgspec

from core.events.shape import Event


class LaneOpened(Event, frozen=True, kw_only=True):
    """A lane was configured for the first time under this name."""

    name: str
    channel: str


class PolicyAdopted(Event, frozen=True, kw_only=True):
    """The lane's policy from now on; each attempt names the version that decided it. `body` is the policy as JSON."""

    version: int
    body: bytes


class LanePaused(Event, frozen=True, kw_only=True):
    """Nothing goes out until it is resumed. `by` is who: a person, our own broken set-up, or the provider's word."""

    by: Literal["operator", "config", "provider"]
    code: str = ""


class LaneResumed(Event, frozen=True, kw_only=True):
    """The lane goes on: its provider said that the account works again, or a person resumed it, throttled or not."""

    by: Literal["operator", "provider"] = "operator"


class LaneThrottled(Event, frozen=True, kw_only=True):
    """The provider asked for a slower pace: nothing goes out before `until_us`. `host` 0 means the whole lane."""

    until_us: int
    host: int = 0
    code: str = ""


class BreakerOpened(Event, frozen=True, kw_only=True):
    """Too many faults among the last outcomes: nothing but a probe from `until_us` on. `host` 0: the whole lane."""

    until_us: int
    faults: int
    outcomes: int
    openings: int
    host: int = 0


class BreakerClosed(Event, frozen=True, kw_only=True):
    """A probe succeeded: traffic ramps up again from here."""

    host: int = 0


class Contrast(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """How often one verdict would have been another one."""

    was: str
    would: str
    count: int


class Sample(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """One decision on which the two policies differ. Instants are None where nothing is due."""

    at_us: int
    message: int
    attempt: int
    was: str
    would: str
    was_due_us: int | None = None
    would_due_us: int | None = None


class ShadowBegan(Event, frozen=True, kw_only=True):
    """From here on a policy is asked beside the lane's own, and decides nothing. `body` is the policy as JSON."""

    name: str
    body: bytes


class ShadowTold(Event, frozen=True, kw_only=True):
    """What a shadow has come to since it began: decisions, how many were alike, and its pace.

    Of `starts` attempts it would have held back `delayed`, for `delayed_us` together and `longest_us` at most.
    """

    decisions: int
    alike: int
    contrasts: tuple[Contrast, ...]
    samples: tuple[Sample, ...]
    starts: int
    delayed: int
    delayed_us: int
    longest_us: int


class ShadowEnded(Event, frozen=True, kw_only=True):
    """It is not asked any more: a person ended it, or another one took its place."""

    by: Literal["operator", "successor"]


class PolicyPromoted(Event, frozen=True, kw_only=True):
    """The shadow is the lane's policy from now on, as long as the configured one stays what it is.

    `instead_of` is the SHA-256 of the configured policy's JSON.
    """

    version: int
    body: bytes
    instead_of: bytes
