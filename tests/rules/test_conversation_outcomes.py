"""Answers for what an attempt's outcome leads to for its message: the next try, a hold, or the end."""

from typing import Final, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core import events as e
from core.conclusions import conclude
from core.message import Message
from core.outcomes import (
    Ambiguous,
    Config,
    Failure,
    Hold,
    OptOut,
    Outcome,
    Permanent,
    Rate,
    RateScope,
    Recipient,
    Taken,
    Transient,
    Window,
)
from core.policies import DAY_US, HOUR_US, SECOND_US, Poison, Policy
from tests.rules.samples import CALM, NOW_US, PLAIN, came, decide, failure, flight, retrying, sending, then, waiting

FAILURES: Final[tuple[type[Failure], ...]] = get_args(Failure)
REFUSALS: Final = (Permanent, Recipient, OptOut, Window)
PARK: Final = replace(PLAIN, poison=Poison(kind="park"))


def _wait_us(outcome: Outcome, message: Message | None = None, *, policy: Policy = PLAIN, chance: float = 0.5) -> int:
    due_us = failure(decide(outcome, message, policy=policy, chance=chance)).due_us
    assert due_us is not None
    return due_us - NOW_US


def _tired(faults: int) -> Message:
    """A message in flight whose last attempts were so many faults in a row."""
    message = waiting()
    for _ in range(faults):
        message = retrying(message)
    return sending(message)


# -- the message -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("channel", "status"), [("webhook", "delivered"), ("email", "sent"), ("whatsapp", "sent")])
def test_taken_concludes_the_message(channel: str, status: str) -> None:
    """A webhook's 2xx is the receiver's own word; from anybody else the message is sent, not yet delivered."""
    decision = decide(Taken(code="200", provider_id="p1"), sending(waiting(channel=channel)))
    (event,) = decision.message
    assert isinstance(event, e.AttemptTaken)
    assert (event.status, event.provider_id, event.code, event.attempt) == (status, "p1", "200", 1)
    assert (event.sent_at_us, event.took_us) == (NOW_US, 7)
    assert decision.conversation == ()


@pytest.mark.parametrize(
    ("outcome", "used", "wait_us"),
    [
        (Transient(), True, 10 * SECOND_US),
        (Ambiguous(), True, 10 * SECOND_US),
        (Rate(), False, PLAIN.rate_pause_us),
        (Rate(after_us=5 * SECOND_US), False, 5 * SECOND_US),
        (Hold(), False, HOUR_US),
        (Hold(after_us=3 * HOUR_US), False, 3 * HOUR_US),
        (Config(), False, 0),
    ],
)
def test_what_may_be_tried_again(outcome: Failure, used: bool, wait_us: int) -> None:  # noqa: FBT001 - a column
    """Faults use up an attempt and follow the schedule; limits, holds and our own set-up cost nothing but time."""
    decision = decide(outcome)
    failed = failure(decision)
    assert (failed.outcome, failed.used, failed.due_us) == (outcome, used, NOW_US + wait_us)
    assert then(sending(waiting()), *decision.message).status == "retrying"


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_ends_the_message(kind: type[Failure]) -> None:
    """What can never succeed as it is becomes a dead letter at once, on its first attempt."""
    decision = decide(kind(code="550"))
    assert failure(decision).due_us is None
    assert decision.message[1:] == (e.MessageDead(reason="refused"),)
    assert then(sending(waiting()), *decision.message).status == "dead"


@pytest.mark.parametrize("kind", FAILURES)
def test_every_failure_says_what_it_was(kind: type[Failure]) -> None:
    """The event keeps the outcome, the attempt, the hand-over and the time it took, whatever it came to."""
    message = _tired(2)
    failed = failure(decide(kind(code="c", detail="d"), message))
    assert (failed.outcome, failed.attempt) == (kind(code="c", detail="d"), 3)
    assert (failed.sent_at_us, failed.took_us) == (NOW_US, 7)


def test_nothing_handed_over_is_recorded_as_such() -> None:
    """An attempt that never reached the socket has no hand-over, so it takes no slot of any limit after a restart."""
    decision = conclude(CALM, sending(waiting()), flight(Transient(), sent_us=None), PLAIN, now_us=NOW_US, chance=0.5)
    assert failure(decision).sent_at_us is None


