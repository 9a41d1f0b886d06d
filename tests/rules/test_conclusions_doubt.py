"""Answers for a doubt's beginning: an attempt of unknown fate waits for evidence before its policy decides."""

from typing import Final

import pytest
from msgspec.structs import replace

from core import events as e
from core.outcomes import Ambiguous, Failure, Hold, Permanent, Rate, Transient, Window
from core.policies import MINUTE_US, SECOND_US, Poison, Policy, Schedule
from tests.rules.samples import CALM, NOW_US, PLAIN, came, decide, failure, sending, then, waiting

UNTIL_US: Final = NOW_US + 2 * MINUTE_US
DOUBTING: Final = replace(PLAIN, reconcile_us=2 * MINUTE_US)
THROUGH: Final = replace(DOUBTING, retry=Schedule(after_us=()))


@pytest.mark.parametrize("on_ambiguous", ["resend", "hold", "fail"])
@pytest.mark.parametrize("policy", [DOUBTING, THROUGH])
def test_evidence_is_awaited_before_anything_is_decided(on_ambiguous: e.OnAmbiguous, policy: Policy) -> None:
    """Whatever the policy will say, and however used up the schedule is, the message waits in doubt first."""
    message = sending(waiting(on_ambiguous=on_ambiguous))
    decision = decide(Ambiguous(code="timeout"), message, policy=policy)
    assert decision.message[1:] == (e.ReconcileStarted(attempt=1, until_us=UNTIL_US),)
    assert (failure(decision).due_us, failure(decision).used) == (UNTIL_US, True)
    doubted = then(message, *decision.message)
    assert (doubted.status, doubted.doubt_us, doubted.due_us) == ("retrying", UNTIL_US, UNTIL_US)


@pytest.mark.parametrize("outcome", [Transient(), Rate(), Hold(), Permanent(), Window()])
def test_only_an_unknown_fate_is_a_doubt(outcome: Failure) -> None:
    """A definite answer is believed: nothing waits for evidence of the opposite."""
    decision = decide(outcome, policy=DOUBTING)
    assert not any(isinstance(event, e.ReconcileStarted) for event in decision.message)


def test_a_cancel_ends_the_doubt_at_once() -> None:
    """Who has cancelled a message waits for no evidence: the doubt is resolved, and the cancel holds."""
    message = then(sending(waiting()), e.CancelRequested(reason="requested"))
    _, resolved, cancelled = decide(Ambiguous(), message, policy=DOUBTING).message
    assert resolved == e.AmbiguityResolved(attempt=1, resolution="resend", evidence="policy")
    assert cancelled == e.MessageCancelled(reason="requested")


def test_a_doubt_counts_for_the_circuit() -> None:
    """A peer that leaves us in doubt is a fault like any other, and a probe in doubt opens its circuit for longer."""
    decision = decide(Ambiguous(), policy=DOUBTING)
    assert decision.conversation == (e.FailureCounted(streak=1),)
    open_ = came(CALM, e.CircuitOpened(until_us=NOW_US - SECOND_US, streak=3, openings=1))
    probe = decide(Ambiguous(), sending(waiting(), probe=True), conversation=open_, policy=DOUBTING)
    (opened,) = probe.conversation
    assert opened == e.CircuitOpened(until_us=NOW_US + 120 * SECOND_US, streak=4, openings=2)
    assert isinstance(probe.message[1], e.ReconcileStarted)


def test_poison_waits_for_the_end_of_the_doubt() -> None:
    """A message in doubt may have arrived, so nobody parks it before that is settled."""
    policy = replace(DOUBTING, poison=Poison(kind="park"), circuit=replace(PLAIN.circuit, failures=1))
    assert isinstance(decide(Ambiguous(), policy=policy).message[1], e.ReconcileStarted)
