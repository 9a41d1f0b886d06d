"""Why a message stands where it stands: the shapes of an explanation.

This file answers for the closed set of things that can be in a message's way, and for what takes each of them out of
it. It decides nothing: explain_open.py judges an open message, explain_past.py one that is over. Instants and spans are
microseconds.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal

import msgspec

from core import events as e
from core.conversation import Conversation
from core.failover import IsUp
from core.message import Message, Status
from core.policies import Policy
from core.records import Recorded
from core.starts import Terms
from core.views import AnyChannel

Kind = Literal[
    "due", "retry", "quiet_hours", "doubt", "asked", "unknown", "parked", "in_flight", "cut_off", "order", "beside",
    "circuit", "pair", "lane_gone", "lane_paused", "lane_throttled", "breaker", "ramp", "host_throttled",
    "host_breaker", "host_ramp", "lane_limit", "gap", "tenant_limit", "recipient_limit", "concurrency",
    "host_concurrency", "store", "turn",
]  # fmt: skip  # Of the message itself, of its conversation, of its lane, of its limits, of ourselves.
Release = Literal[
    "time", "outcome", "receipt", "conclusion", "answer", "release", "reset", "resume", "provider", "probe", "room",
    "reload", "reschedule", "cancel", "store", "start", "redrive", "fallback", "failover",
]  # fmt: skip  # What may set a message going: instants and events first, then what people do.

RELEASES: Final[Mapping[Kind, tuple[Release, ...]]] = {
    "due": ("time", "reschedule"),
    "retry": ("time",),
    "quiet_hours": ("time",),
    "doubt": ("time", "receipt"),
    "asked": ("answer", "receipt"),
    "unknown": ("release", "receipt", "cancel"),
    "parked": ("release", "receipt", "cancel"),
    "in_flight": ("outcome",),
    "cut_off": ("start",),
    "order": ("conclusion", "cancel"),
    "beside": ("outcome",),
    "circuit": ("time", "probe", "reset"),
    "pair": ("time", "reset"),
    "lane_gone": ("reload",),
    "lane_paused": ("resume", "provider"),
    "lane_throttled": ("time", "resume"),
    "breaker": ("time", "probe"),
    "ramp": ("time",),
    "host_throttled": ("time",),
    "host_breaker": ("time", "probe"),
    "host_ramp": ("time",),
    "lane_limit": ("time", "reload"),
    "gap": ("time", "reload"),
    "tenant_limit": ("time", "reload"),
    "recipient_limit": ("time", "reload"),
    "concurrency": ("room", "reload"),
    "host_concurrency": ("room", "reload"),
    "store": ("store",),
    "turn": (),
}


# What keeps a whole lane from letting anything out: messages that may go through another leave it.
_LEFT_BEHIND: Final = frozenset({"lane_gone", "lane_paused", "breaker"})


class Constraint(msgspec.Struct, frozen=True, kw_only=True):
    """One thing in the way of a start. `until_us` None: no instant can be named, an event has to come first.

    `message` is the one in the way where it is one; `by` and `code` say who paused a lane, and the other side's code;
    `count` in `window_us` is the limit that has no room (`window_us` None: so many in flight).
    """

    kind: Kind
    until_us: int | None = None
    message: int = 0
    by: str = ""
    code: str = ""
    count: int = 0
    window_us: int | None = None

    def bars(self, now_us: int) -> bool:
        """Whether it is in the way at an instant."""
        return self.until_us is None or self.until_us > now_us


class View(msgspec.Struct, frozen=True, kw_only=True):
    """All that an explanation of an open message rests on, as of `now_us`.

    `beside` are the other open messages of its conversation that may be in its way: those in flight, and the first of
    its line. `ways` are what lane, limits and store say. `is_deferred`: its due instant is the end of quiet hours.
    `is_asked`: its provider is being asked what became of its last attempt. `is_cut_off`: nobody runs who could bring
    the outcome of an attempt that is out. `doubt_chance` is what the wait after a
    vain doubt will draw.
    """

    now_us: int
    message: Message
    conversation: Conversation
    terms: Terms
    policy_of: Callable[[Message], Policy]
    is_up: IsUp
    beside: tuple[Message, ...] = ()
    ways: tuple[Constraint, ...] = ()
    is_deferred: bool = False
    is_asked: bool = False
    is_cut_off: bool = False
    doubt_chance: float = 0.5


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where an open message stands: the one thing that binds it, and what follows if nothing else happens.

    `also` are the other things in its way. `earliest_us` is the earliest instant of its next attempt: None where no
    instant can be named, or no attempt follows. `next_us` is when time alone next decides about it, None where an event
    has to come first. `then` is what will be recorded at the end of that road. `ends_us` is when
    its time ends, whatever is in its way. `by_template`: that attempt sends what stands in for free text.
    """

    binding: Constraint
    also: tuple[Constraint, ...] = ()
    earliest_us: int | None = None
    next_us: int | None = None
    then: e.Event | None = None
    ends_us: int | None = None
    by_template: bool = False


def releases_of(binding: Constraint, message: Message) -> tuple[Release, ...]:
    """What would take a constraint out of a message's way."""
    kind, found = binding.kind, list(RELEASES[binding.kind])
    if binding.until_us is None and "time" in found:
        found[found.index("time")] = "outcome"
    elif "probe" in found:
        found.remove("probe")  # Once it is half-open, this message may be the probe as well as any.
    if kind == "lane_paused" and binding.by == "operator":
        found.remove("provider")
    if kind in _LEFT_BEHIND and len(message.lanes) > 1:
        found.append("failover")
    return tuple(found)


class Conclusion(msgspec.Struct, frozen=True, kw_only=True):
    """How a message ended: the event that concluded it, and what may still happen to it."""

    event: Recorded
    may_still: tuple[Release, ...]


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a message, and the version of its lane's policy that decided it; None where none had a part."""

    event: Recorded
    policy_version: int | None


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a causal chain, or what else stands at its beginning (a plan, with the empty channel and status).

    `how` is how it came to be: by a client's `request`, `caused` by a hook or message, as its `fallback`, for one
    `device` of a user, or wanted by a `plan`. `cause` is the link that it came from, 0 at the beginning.
    """

    id: int
    channel: AnyChannel | Literal[""]
    status: Status | Literal[""]
    at_us: int
    how: Literal["request", "caused", "fallback", "device", "plan"]
    cause: int = 0


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer, as of `at_us`. `chain` goes from what stands at the beginning, through the message itself, to
    what it led to; `is_cut`: it goes on beyond what is told. Of `standing` and `conclusion` exactly one is there.
    """

    at_us: int
    message: Message
    chain: tuple[Link, ...]
    is_cut: bool
    decisions: tuple[Decision, ...]
    standing: Standing | None = None
    conclusion: Conclusion | None = None
