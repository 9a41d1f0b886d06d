"""lane: one provider account, its health and its policy."""

from typing import Literal

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
