"""The tables of everybody else: providers and what they tell afterwards, faults, and people who answer.

This file answers for their keys and defaults; what two keys together must not say is checked in checking.py.
"""

from typing import Annotated, Literal

from msgspec import UNSET, UnsetType, field

from adapters.config.kinds import Count, PositiveUs, SpanUs, Table, Text
from adapters.config.reading import Required
from adapters.config.units import choice, switch
from core.outcomes import Failure, Permanent
from core.policies import DAY_US, SECOND_US
from scenarios.file.answers import Answer, answer, failure
from scenarios.file.readings import step
from scenarios.file.selecting import Chosen, LatencyTable, Share

# Named here, since in a class body a field of the same name would stand in the way of the reading.
AnswerValue = Annotated[Answer, answer]
FailureValue = Annotated[Failure, failure]
Names = Literal["id", "echo", "both"]
Did = Literal["wrote", "stopped", "resumed"]


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


class Provider(Chosen, frozen=True, kw_only=True):
    """How the other side of some messages behaves while nothing is wrong; the first that fits stands.

    An idempotent one takes a message of the same id only once. `looks_up` is the share of taken messages of which it
    can say so when it is asked; without it, it cannot be asked.
    """

    latency: LatencyTable = LatencyTable(median_us=100_000, p99_us=800_000)
    idempotent: Annotated[bool, switch] = False
    receipts: ReceiptsTable | None = None
    looks_up: Share | None = None


class Fault(Chosen, frozen=True, kw_only=True):
    """Something that goes wrong: in the answers of the other side, with an account there, or with our own daemon,
    clock or disk.

    Exactly one of `answer`, `account`, `daemon`, `clock` and `disk`. Without `for`, answers and disk fail until the
    run's end, and an account that is down never comes up by its provider's word. `attempt` narrows to the attempt of
    that number.
    """

    at_us: SpanUs = field(default=0, name="at")
    for_us: PositiveUs | None = field(default=None, name="for")
    answer: AnswerValue | None = None
    share: Share | None = None
    attempt: Count | None = None
    account: Annotated[Literal["down", "alert"], choice("down", "alert")] | None = None
    code: Text = "down"
    daemon: Annotated[Literal["crash", "stop"], choice("crash", "stop")] | None = None
    down_us: SpanUs = field(default=5 * SECOND_US, name="down")
    clock_us: Annotated[int, step] | None = field(default=None, name="clock")
    disk: Annotated[Literal["full", "error", "unknown"], choice("full", "error", "unknown")] | None = None

    def is_on(self, at_us: int, runs_for_us: int) -> bool:
        """Whether it holds at an instant since the start; all faults are over when the run is."""
        until_us = runs_for_us if self.for_us is None else min(runs_for_us, self.at_us + self.for_us)
        return self.at_us <= at_us < until_us


class Answered(Table, frozen=True, kw_only=True):
    """What one attempt came to, as it was recorded: it stands before every provider and fault.

    Without an `answer` it was taken. `connects` goes by until the request has left, `takes` until the answer is here,
    both since the attempt began. `looked_up` is how long the provider took to say that it has it, or "none" where it
    did not say so. What is left out is as it would be without all this.
    """

    message: Annotated[Text, Required] = ""
    attempt: Count = 1
    answer: AnswerValue | None = None
    connects_us: SpanUs | None = field(default=None, name="connects")
    takes_us: SpanUs | None = field(default=None, name="takes")
    looked_up_us: SpanUs | UnsetType | None = field(default=UNSET, name="looked_up")
    provider_id: Text | None = None


class Peer(Chosen, frozen=True, kw_only=True):
    """Something that the people do whom messages are for: each of those meant, or a share of them, at an instant."""

    at_us: Annotated[SpanUs, Required] = field(default=0, name="at")
    did: Annotated[Did, choice("wrote", "stopped", "resumed"), Required] = "wrote"
    marketing: Annotated[bool, switch] = False
    share: Share = 1.0
