"""The tables of a scenario file: which keys there are, how each is read, and its default.

This file answers for the form of the file. An attribute carries the unit that a key's text spells out (`at = "5m"` is
`at_us`); all instants but `start` are spans since the start. What two keys together must not say is checked in
checking.py.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import field

from adapters.config.kinds import Count, PositiveUs, SpanUs, Table, Text
from adapters.config.providers import CHANNELS
from adapters.config.reading import Required
from adapters.config.tables import LanePolicyTable, NamedPolicyTable
from adapters.config.units import choice, fraction, switch, text, whole, zone
from core.events import OnAmbiguous, Order
from core.policies import DAY_US, SECOND_US
from scenarios.file.readings import Answer, amount, answer, content, instant, pace, step, template

Share = Annotated[float, fraction(0, 1)]
Channel = Annotated[str, choice(*CHANNELS)]
Template = Annotated[str, template]
# Named here, since in a class body a field of the same name would stand in the way of the reading.
AnswerValue = Annotated[Answer, answer]
Contents = Annotated[Mapping[str, object], content]

Action = Literal["pause", "resume", "cancel", "redrive", "reset", "release"]
ACTIONS: tuple[Action, ...] = ("pause", "resume", "cancel", "redrive", "reset", "release")

COUNTED = (
    *("accepted", "repeated", "refused", "delivered", "duplicates", "attempts"),
    *("dead", "expired", "cancelled", "held", "redriven", "circuits_opened", "breakers_opened", "crashes"),
)
MEASURED = ("lateness", "peak", "in_flight")


class LatencyTable(Table, frozen=True, kw_only=True):
    """A lognormal time with this median and 99th percentile."""

    median_us: Annotated[PositiveUs, Required] = field(default=1_000, name="median")
    p99_us: PositiveUs | None = field(default=None, name="p99")


class LaneTable(Table, frozen=True, kw_only=True):
    """A lane; its provider is the simulated one, whatever it is called."""

    channel: Annotated[str, choice(*CHANNELS), Required] = ""
    provider: Text = "simulated"
    policy: LanePolicyTable = LanePolicyTable()


class Chosen(Table, frozen=True, kw_only=True):
    """Which messages are meant; a key that is left out does not narrow. `to` is an address, or a pattern with `*`.

    `arrivals` is the name of an [[arrive]]; `message` one of its messages, as `name/number`.
    """

    lane: Text | None = None
    channel: Channel | None = None
    tenant: Text | None = None
    host: Text | None = None
    to: Text | None = None
    arrivals: Text | None = None
    message: Text | None = None


class Arrive(Table, frozen=True, kw_only=True):
    """Messages that are asked for: `count` of them from `at` on, spread over a time.

    `poisson` draws an instant for each, `even` spaces them, `burst` sends all at once; the default is `even` where
    there is a time to spread over. `repeat` is the share that the client sends twice.
    """

    name: Text | None = None
    at_us: SpanUs = field(default=0, name="at")
    over_us: SpanUs = field(default=0, name="over")
    arrivals: Annotated[str, choice("even", "poisson", "burst")] = "even"
    count: Count = 1
    tenant: Text = "org"
    channel: Annotated[str, choice(*CHANNELS), Required] = ""
    to: Annotated[str, template, Required] = ""
    content: Contents | None = None
    lane: Text | None = None
    idempotency_key: Template | None = None
    reference: Template | None = None
    repeat: Share = 0.0
    send_at_us: SpanUs | None = field(default=None, name="send_at")
    expires_after_us: PositiveUs | None = field(default=None, name="expires_after")
    order: Annotated[Order, choice("fifo", "any")] | None = None
    priority: Annotated[int, whole(0, 9)] | None = None
    on_ambiguous: Annotated[OnAmbiguous, choice("resend", "hold", "fail")] | None = None
    policy: Text | None = None
    time_zone: Annotated[str, zone] | None = None


class Provider(Chosen, frozen=True, kw_only=True):
    """How the other side of some messages behaves while nothing is wrong; the first that fits stands.

    An idempotent one takes a message of the same id only once.
    """

    latency: LatencyTable = LatencyTable(median_us=100_000, p99_us=800_000)
    idempotent: Annotated[bool, switch] = False


class Fault(Chosen, frozen=True, kw_only=True):
    """Something that goes wrong: in the answers of the other side, or with our own daemon, clock or disk.

    Exactly one of `answer`, `daemon`, `clock` and `disk`. Without `for`, answers and disk fail until the run's end.
    `attempt` narrows to the attempt of that number.
    """

    at_us: SpanUs = field(default=0, name="at")
    for_us: PositiveUs | None = field(default=None, name="for")
    answer: AnswerValue | None = None
    share: Share | None = None
    attempt: Count | None = None
    daemon: Annotated[Literal["crash", "stop"], choice("crash", "stop")] | None = None
    down_us: SpanUs = field(default=5 * SECOND_US, name="down")
    clock_us: Annotated[int, step] | None = field(default=None, name="clock")
    disk: Annotated[Literal["full", "error", "unknown"], choice("full", "error", "unknown")] | None = None

    def is_on(self, at_us: int, runs_for_us: int) -> bool:
        """Whether it holds at an instant since the start; all faults are over when the run is."""
        until_us = runs_for_us if self.for_us is None else min(runs_for_us, self.at_us + self.for_us)
        return self.at_us <= at_us < until_us


class Operator(Chosen, frozen=True, kw_only=True):
    """Something that a person does. `per_s` is the pace of a bulk redrive; without it, it goes as fast as limits allow.

    `pause` and `resume` name a lane; `reset` and `release` act on every conversation with a message that is meant.
    """

    at_us: Annotated[SpanUs, Required] = field(default=0, name="at")
    do: Annotated[Action, choice(*ACTIONS), Required] = "pause"
    per_s: Annotated[float, pace] | None = None
    share: Share = 1.0


class Expect(Chosen, frozen=True, kw_only=True):
    """What must come out: a count with exact or inclusive bounds, or a measure with bounds.

    Counted is what happened up to `by`; with `not_before`, none of it may have happened earlier. `peak` is the most
    hand-overs in any window of `within`, of each `scope` by itself; `in_flight` the most attempts of one at a time;
    `lateness` a `percentile` of the times from due to delivered.
    """

    that: Annotated[str, choice(*COUNTED, *MEASURED), Required] = "accepted"
    count: Annotated[int, whole(0)] | None = None
    at_least: Annotated[int, amount] | None = None
    at_most: Annotated[int, amount] | None = None
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
    return {"boundaries": "every"} if raw == "every boundary" else raw


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
    schedule: Annotated[str, choice("fifo", "walk", "pct", "by seed")] = "fifo"
    bounds: Annotated[object, _kept] = field(default_factory=dict)
    crash: Annotated[object, _crash] | None = None
    disk: DiskTable = DiskTable()
    lanes: dict[str, LaneTable] = field(default_factory=dict)
    policies: dict[str, NamedPolicyTable] = field(default_factory=dict)
    arrive: tuple[Arrive, ...] = ()
    provider: tuple[Provider, ...] = ()
    fault: tuple[Fault, ...] = ()
    operator: tuple[Operator, ...] = ()
    expect: tuple[Expect, ...] = ()