def test_the_schedule_is_followed_and_then_through() -> None:
    """Three waits, four attempts: the fourth failure is the end, and the message says so."""
    assert [_wait_us(Transient(), _tired(n)) // SECOND_US for n in range(3)] == [10, 20, 40]
    assert decide(Transient(), _tired(3)).message[1:] == (e.MessageDead(reason="exhausted"),)
    assert failure(decide(Transient(), _tired(3))).due_us is None


@pytest.mark.parametrize("outcome", [Rate(), Hold(), Config()])
def test_limits_never_exhaust_a_schedule(outcome: Outcome) -> None:
    """However used up its schedule is, a message outlasts limits, holds and our own mistakes."""
    assert then(_tired(3), *decide(outcome, _tired(3)).message).status == "retrying"


@pytest.mark.parametrize(
    ("after_us", "wait_us"),
    [
        (None, 10 * SECOND_US),
        (0, 10 * SECOND_US),
        (9 * SECOND_US, 10 * SECOND_US),
        (11 * SECOND_US, 11 * SECOND_US),
        (30 * DAY_US, PLAIN.retry_after_ceiling_us),
    ],
)
def test_retry_after_is_a_floor_under_a_ceiling(after_us: int | None, wait_us: int) -> None:
    """A fault's Retry-After can only lengthen the schedule's own wait, and not beyond the policy's ceiling."""
    assert _wait_us(Transient(after_us=after_us)) == wait_us


@pytest.mark.parametrize("outcome", [Rate(after_us=0), Rate(after_us=1), Hold(after_us=0)])
def test_a_wait_of_nothing_is_not_believed(outcome: Outcome) -> None:
    """A limiter that says `Retry-After: 0` is asked again after a second at the soonest: it costs no attempt."""
    assert _wait_us(outcome) == SECOND_US


@pytest.mark.parametrize("outcome", [Rate(after_us=30 * DAY_US), Hold(after_us=30 * DAY_US)])
def test_a_limiters_wait_has_a_ceiling(outcome: Outcome) -> None:
    """Nobody can make a message wait for longer than the policy's ceiling at a time."""
    assert _wait_us(outcome) == PLAIN.retry_after_ceiling_us


@pytest.mark.parametrize(("chance", "wait_s"), [(0.0, 8), (0.5, 10), (0.999_999_999, 12)])
def test_jitter_is_drawn_by_the_callers_chance(chance: float, wait_s: int) -> None:
    """The same chance gives the same wait, so a replay decides as the day itself did."""
    jittery = replace(PLAIN, retry=replace(PLAIN.retry, jitter=0.2))
    for outcome in (Transient(), Ambiguous()):
        assert round(_wait_us(outcome, policy=jittery, chance=chance) / SECOND_US) == wait_s


# -- doubt, cancels, poison --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "of_policy", "resolution"),
    [(None, "resend", "resend"), (None, "hold", "hold"), (None, "fail", "fail"), ("fail", "resend", "fail")],
)
def test_doubt_is_resolved_by_message_or_policy(
    own: e.OnAmbiguous | None, of_policy: e.OnAmbiguous, resolution: e.OnAmbiguous
) -> None:
    """The message's own wish comes before its policy's, and the event says what was decided on which evidence."""
    message = sending(waiting(on_ambiguous=own))
    decision = decide(Ambiguous(), message, policy=replace(PLAIN, on_ambiguous=of_policy))
    assert decision.message[1] == e.AmbiguityResolved(attempt=1, resolution=resolution, evidence="policy")
    ends: dict[e.OnAmbiguous, tuple[e.Event, ...]] = {
        "resend": (),
        "hold": (e.MessageHeld(by="unknown"),),
        "fail": (e.MessageDead(reason="ambiguous"),),
    }
    assert decision.message[2:] == ends[resolution]
    after = then(message, *decision.message)
    assert after.status == {"resend": "retrying", "hold": "held", "fail": "dead"}[resolution]


def test_a_resend_uses_up_the_schedule() -> None:
    """Doubt at the last attempt of a schedule ends the message: it is not sent once more than was asked for."""
    *_, last = decide(Ambiguous(), _tired(3)).message
    assert last == e.MessageDead(reason="exhausted")


