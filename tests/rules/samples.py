"""Messages and conversations for the rule tests, made the way the log makes them: by folding events.

This file answers for plain starting points with every duration in sight. It must never judge what comes of them.
"""

from datetime import UTC
from typing import Final

from core import conclusions, starts
from core import conversation as c
from core import events as e
from core import message as m
from core.failover import IsUp, every_lane
from core.outcomes import Failure, Outcome, Transient
from core.policies import SECOND_US, CircuitRule, Policy, Schedule

NOW_US: Final = 1_769_760_000_000_000  # 2026-01-30T08:00:00Z
TENANT: Final = "org1"
CONVERSATION: Final = 900

PLAIN: Final = Policy(
    name="plain",
    retry=Schedule(after_us=(10 * SECOND_US, 20 * SECOND_US, 40 * SECOND_US), jitter=0.0),
    circuit=CircuitRule(failures=3, cooldown_us=60 * SECOND_US, ceiling_us=300 * SECOND_US),
)
CALM: Final = c.Conversation(id=CONVERSATION, tenant=TENANT)


def waiting(
    number: int = 1,
    *,
    due_us: int = NOW_US,
    at_us: int = NOW_US,
    order: e.Order = "fifo",
    expires_us: int | None = None,
    lane: str = "calls",
    priority: int = 5,
    on_ambiguous: e.OnAmbiguous | None = None,
    channel: str = "webhook",
    host: int | None = None,
) -> m.Message:
    """A message right after its acceptance at `at_us`; `number` is its id."""
    event = e.MessageAccepted(
        channel=channel,
        lane=lane,
        conversation=CONVERSATION,
        due_us=due_us,
        order=order,
        expires_us=expires_us,
        priority=priority,
        on_ambiguous=on_ambiguous,
        host=host,
    )
    return m.accepted(number, at_us, TENANT, event)


def then(message: m.Message, *events: e.Event, at_us: int = NOW_US) -> m.Message:
    """The message after more events, all recorded at `at_us`."""
    for event in events:
        message = m.evolve(message, event, at_us)
    return message


def start(message: m.Message, *, probe: bool = False, at_us: int = NOW_US) -> e.AttemptStarted:
    """The intent of the message's next attempt."""
    return e.AttemptStarted(
        attempt=message.attempt + 1,
        lane=message.lane,
        policy_version=1,
        deadline_us=at_us + 30 * SECOND_US,
        probe=probe,
    )


def sending(message: m.Message, *, probe: bool = False, at_us: int = NOW_US) -> m.Message:
    """The message with an attempt in flight since `at_us`."""
    return then(message, start(message, probe=probe, at_us=at_us), at_us=at_us)


def failed(
    message: m.Message, outcome: Failure | None = None, *, used: bool = True, due_us: int | None = NOW_US
) -> e.AttemptFailed:
    """The end of the running attempt in a failure."""
    return e.AttemptFailed(
        attempt=message.in_flight,
        outcome=Transient(code="503") if outcome is None else outcome,
        used=used,
        due_us=due_us,
        sent_at_us=NOW_US,
        took_us=7,
    )


def taken(message: m.Message) -> e.AttemptTaken:
    """The end of the running attempt in success."""
    return e.AttemptTaken(attempt=message.in_flight, status="delivered", sent_at_us=NOW_US, took_us=7, code="200")


def retrying(message: m.Message, *, at_us: int = NOW_US, due_us: int = NOW_US) -> m.Message:
    """The message after one attempt, at `at_us`, that failed with a fault and is tried again at `due_us`."""
    flying = sending(message, at_us=at_us)
    return then(flying, failed(flying, due_us=due_us), at_us=at_us)


def flight(outcome: Outcome, *, sent_us: int | None = NOW_US) -> conclusions.Flight:
    """An attempt that came to this outcome."""
    return conclusions.Flight(outcome=outcome, sent_us=sent_us, took_us=7)


def terms(policy: Policy = PLAIN) -> starts.Terms:
    """Terms under version 1 of a policy, for a recipient in UTC."""
    return starts.Terms(policy=policy, version=1, zone=UTC)


def decide(
    outcome: Outcome,
    message: m.Message | None = None,
    *,
    conversation: c.Conversation = CALM,
    policy: Policy = PLAIN,
    chance: float = 0.5,
    is_up: IsUp = every_lane,
    has_receipts: bool = False,
) -> conclusions.Decision:
    """What this outcome leads to at NOW_US, for a message in its first attempt unless another is given."""
    message = sending(waiting()) if message is None else message
    return conclusions.conclude(
        conversation,
        message,
        flight(outcome),
        policy,
        now_us=NOW_US,
        chance=chance,
        is_up=is_up,
        has_receipts=has_receipts,
    )


def failure(decision: conclusions.Decision) -> e.AttemptFailed:
    """The failed attempt that a decision begins with."""
    first = decision.message[0]
    assert isinstance(first, e.AttemptFailed), first
    return first


def came(conversation: c.Conversation, *events: e.Event, at_us: int = NOW_US) -> c.Conversation:
    """The conversation after more events of its own."""
    for event in events:
        conversation = c.evolve(conversation, event, at_us)
    return conversation
