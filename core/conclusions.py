"""An attempt is over: what its outcome leads to, for the message and for its conversation.

This file answers for every decision after an attempt. It records nothing and waits for nothing.
"""

from typing import Final

import msgspec

from core import events as e
from core.circuit import cooldown_us
from core.conversation import Conversation, parks_after
from core.failover import IsUp, every_lane, is_further, may_move, next_lane
from core.message import Message
from core.outcomes import Ambiguous, Config, Hold, Outcome, Rate, Taken, Transient, Window, is_fault, is_unasked
from core.peers import told_of_peer
from core.policies import HOUR_US, SECOND_US, Policy, delay_us

# What says nothing of the peer: our own set-up, and waits that were asked for.
_OF_NO_PEER: Final = (Rate, Hold, Config)
# What leaves a failed attempt without a next try.
_NO_NEXT_TRY: Final = (e.MessageHeld, e.MessageDead, e.MessageCancelled, e.AttemptProved)


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Events to record together: of the message, and of its conversation."""

    message: tuple[e.Event, ...]
    conversation: tuple[e.Event, ...] = ()


class Flight(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is known of an attempt that is over. `sent_us` is the hand-over, None where nothing was handed over."""

    outcome: Outcome
    sent_us: int | None
    took_us: int


def conclude(
    conversation: Conversation,
    message: Message,
    flight: Flight,
    policy: Policy,
    *,
    now_us: int,
    chance: float,
    is_up: IsUp = every_lane,
    has_receipts: bool = False,
) -> Decision:
    """What an attempt's outcome leads to, for the message and for its conversation.

    `is_up` says which lanes let anything out; `has_receipts`: the provider still tells what becomes of what it took.
    """
    assert message.in_flight, f"message {message.id} has no attempt in flight to conclude"
    outcome = flight.outcome
    if isinstance(outcome, Taken):
        events: tuple[e.Event, ...] = (_taken(message, flight, outcome, now_us),)
    else:
        due_us = _next_try_us(conversation, message, outcome, policy, now_us=now_us, chance=chance)
        events = _failed(message, flight, policy, due_us, now_us=now_us, is_up=is_up)
    circuit = _circuit_events(conversation, outcome, policy, now_us, probe=message.probe)
    told = told_of_peer(conversation, outcome, message, is_final=not has_receipts)
    return Decision(message=events, conversation=(*circuit, *told))


def interrupted(message: Message, now_us: int, *, is_repeatable: bool) -> Flight:
    """How an attempt ended whose process is gone: its fate is unknown, and it counts as sent just now.

    One that may be repeated is made again, whatever the policy says of doubts: there is none.
    """
    took_us = now_us - message.started_us
    if is_repeatable:
        again = Hold(code="interrupted", after_us=SECOND_US, unasked=True)
        return Flight(outcome=again, sent_us=None, took_us=took_us)
    return Flight(outcome=Ambiguous(code="interrupted"), sent_us=now_us, took_us=took_us)


def abort(message: Message, now_us: int, reason: e.AbortReason) -> tuple[e.Event, ...]:
    """What an attempt leads to of which nothing was sent, by our own doing: it never was, but a cancel holds."""
    aborted = e.AttemptAborted(attempt=message.in_flight, reason=reason, due_us=now_us)
    if message.cancel is not None:
        return aborted, e.MessageCancelled(reason=message.cancel)
    return (aborted,)


def _taken(message: Message, flight: Flight, outcome: Taken, now_us: int) -> e.Event:
    return e.AttemptTaken(
        attempt=message.in_flight,
        # A 2xx of an endpoint or a handler is the receiver's own word; all others' providers have only taken it so far.
        status="delivered" if message.channel in {"webhook", "hook"} else "sent",
        sent_at_us=flight.sent_us if flight.sent_us is not None else now_us,
        took_us=flight.took_us,
        code=outcome.code,
        provider_id=outcome.provider_id,
    )


def _failed(
    message: Message, flight: Flight, policy: Policy, due_us: int | None, *, now_us: int, is_up: IsUp
) -> tuple[e.Event, ...]:
    """The failed attempt and what follows; `due_us` is when its schedule has it tried again, None where it is through.

    A round through all lanes of a failover is one try as the schedule counts them, so going further in it is free.
    """
    outcome = flight.outcome
    assert not isinstance(outcome, Taken), "a taken attempt has not failed"
    lane = next_lane(message, is_up) if may_move(outcome) else None
    moves_on = is_further(message, lane)
    after = _aftermath(message, outcome, policy, now_us if moves_on else due_us, now_us=now_us)
    if any(isinstance(event, _NO_NEXT_TRY) for event in after):
        moves_on, due_us = False, None
    elif any(isinstance(event, e.ReconcileStarted) for event in after):
        # Where it goes on is decided when the doubt is over.
        moves_on, due_us = False, now_us + policy.reconcile_us
    elif lane is not None:
        due_us = now_us if moves_on else due_us
        assert due_us is not None, f"message {message.id} goes on in {lane}, and nothing says when"
        after = (*after, e.LaneChanged(lane=lane, due_us=due_us, reason="failed"))
    is_free = isinstance(outcome, Rate | Hold | Config | Window)
    failed = e.AttemptFailed(
        attempt=message.in_flight,
        outcome=outcome,
        used=not is_free and not moves_on,
        due_us=due_us,
        sent_at_us=flight.sent_us,
        took_us=flight.took_us,
    )
    return (failed, *after)


