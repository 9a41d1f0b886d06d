"""A conversation: the unit of order and of the circuit. What goes out next, and what an outcome leads to.

This file answers for every decision about a message: `begin` and `conclude` take the state, the policy, the instant
and a chance, and give events. It records nothing and waits for nothing.
"""

from collections.abc import Callable, Iterable
from datetime import tzinfo

import msgspec
from msgspec.structs import replace

from core import events as e
from core.circuit import Circuit, cooldown_us
from core.errors import Impossible
from core.message import WAITING, Message
from core.outcomes import Ambiguous, Config, Hold, Outcome, Rate, Taken, Transient, is_fault
from core.policies import HOUR_US, SECOND_US, Policy, delay_us
from core.quiet import allowed_at
from core.records import FIFO_LINE, Head


class Conversation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the events of a `conv` stream come to. `version` 0: nothing was ever recorded of it."""

    id: int
    tenant: str
    version: int = 0
    circuit: Circuit = Circuit()
    paused_until_us: int = 0
    changed_us: int = 0

    @property
    def blocked_until_us(self) -> int:
        """Nothing of it goes out before this instant: its circuit is open, or the provider asked for a pause."""
        return max(self.circuit.open_until_us or 0, self.paused_until_us)


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """The policy an attempt is decided under, its version in the lane's stream, and the recipient's time zone."""

    policy: Policy
    version: int
    zone: tzinfo


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Events to record together: of the message, and of its conversation."""

    message: tuple[e.Event, ...]
    conversation: tuple[e.Event, ...] = ()


