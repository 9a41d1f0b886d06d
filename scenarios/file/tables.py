"""The tables of a scenario file: which keys there are, how each is read, and its default.

This file answers for the form of the file. An attribute carries the unit that a key's text spells out (`at = "5m"` is
`at_us`); all instants but `start` are spans since the start. What two keys together must not say is checked in
checking.py.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from msgspec import field

from adapters.config.kinds import Count, PositiveUs, SpanUs, Table, Text
from adapters.config.providers import CHANNELS
from adapters.config.reading import Required
from adapters.config.tables import LanePolicyTable, NamedPolicyTable
from adapters.config.units import Unfit, choice, fraction, switch, text, whole, zone
from core.events import OnAmbiguous, Order
from core.policies import DAY_US, SECOND_US
from scenarios.file.readings import DAEMONS_MAX, amount, content, instant, pace, template
from scenarios.file.selecting import Chosen, LatencyTable, Share, Template
from scenarios.file.sides import Answered, Fault, Peer, Provider
from scenarios.file.updates import SCHEMES, Scheme
from scenarios.file.wishes import Device, Plan

# Named here, since in a class body a field of the same name would stand in the way of the reading.
Contents = Annotated[Mapping[str, object], content]

Action = Literal["pause", "resume", "cancel", "redrive", "reset", "release", "reschedule", "forget"]
ACTIONS: tuple[Action, ...] = get_args(Action)

HeldBy = Literal["unknown", "parked"]

COUNTED = (
    *("accepted", "repeated", "refused", "rejected", "forged", "delivered", "duplicates", "attempts"),
    *("dead", "expired", "cancelled", "held", "redriven", "circuits_opened", "breakers_opened", "crashes"),
    *("told", "strays", "doubts", "proved", "failed", "moved", "replaced", "suppressed", "invalidated"),
    "forgotten",
    *("rescheduled", "waiting", "sending", "circuits_open", "breakers_open", "lanes_paused", "takeovers"),
)
MEASURED = ("lateness", "tries", "peak", "in_flight")
# What is no message's, so that no share of messages can be told of it.
OF_NO_MESSAGE = frozenset({
    *("forgotten", "strays", "invalidated", "crashes", "takeovers", "breakers_opened", "breakers_open", "lanes_paused"),
})  # fmt: skip  # one set


class LaneTable(Table, frozen=True, kw_only=True):
    """A lane; its provider is the simulated one, whatever it is called. Lanes of one `account` share its limiters.

    `wire`: its provider is a real one by name, and production's own channel speaks to a stand-in for it.
    """

    channel: Annotated[str, choice(*CHANNELS), Required] = ""
    provider: Text = "simulated"
    account: Text = ""
    wire: Annotated[bool, switch] = False
    policy: LanePolicyTable = LanePolicyTable()


class ApiTable(Table, frozen=True, kw_only=True):
    """How messages and hooks come in. `wire`: over HTTP, where the share `cut` of the calls breaks off unanswered."""

    wire: Annotated[bool, switch] = False
    cut: Share = 0.0


class HookTable(Table, frozen=True, kw_only=True):
    """A source of hooks. Its handler is the other side of the lane of its name; the world signs with its secret.

    `order_by` is a JSON pointer to what hooks are kept in order by. `lanes` are those whose messages Meta tells of:
    then their receipts come as hooks of this source.
    """

    scheme: Annotated[Scheme, choice(*SCHEMES), Required] = "stripe"
    tenant: Text = "default"
    order_by: Text | None = None
    lanes: tuple[Text, ...] = ()
    policy: LanePolicyTable = LanePolicyTable()


class FallbackTable(Table, frozen=True, kw_only=True):
    """A message to another channel, should the one that it stands in end undelivered."""

    channel: Annotated[str, choice(*CHANNELS), Required] = ""
    to: Annotated[str, template, Required] = ""
    content: Contents | None = None
    lane: Text | None = None


class Arrive(Table, frozen=True, kw_only=True):
    """Messages that are asked for, or hooks that come in: `count` of them from `at` on, spread over a time.

    `poisson` draws an instant for each, `even` spaces them, `burst` sends all at once; the default is `even` where
    there is a time to spread over. `repeat` is the share that the client sends twice, `repeat_after` how much later,
    if it is not left to chance. `expires_after` and `fallback_by` count from the arrival. `number` is that of the first
    message, so that several tables may be parts of one.

    A `hook` names its source. Stripe's events say what `content` says; Meta's are messages that people wrote, `to`
    being their address, of which one hook brings `batch`. The share `forged` is signed by somebody else.
    """

    name: Text | None = None
    at_us: SpanUs = field(default=0, name="at")
    over_us: SpanUs = field(default=0, name="over")
    arrivals: Annotated[str, choice("even", "poisson", "burst")] = "even"
    count: Count = 1
    number: Count = 1
    tenant: Text = "org"
    hook: Text | None = None
    channel: Annotated[str, choice(*CHANNELS)] = ""
    to: Template = ""
    content: Contents | None = None
    batch: Count = 1
    forged: Share = 0.0
    lane: Text | None = None
    idempotency_key: Template | None = None
    reference: Template | None = None
    repeat: Share = 0.0
    repeat_after_us: SpanUs | None = field(default=None, name="repeat_after")
    send_at_us: SpanUs | None = field(default=None, name="send_at")
    expires_after_us: PositiveUs | None = field(default=None, name="expires_after")
    order: Annotated[Order, choice("fifo", "any")] | None = None
    priority: Annotated[int, whole(0, 9)] | None = None
    on_ambiguous: Annotated[OnAmbiguous, choice("resend", "hold", "fail")] | None = None
    policy: Text | None = None
    time_zone: Annotated[str, zone] | None = None
    failover: tuple[Text, ...] | None = None
    fallback: tuple[FallbackTable, ...] = ()
    fallback_by_us: PositiveUs | None = field(default=None, name="fallback_by")


class Operator(Chosen, frozen=True, kw_only=True):
    """Something that a person does. `per_s` is the pace of a bulk redrive; without it, it goes as fast as limits allow.

    `pause` and `resume` name a lane; `reset` and `release` act on every conversation with a message that is meant;
    `reschedule` moves those that were not tried yet to `send_at`, since the start; `forget` has every peer of such a
    message forgotten, but those of hooks.
    """

    at_us: Annotated[SpanUs, Required] = field(default=0, name="at")
    do: Annotated[Action, choice(*ACTIONS), Required] = "pause"
    per_s: Annotated[float, pace] | None = None
    send_at_us: SpanUs | None = field(default=None, name="send_at")
    share: Share = 1.0


class Expect(Chosen, frozen=True, kw_only=True):
    """What must come out: a count with exact or inclusive bounds, or a measure with bounds.

    Counted is what happened from `since` on and up to `by`; with `not_before`, none of it may have happened earlier. A
    share is one of the accepted messages that are meant. What is said to be so, as `waiting`, is so at `by`. `peak` is
    the most hand-overs in any window of `within`, of each `scope` by itself; `in_flight` the most attempts of one at a
    time; `lateness` a `percentile` of the times from due to delivered, `tries` one of the attempts that messages took.
    `held_by` narrows what is held to why.
    """

    that: Annotated[str, choice(*COUNTED, *MEASURED), Required] = "accepted"
    count: Annotated[int, whole(0)] | None = None
    at_least: Annotated[int, amount] | None = None
    at_most: Annotated[int, amount] | None = None
    at_least_share: Share | None = None
    at_most_share: Share | None = None
    held_by: Annotated[HeldBy, choice("unknown", "parked")] | None = None
    since_us: SpanUs | None = field(default=None, name="since")
    by_us: SpanUs | None = field(default=None, name="by")
    not_before_us: SpanUs | None = field(default=None, name="not_before")
    within_us: PositiveUs | None = field(default=None, name="within")
    scope: Annotated[str, choice("lane", "tenant", "recipient", "host")] = "lane"
    percentile: Annotated[float, fraction(0, 100)] = 100.0


class DiskTable(Table, frozen=True, kw_only=True):
    """How long a commit takes; without it, none."""

    latency: LatencyTable | None = None


class Crash(Table, frozen=True, kw_only=True):
    """One run without a crash, then one for each boundary of it (as many as `at_most`, chosen by the seed).

    `again` is the share of them that crash a second time, soon after: mostly while they recover.
    """

    boundaries: Annotated[str, choice("every"), Required] = "every"
    at_most: Count = 1_000
    down_us: SpanUs = field(default=2 * SECOND_US, name="down")
    again: Share = 0.0


def _crash(raw: object) -> object:
    if isinstance(raw, dict):
        return raw
    if raw == "every boundary":
        return {"boundaries": "every"}
    raise Unfit('"every boundary", or a table such as { boundaries = "every", at_most = 20 }')


def _kept(raw: object) -> object:
    return raw


class FileTable(Table, frozen=True, kw_only=True):
    """The whole file. `bounds` and `crash` are read afterwards, since their type depends on what they hold."""

    name: Annotated[str, text, Required] = ""
    why: Annotated[str, text, Required] = ""
    start_us: Annotated[int, instant, Required] = field(default=0, name="start")
    runs_for_us: Annotated[PositiveUs, Required] = field(default=DAY_US, name="runs_for")
    rests_within_us: PositiveUs = field(default=8 * DAY_US, name="rests_within")
    seed: Annotated[int, whole(0)] = 0
    daemons: Annotated[int, whole(1, DAEMONS_MAX)] = 1
    schedule: Annotated[str, choice("fifo", "walk", "pct", "by seed")] = "fifo"
    bounds: Annotated[object, _kept] = field(default_factory=dict)
    crash: Annotated[object, _crash] | None = None
    disk: DiskTable = DiskTable()
    api: ApiTable = ApiTable()
    lanes: dict[str, LaneTable] = field(default_factory=dict)
    hooks: dict[str, HookTable] = field(default_factory=dict)
    policies: dict[str, NamedPolicyTable] = field(default_factory=dict)
    arrive: tuple[Arrive, ...] = ()
    provider: tuple[Provider, ...] = ()
    fault: tuple[Fault, ...] = ()
    answered: tuple[Answered, ...] = ()
    peer: tuple[Peer, ...] = ()
    device: tuple[Device, ...] = ()
    plan: tuple[Plan, ...] = ()
    operator: tuple[Operator, ...] = ()
    expect: tuple[Expect, ...] = ()