def _goes_by_template(message: Message, outcome: Outcome) -> bool:
    """Whether only free text was refused, and what stands in for it has not been tried."""
    return isinstance(outcome, Window) and message.has_template and not message.by_template


def _next_try_us(
    conversation: Conversation, message: Message, outcome: Outcome, policy: Policy, *, now_us: int, chance: float
) -> int | None:
    """When it may be tried again, None where it may not."""
    ceiling_us = policy.retry_after_ceiling_us
    match outcome:
        case Transient(after_us=after_us, retries_max=retries_max):
            if retries_max is not None and message.faults >= retries_max:
                return None
            wait_us = delay_us(policy.retry, message.used + 1, chance)
            return None if wait_us is None else now_us + max(wait_us, min(after_us or 0, ceiling_us))
        case Ambiguous():
            wait_us = delay_us(policy.retry, message.used + 1, chance)
            return None if wait_us is None else now_us + wait_us
        case Rate():
            return now_us + grown_pause_us(conversation, outcome, policy)
        case Hold(after_us=after_us):
            return now_us + _asked_us(HOUR_US if after_us is None else after_us, policy)
        case Config():
            # The lane is paused for it, so it only has to keep its place.
            return now_us
        case Window():
            return now_us if _goes_by_template(message, outcome) else None
        case _:
            return None


def grown_pause_us(conversation: Conversation, outcome: Rate, policy: Policy) -> int:
    """How long a limiter's refusal pauses its scope, longer with each refusal in a row where its provider asks so."""
    least_us = pause_us(outcome.after_us, policy)
    if outcome.growth <= 1:
        return least_us
    # No ceiling is further away than 64 doublings of a microsecond.
    return _asked_us(least_us * outcome.growth ** min(conversation.refusals, 32), policy)


def pause_us(after_us: int | None, policy: Policy) -> int:
    """How long a limiter's refusal pauses its scope: as long as it asks for, within the ceiling."""
    return policy.rate_pause_us if after_us is None else _asked_us(after_us, policy)


def _asked_us(after_us: int, policy: Policy) -> int:
    # Waits that use up no attempt would repeat without end at `Retry-After: 0`, so a second is the least.
    return max(SECOND_US, min(after_us, policy.retry_after_ceiling_us))


def _aftermath(
    message: Message, outcome: Outcome, policy: Policy, due_us: int | None, *, now_us: int
) -> tuple[e.Event, ...]:
    """What follows the failed attempt at once: its proof, the end, a hold, a doubt and its end; mostly nothing."""
    if _is_proved(message, outcome):
        return (e.AttemptProved(attempt=message.in_flight, evidence="receipt"),)
    if isinstance(outcome, Ambiguous):
        if message.cancel is None and policy.reconcile_us:
            until_us = now_us + policy.reconcile_us
            return (e.ReconcileStarted(attempt=message.in_flight, until_us=until_us),)
        return _resolved(message, policy, due_us)
    if message.cancel is not None:
        return (e.MessageCancelled(reason=message.cancel),)
    if due_us is None:
        return (e.MessageDead(reason="exhausted" if is_fault(outcome) else "refused"),)
    return _parked(policy, outcome, message.faults + 1)


def _is_proved(message: Message, outcome: Outcome) -> bool:
    """Whether its provider told while the attempt was out that it has the message, from this attempt or one before.

    Of a failure nobody knows which attempt it is about, where more than one may have arrived. It proves what else
    would be in doubt; an attempt that certainly was not taken has nothing to do with it.
    """
    if any(told.status != "failed" for told in message.receipts):
        return True
    return isinstance(outcome, Ambiguous) and any(told.attempt == message.in_flight for told in message.receipts)


def _resolved(message: Message, policy: Policy, due_us: int | None) -> tuple[e.Event, ...]:
    """The policy's word about an attempt of unknown fate, and what follows from that."""
    resolution = message.on_ambiguous or policy.on_ambiguous
    doubt = e.AmbiguityResolved(attempt=message.in_flight, resolution=resolution, evidence="policy")
    if message.cancel is not None:
        return doubt, e.MessageCancelled(reason=message.cancel)
    if resolution == "hold":
        return doubt, e.MessageHeld(by="unknown")
    if resolution == "fail":
        return doubt, e.MessageDead(reason="ambiguous")
    if due_us is None:
        return doubt, e.MessageDead(reason="exhausted")
    return doubt, *_parked(policy, Ambiguous(), message.faults + 1)


def _parked(policy: Policy, outcome: Outcome, faults: int) -> tuple[e.Event, ...]:
    if is_fault(outcome) and parks_after(faults, policy):
        return (e.MessageHeld(by="parked"),)
    return ()


def _circuit_events(
    conversation: Conversation, outcome: Outcome, policy: Policy, now_us: int, *, probe: bool
) -> tuple[e.Event, ...]:
    circuit = conversation.circuit
    if isinstance(outcome, Rate) and outcome.scope == "pair":
        until_us = now_us + grown_pause_us(conversation, outcome, policy)
        refusals = conversation.refusals + 1 if outcome.growth > 1 else 0
        return (e.ConversationPaused(until_us=until_us, code=outcome.code, refusals=refusals),)
    if isinstance(outcome, _OF_NO_PEER) or is_unasked(outcome):
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