@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize("on_ambiguous", ["resend", "hold", "fail"])
def test_a_cancel_holds_unless_the_attempt_is_taken(kind: type[Failure], on_ambiguous: e.OnAmbiguous) -> None:
    """Whatever else a running attempt comes to, a cancel that came meanwhile ends the message with its own reason."""
    message = then(sending(waiting(on_ambiguous=on_ambiguous)), e.CancelRequested(reason="event42 moved"))
    decision = decide(kind(), message)
    assert decision.message[-1] == e.MessageCancelled(reason="event42 moved")
    assert failure(decision).due_us is None
    after = then(message, *decision.message)
    assert (after.status, after.reason) == ("cancelled", "event42 moved")


def test_a_cancel_comes_too_late_for_what_was_taken() -> None:
    """The provider has it, so the message is sent and not cancelled."""
    message = then(sending(waiting()), e.CancelRequested(reason="requested"))
    assert then(message, *decide(Taken(), message).message).status == "delivered"


def test_poison_is_parked_with_the_failure_that_opens_the_circuit() -> None:
    """Under park the third fault in a row holds the message for a person; the second does not."""
    assert decide(Transient(), _tired(1), policy=PARK).message[1:] == ()
    assert decide(Transient(), _tired(2), policy=PARK).message[1:] == (e.MessageHeld(by="parked"),)
    assert failure(decide(Transient(), _tired(2), policy=PARK)).due_us is None


def test_poison_parks_faults_only() -> None:
    """A limiter's refusal breaks the row of faults, and is never poison."""
    limited = then(_tired(2), *decide(Rate(), _tired(2), policy=PARK).message)
    assert limited.status == "retrying"
    assert decide(Transient(), sending(limited), policy=PARK).message[1:] == ()


@pytest.mark.parametrize("kind", ["block", "skip"])
def test_other_poison_is_left_to_time(kind: str) -> None:
    """Under block and skip no number of faults holds a message."""
    poison = Poison(kind="skip", skip_after_us=HOUR_US) if kind == "skip" else Poison()
    assert decide(Transient(), _tired(2), policy=replace(PLAIN, poison=poison)).message[1:] == ()


def test_the_end_of_the_schedule_comes_before_parking() -> None:
    """A message that has used up its schedule is dead, not parked."""
    assert decide(Transient(), _tired(3), policy=PARK).message[1:] == (e.MessageDead(reason="exhausted"),)


# -- all of it at once -------------------------------------------------------------------------------------------

_scopes: Final = st.sampled_from(get_args(RateScope))
_waits: Final = st.one_of(st.none(), st.integers(0, 10 * DAY_US))
_failures: Final = st.one_of(
    st.sampled_from([kind() for kind in FAILURES]),
    st.builds(Transient, after_us=_waits),
    st.builds(Rate, scope=_scopes, after_us=_waits),
    st.builds(Hold, after_us=_waits),
)


@given(
    outcomes=st.lists(_failures, min_size=1, max_size=12),
    poison=st.sampled_from([Poison(), Poison(kind="park"), Poison(kind="skip", skip_after_us=1)]),
    on_ambiguous=st.sampled_from(get_args(e.OnAmbiguous)),
    chance=st.floats(0, 1, exclude_max=True),
)
def test_every_decision_can_be_folded(
    outcomes: list[Failure], poison: Poison, on_ambiguous: e.OnAmbiguous, chance: float
) -> None:
    """Whatever providers answer, the events fit the state, and the message waits for an instant or has stopped."""
    policy = replace(PLAIN, poison=poison, on_ambiguous=on_ambiguous)
    message, conversation = waiting(), CALM
    for outcome in outcomes:
        message = sending(message, probe=not conversation.circuit.is_closed)
        decision = decide(outcome, message, conversation=conversation, policy=policy, chance=chance)
        message, conversation = then(message, *decision.message), came(conversation, *decision.conversation)
        assert message.used <= len(outcomes)
        if message.status != "retrying":
            assert message.status in {"dead", "held"}
            return
        assert message.due_us is not None
        assert NOW_US <= message.due_us <= NOW_US + policy.retry_after_ceiling_us
