"""The tables of everybody else: providers and what they tell afterwards, faults, and people who answer.

This file answers for their keys and defaults; what two keys together must not say is checked in checking.py.
"""

from typing import Annotated, Literal

from msgspec import UNSET, UnsetType, field

from adapters.config.kinds import Count, PositiveUs, Rate, SpanUs, Table, Text
from adapters.config.reading import Required
from adapters.config.units import choice, fraction, switch
from core.events import ReceiptStatus
from core.outcomes import Failure, Permanent
from core.policies import DAY_US, MINUTE_US, SECOND_US
from scenarios.file.answers import Answer, answer, failure
from scenarios.file.clocks import Clockwork, clockwork
from scenarios.file.readings import daemon, remembered
from scenarios.file.selecting import Chosen, LatencyTable, Share

# Named here, since in a class body a field of the same name would stand in the way of the reading.
AnswerValue = Annotated[Answer, answer]
FailureValue = Annotated[Failure, failure]
ClockValue = Annotated[Clockwork, clockwork]
Which = Annotated[int, daemon]
Names = Literal["id", "echo", "both"]
Did = Literal["wrote", "stopped", "resumed"]
Daemon = Literal["crash", "stop", "freeze"]
Disk = Literal["full", "error", "unknown", "slow"]
Store = Literal["lost_reply", "error"]
Way = Literal["both", "from", "to"]


class FailedTable(Table, frozen=True, kw_only=True):
    """Messages that were taken and never arrive: after how long, for which share of them, and why.

    `beside`: it is told although they did arrive, after everything else.
    """

    after_us: Annotated[PositiveUs, Required] = field(default=SECOND_US, name="after")
    share: Share = 1.0
    why: FailureValue = Permanent(code="failed")
    beside: Annotated[bool, switch] = False


class ReceiptsTable(Table, frozen=True, kw_only=True):
    """What a provider tells of messages that it has taken, and how long after it took them (as a median).

    `by`: the message is named by the provider's own id, by ours that it gives back, or by both. Of all messages it
    tells of `share`; of these, `early` have their first receipt before we have our answer, `late` all of theirs
    `late_by` later, and `disorder` theirs in the wrong order. `twice` is the share of receipts that come again.
    Beside as many as `strange` comes one of a message that is none of ours, and beside `forged` of those that hooks
    bring one that somebody else signed.
    """

    by: Annotated[Names, choice("id", "echo", "both")] = "id"
    sent_us: PositiveUs | None = field(default=None, name="sent")
    delivered_us: PositiveUs | None = field(default=None, name="delivered")
    read_us: PositiveUs | None = field(default=None, name="read")
    failed: FailedTable | None = None
    share: Share = 1.0
    early: Share = 0.0
    late: Share = 0.0
    late_by_us: PositiveUs = field(default=2 * DAY_US, name="late_by")
    disorder: Share = 0.0
    twice: Share = 0.0
    strange: Share = 0.0
    forged: Share = 0.0


class CapacityTable(Table, frozen=True, kw_only=True):
    """What a provider lets in, of all messages together that its table means; beyond it, it answers 429.

    At most `rate` in any window, of which others that we know nothing of use up `others` on average, and `in_flight` at
    a time. With `says_when` the answer has a Retry-After.
    """

    rate: Rate | None = None
    in_flight: Count | None = None
    others: Share = 0.0
    says_when: Annotated[bool, switch] = True


class Provider(Chosen, frozen=True, kw_only=True):
    """How the other side of some messages behaves while nothing is wrong; the first that fits stands.

    From `at` on, and only for so long where `for` says so. An idempotent one takes a message of the same id only once,
    or for so long after it took it. `looks_up` is the share of taken messages of which it can say so when it is asked;
    without it, it cannot be asked.
    """

    at_us: SpanUs = field(default=0, name="at")
    for_us: PositiveUs | None = field(default=None, name="for")

    latency: LatencyTable = LatencyTable(median_us=100_000, p99_us=800_000)
    idempotent: Annotated[int | None, remembered] = None
    capacity: CapacityTable | None = None
    receipts: ReceiptsTable | None = None
    looks_up: Share | None = None

    def is_on(self, at_us: int) -> bool:
        """Whether it is like this at an instant since the start."""
        return self.at_us <= at_us and (self.for_us is None or at_us < self.at_us + self.for_us)