class Due(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """When a conversation next wants a lane. `stored_us` is the due instant that the log's heads show for it."""

    lane: str
    due_us: int
    stored_us: int
    priority: int
    host: int | None
    message: int


def evolve(conversation: Conversation, event: e.Event, at_us: int) -> Conversation:
    """The conversation after one more event of its stream."""
    return replace(conversation, version=conversation.version + 1, changed_us=at_us, **_changes(conversation, event))


def _changes(conversation: Conversation, event: e.Event) -> dict[str, object]:
    circuit = conversation.circuit
    match event:
        case e.FailureCounted():
            return {"circuit": replace(circuit, streak=event.streak)}
        case e.CircuitClosed(by="operator"):
            # A person's word ends a pause that the provider asked for as well.
            return {"circuit": Circuit(), "paused_until_us": 0}
        case e.FailuresCleared() | e.CircuitClosed():
            return {"circuit": Circuit()}
        case e.CircuitOpened():
            opened = Circuit(open_until_us=event.until_us, streak=event.streak, openings=event.openings)
            return {"circuit": opened}
        case e.ConversationPaused():
            # Of several answers on their way the shortest wish may come last, and each of them was meant.
            return {"paused_until_us": max(event.until_us, conversation.paused_until_us)}
        case _:
            raise Impossible(f"{type(event).__name__} is no event of a conversation")


def status_of(conversation: Conversation) -> str | None:
    """The status that the head row of a conversation shows; None while it has none."""
    if not conversation.version:
        return None
    return "closed" if conversation.circuit.is_closed else "open"


def head_of(conversation: Conversation, shard: int) -> Head:
    """The head row that mirrors a conversation's stream."""
    return Head(
        stream=conversation.id,
        kind="conv",
        shard=shard,
        tenant=conversation.tenant,
        version=conversation.version,
        status=status_of(conversation) or "closed",
        conversation=conversation.id,
        changed_us=conversation.changed_us,
    )


# -- what goes out next ------------------------------------------------------------------------------------------


def dues(conversation: Conversation, messages: Iterable[Message], policy_of: Callable[[Message], Policy]) -> list[Due]:
    """When the conversation next wants each lane, from its open messages. Nothing while all it may do is in flight.

    In fifo the line's first message speaks for all behind it: their first due instants are no earlier than its own. Of
    those behind only the end of their time counts.
    """
    first: Message | None = None
    flying = flying_fifo = 0
    others: list[Message] = []
    for message in messages:
        if message.in_flight:
            flying += 1
            flying_fifo += message.line == FIFO_LINE
        if message.line == FIFO_LINE:
            if first is None or (message.first_due_us, message.id) < (first.first_due_us, first.id):
                first = message
            if message.expires_us is None and message.failing_us is None:
                continue  # Nothing but its turn can make it due.
        others.append(message)
    is_full = flying > 0 and not conversation.circuit.is_closed
    wanted: dict[str, Due] = {}
    if first is not None and first.status in WAITING:
        # The attempt in flight need not be the first's: a released message takes its old place before it.
        may_start = not is_full and not flying_fifo
        _keep_earliest(wanted, _due(conversation, first, policy_of(first), may_start=may_start))
    for message in others:
        if message is first or message.status not in WAITING:
            continue
        policy = policy_of(message)
        may_start = message.line != FIFO_LINE and not is_full and flying < policy.in_flight_max
        _keep_earliest(wanted, _due(conversation, message, policy, may_start=may_start))
    return list(wanted.values())


def _keep_earliest(wanted: dict[str, Due], due: Due | None) -> None:
    if due is None:
        return
    known = wanted.get(due.lane)
    if known is None or (due.due_us, -due.priority) < (known.due_us, -known.priority):
        wanted[due.lane] = due


def _due(conversation: Conversation, message: Message, policy: Policy, *, may_start: bool) -> Due | None:
    stored_us = message.agenda_us
    assert message.due_us is not None, f"message {message.id} waits without a due instant"
    assert stored_us is not None, f"message {message.id} waits without a place on the agenda"
    start_us = max(message.due_us, conversation.blocked_until_us) if may_start else None
    instants = (start_us, message.expires_us, skips_at(message, policy))
    due_us = min((instant for instant in instants if instant is not None), default=None)
    if due_us is None:
        return None
    return Due(
        lane=message.lane,
        due_us=due_us,
        stored_us=stored_us,
        priority=message.priority,
        host=message.host,
        message=message.id,
    )


def skips_at(message: Message, policy: Policy) -> int | None:
    """When a failing message at the head of its line steps aside, None where it never does."""
    if policy.poison.kind != "skip" or message.line != FIFO_LINE or message.status != "retrying":
        return None
    if message.failing_us is None:
        return None  # It was released, and has not failed since.
    return message.failing_us + policy.poison.skip_after_us


# -- before an attempt -------------------------------------------------------------------------------------------


def tidy(message: Message, policy: Policy, now_us: int) -> e.Event | None:
    """What time alone has decided about a waiting message: expired, given up, stepped aside. None: nothing."""
    if message.status not in WAITING:
        return None
    if message.expires_us is not None and message.expires_us <= now_us:
        return e.MessageExpired()
    # Only what has failed can be given up: a message that waited long for its first try still gets it.
    if message.failing_us is not None and now_us - message.failing_us >= policy.give_up_after_us:
        return e.MessageDead(reason="gave_up")
    skip_us = skips_at(message, policy)
    if skip_us is not None and skip_us <= now_us:
        return e.MessageSetAside()
    return None


def begin(conversation: Conversation, message: Message, terms: Terms, now_us: int) -> e.Event:
    """The intent to send a due message, or its deferral to the end of the quiet hours."""
    policy = terms.policy
    if policy.quiet_hours is not None:
        allowed_us = allowed_at(policy.quiet_hours, terms.zone, now_us)
        if allowed_us > now_us:
            return e.MessageDeferred(due_us=allowed_us, reason="quiet_hours")
    return e.AttemptStarted(
        attempt=message.attempt + 1,
        lane=message.lane,
        policy_version=terms.version,
        deadline_us=now_us + policy.timeout_us,
        probe=not conversation.circuit.is_closed,
    )


# -- after an attempt --------------------------------------------------------------------------------------------


class Flight(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is known of an attempt that is over. `sent_us` is the hand-over, None where nothing was handed over."""

    outcome: Outcome
    sent_us: int | None
    took_us: int


def conclude(
    conversation: Conversation, message: Message, flight: Flight, policy: Policy, *, now_us: int, chance: float
) -> Decision:
    """What an attempt's outcome leads to, for the message and for its conversation."""
    assert message.in_flight, f"message {message.id} has no attempt in flight to conclude"
    if isinstance(flight.outcome, Taken):
        events: tuple[e.Event, ...] = (_taken(message, flight, flight.outcome, now_us),)
    else:
        events = _failed(message, flight, policy, now_us=now_us, chance=chance)
    circuit = _circuit_events(conversation, flight.outcome, policy, now_us, probe=message.probe)
    return Decision(message=events, conversation=circuit)


def abort(message: Message, now_us: int) -> tuple[e.Event, ...]:
    """What an attempt leads to of which nothing was sent, because we stop: it never was, but a cancel holds."""
    aborted = e.AttemptAborted(attempt=message.in_flight, reason="stopping", due_us=now_us)
    if message.cancel is not None:
        return aborted, e.MessageCancelled(reason=message.cancel)
    return (aborted,)


def _taken(message: Message, flight: Flight, outcome: Taken, now_us: int) -> e.Event:
    return e.AttemptTaken(
        attempt=message.in_flight,
        # A webhook's 2xx is the receiver's own word; everybody else's provider has only taken it so far.
        status="delivered" if message.channel == "webhook" else "sent",
        sent_at_us=flight.sent_us if flight.sent_us is not None else now_us,
        took_us=flight.took_us,
        code=outcome.code,
        provider_id=outcome.provider_id,
    )


def _failed(message: Message, flight: Flight, policy: Policy, *, now_us: int, chance: float) -> tuple[e.Event, ...]:
    outcome = flight.outcome
    assert not isinstance(outcome, Taken), "a taken attempt has not failed"
    used = not isinstance(outcome, Rate | Hold | Config)
    due_us = _next_try_us(message, outcome, policy, now_us=now_us, chance=chance)
    after = _aftermath(message, outcome, policy, due_us)
    ended = any(isinstance(event, e.MessageHeld | e.MessageDead | e.MessageCancelled) for event in after)
    failed = e.AttemptFailed(
        attempt=message.in_flight,
        outcome=outcome,
        used=used,
        due_us=None if ended else due_us,
        sent_at_us=flight.sent_us,
        took_us=flight.took_us,
    )
    return (failed, *after)


def _next_try_us(message: Message, outcome: Outcome, policy: Policy, *, now_us: int, chance: float) -> int | None:
    """When it may be tried again, None where it may not."""
    ceiling_us = policy.retry_after_ceiling_us
    match outcome:
        case Transient(after_us=after_us):
            wait_us = delay_us(policy.retry, message.used + 1, chance)
            return None if wait_us is None else now_us + max(wait_us, min(after_us or 0, ceiling_us))
        case Ambiguous():
            wait_us = delay_us(policy.retry, message.used + 1, chance)
            return None if wait_us is None else now_us + wait_us
        case Rate(after_us=after_us):
            return now_us + pause_us(after_us, policy)
        case Hold(after_us=after_us):
            return now_us + _asked_us(HOUR_US if after_us is None else after_us, policy)
        case Config():
            # The lane is paused for it, so it only has to keep its place.
            return now_us
        case _:
            return None


def pause_us(after_us: int | None, policy: Policy) -> int:
    """How long a limiter's refusal pauses its scope: as long as it asks for, within the ceiling."""
    return policy.rate_pause_us if after_us is None else _asked_us(after_us, policy)


def _asked_us(after_us: int, policy: Policy) -> int:
    # Waits that use up no attempt would repeat without end at `Retry-After: 0`, so a second is the least.
    return max(SECOND_US, min(after_us, policy.retry_after_ceiling_us))


def _aftermath(message: Message, outcome: Outcome, policy: Policy, due_us: int | None) -> tuple[e.Event, ...]:
    """What follows the failed attempt at once: the end, a hold, a resolution of doubt; mostly nothing."""
    doubt: tuple[e.Event, ...] = ()
    if isinstance(outcome, Ambiguous):
        resolution = message.on_ambiguous or policy.on_ambiguous
        doubt = (e.AmbiguityResolved(attempt=message.in_flight, resolution=resolution, evidence="policy"),)
        if message.cancel is None and resolution == "hold":
            return (*doubt, e.MessageHeld(by="unknown"))
        if message.cancel is None and resolution == "fail":
            return (*doubt, e.MessageDead(reason="ambiguous"))
    if message.cancel is not None:
        return (*doubt, e.MessageCancelled(reason=message.cancel))
    if due_us is None:
        return (*doubt, e.MessageDead(reason="exhausted" if is_fault(outcome) else "refused"))
    if policy.poison.kind == "park" and is_fault(outcome) and message.faults + 1 >= policy.circuit.failures:
        return (*doubt, e.MessageHeld(by="parked"))
    return doubt


def _circuit_events(
    conversation: Conversation, outcome: Outcome, policy: Policy, now_us: int, *, probe: bool
) -> tuple[e.Event, ...]:
    circuit = conversation.circuit
    if isinstance(outcome, Rate) and outcome.scope == "pair":
        until_us = now_us + pause_us(outcome.after_us, policy)
        return (e.ConversationPaused(until_us=until_us, code=outcome.code),)
    if isinstance(outcome, Rate | Hold | Config):
        return ()
    if not is_fault(outcome):
        # Any definite answer, a refusal too, shows a peer that works.
        if not circuit.is_closed:
            return (e.CircuitClosed(by="probe"),)
        return (e.FailuresCleared(),) if circuit.streak else ()
    if not circuit.is_closed and not probe:
        # It had left before the circuit opened: only the probe's own failure lengthens the pause.
        return ()
    streak = circuit.streak + 1
    if not circuit.opens_after(policy.circuit):
        return (e.FailureCounted(streak=streak),)
    openings = circuit.openings + 1
    rest_us = cooldown_us(policy.circuit.cooldown_us, policy.circuit.ceiling_us, openings)
    return (e.CircuitOpened(until_us=now_us + rest_us, streak=streak, openings=openings),)