class Fault(Chosen, frozen=True, kw_only=True):
    """Something that goes wrong: in the answers of the other side, with an account there, or with our own daemon,
    clock or disk; where there are several, between them and their database.

    Exactly one of `answer`, `account`, `daemon`, `clock`, `disk`, `store`, `database` and `cut`. Without `for`, all
    but crashes and stops fail until the run's end, and an account that is down never comes up by its provider's word.
    `attempt` narrows to the attempt of that number. A daemon that freezes stands still `for` so long; `latency` is that
    of a slow disk. With `boundary`, a crash comes at the so many-eth boundary of our ports from `at` on.

    `of` says which of several daemons, or whose clock; without it, it is the one that acts, and every clock. A database
    that is away answers nobody. A daemon that is `cut` off from it is heard but does not hear (`way` is `from` there),
    hears but is not heard (`to`), or neither.
    """

    at_us: SpanUs = field(default=0, name="at")
    for_us: PositiveUs | None = field(default=None, name="for")
    answer: AnswerValue | None = None
    share: Share | None = None
    attempt: Count | None = None
    account: Annotated[Literal["down", "alert"], choice("down", "alert")] | None = None
    code: Text = "down"
    daemon: Annotated[Daemon, choice("crash", "stop", "freeze")] | None = None
    down_us: SpanUs = field(default=5 * SECOND_US, name="down")
    boundary: Count | None = None
    clock: ClockValue | None = None
    disk: Annotated[Disk, choice("full", "error", "unknown", "slow")] | None = None
    latency: LatencyTable | None = None
    store: Annotated[Store, choice("lost_reply", "error")] | None = None
    of: Which | None = None
    database: Annotated[Literal["away"], choice("away")] | None = None
    cut: Which | None = None
    way: Annotated[Way, choice("both", "from", "to")] = "both"

    def is_on(self, at_us: int, runs_for_us: int) -> bool:
        """Whether it holds at an instant since the start; all faults are over when the run is."""
        return self.at_us <= at_us < self.until_us(runs_for_us)

    def until_us(self, runs_for_us: int) -> int:
        """When it is over."""
        return runs_for_us if self.for_us is None else min(runs_for_us, self.at_us + self.for_us)


class ToldTable(Table, frozen=True, kw_only=True):
    """One receipt as it was recorded, so long after its message was taken. `why` says of a failed one what it means."""

    status: Annotated[ReceiptStatus, choice("sent", "delivered", "read", "failed"), Required] = "sent"
    after_us: Annotated[SpanUs, Required] = field(default=0, name="after")
    why: FailureValue | None = None


class Answered(Table, frozen=True, kw_only=True):
    """What one attempt came to, as it was recorded: it stands before every provider and fault.

    Without an `answer` it was taken. `connects` goes by until the request has left, `takes` until the answer is here,
    both since the attempt began. `looked_up` is how long the provider took to say that it has it, or "none" where it
    did not say so. `told` is all that it told afterwards. With `at`, the attempt's instant, all of this stands only for
    an attempt near it. `jitter` is the chance that decided when the next one follows. What is left out is as it would
    be without all this.
    """

    message: Annotated[Text, Required] = ""
    attempt: Count = 1
    answer: AnswerValue | None = None
    connects_us: SpanUs | None = field(default=None, name="connects")
    takes_us: SpanUs | None = field(default=None, name="takes")
    looked_up_us: SpanUs | UnsetType | None = field(default=UNSET, name="looked_up")
    provider_id: Text | None = None
    at_us: SpanUs | None = field(default=None, name="at")
    jitter: Annotated[float, fraction(0, 1)] | None = None
    told: tuple[ToldTable, ...] | None = None


class Peer(Chosen, frozen=True, kw_only=True):
    """Something that the people do whom messages are for: each of those meant, or a share of them.

    Each does it at some instant `within` so long after `at`.
    """

    at_us: Annotated[SpanUs, Required] = field(default=0, name="at")
    within_us: SpanUs = field(default=MINUTE_US, name="within")
    did: Annotated[Did, choice("wrote", "stopped", "resumed"), Required] = "wrote"
    marketing: Annotated[bool, switch] = False
    share: Share = 1.0
