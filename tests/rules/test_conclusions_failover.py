"""Answers for failover within a message: where a failed attempt goes on, when, and what that costs its schedule."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core import events as e
from core.message import Message
from core.outcomes import Ambiguous, Config, Failure, Hold, OptOut, Permanent, Rate, Recipient, Transient, Window
from core.policies import SECOND_US, Schedule
from tests.rules.samples import NOW_US, PLAIN, decide, failure, sending, then, waiting

MOVING: Final = (
    Transient(),
    Ambiguous(),
    Config(),
    Hold(),
    Rate(scope="sender"),
    Rate(scope="account"),
    Rate(scope="lane"),
)
STAYING: Final = (Permanent(), Recipient(), OptOut(), Window(), Rate(scope="pair"))


def through(*lanes: str, at: str | None = None, used: int = 0) -> Message:
    """A message being sent in one of its lanes, the first unless another is named."""
    return sending(replace(waiting(), lanes=lanes, lane=at or lanes[0], used=used))


@pytest.mark.parametrize("outcome", MOVING)
def test_what_another_account_may_do_better_goes_on_there_at_once(outcome: Failure) -> None:
    """It uses up nothing: a round through all lanes is one try."""
    decision = decide(outcome, through("a", "b"))
    assert decision.message[-1] == e.LaneChanged(lane="b", due_us=NOW_US, reason="failed")
    assert (failure(decision).used, failure(decision).due_us) == (False, NOW_US)


@pytest.mark.parametrize("outcome", STAYING)
def test_what_is_about_message_or_peer_goes_nowhere(outcome: Failure) -> None:
    """Another account would be refused the same."""
    decision = decide(outcome, through("a", "b"))
    assert not any(isinstance(event, e.LaneChanged) for event in decision.message)


@pytest.mark.parametrize(("outcome", "wait_us"), [(Transient(), 10 * SECOND_US), (Rate(scope="lane"), 30 * SECOND_US)])
def test_after_the_last_lane_the_round_begins_again_on_schedule(outcome: Failure, wait_us: int) -> None:
    """The first lane has its next turn when the schedule, or the limiter, says so."""
    decision = decide(outcome, through("a", "b", at="b"))
    assert decision.message[-1] == e.LaneChanged(lane="a", due_us=NOW_US + wait_us, reason="failed")
    assert failure(decision).used == isinstance(outcome, Transient)


def test_lanes_take_their_turns_in_order() -> None:
    """Three lanes, then the next round, until the schedule of two retries is through."""
    policy = replace(PLAIN, retry=Schedule(after_us=(SECOND_US, 2 * SECOND_US), jitter=0))
    message, seen = through("a", "b", "c"), []
    while message.status == "sending":
        seen.append((message.lane, message.used))
        message = then(message, *decide(Transient(), message, policy=policy).message)
        if message.is_open:
            message = sending(message)
    assert seen == [(lane, used) for used in range(3) for lane in "abc"]
    assert (message.status, message.reason, message.attempt) == ("dead", "exhausted", 9)


def test_lanes_that_are_down_are_passed_over() -> None:
    """The next one that lets anything out is next, in this round or the one after."""
    decision = decide(Transient(), through("a", "b", "c"), is_up=lambda lane: lane != "b")
    assert decision.message[-1] == e.LaneChanged(lane="c", due_us=NOW_US, reason="failed")
    decision = decide(Transient(), through("a", "b", "c", at="c"), is_up=lambda lane: lane != "a")
    assert decision.message[-1] == e.LaneChanged(lane="b", due_us=NOW_US + 10 * SECOND_US, reason="failed")
    assert failure(decision).used


@pytest.mark.parametrize("at", ["a", "b"])
def test_where_no_other_lane_is_up_it_stays(at: str) -> None:
    """It follows the schedule in its own lane: nothing runs from one lane to the next and back without end."""
    decision = decide(Transient(), through("a", "b", at=at), is_up=lambda lane: lane == at)
    assert len(decision.message) == 1
    assert (failure(decision).used, failure(decision).due_us) == (True, NOW_US + 10 * SECOND_US)


def test_a_lane_that_is_not_among_its_lanes_is_not_left() -> None:
    """Without a failover, or outside of it, a message has nowhere to go."""
    for message in (sending(waiting()), through("a"), through("a", "b", at="other")):
        assert len(decide(Transient(), message).message) == 1


@pytest.mark.parametrize("outcome", MOVING)
def test_a_cancel_ends_it_in_its_lane(outcome: Failure) -> None:
    """What is over moves nowhere, and its attempt counts as any other."""
    message = then(through("a", "b"), e.CancelRequested(reason="requested"))
    decision = decide(outcome, message)
    assert decision.message[-1] == e.MessageCancelled(reason="requested")
    assert failure(decision).used == isinstance(outcome, Transient | Ambiguous)
    assert then(message, *decision.message).lane == "a"


def test_a_doubt_is_settled_before_it_moves() -> None:
    """It may have arrived where it was sent: evidence is awaited there, and the attempt is used up."""
    decision = decide(Ambiguous(), through("a", "b"), policy=replace(PLAIN, reconcile_us=SECOND_US))
    assert isinstance(decision.message[-1], e.ReconcileStarted)
    assert failure(decision).used


@pytest.mark.parametrize("on_ambiguous", ["hold", "fail"])
def test_a_policy_that_sends_nothing_twice_moves_nothing_in_doubt(on_ambiguous: e.OnAmbiguous) -> None:
    """Held or failed, it ends where it was."""
    message = through("a", "b")
    after = then(message, *decide(Ambiguous(), message, policy=replace(PLAIN, on_ambiguous=on_ambiguous)).message)
    assert (after.lane, after.used) == ("a", 1)
    assert after.status in {"held", "dead"}


def test_a_fault_that_mostly_is_the_messages_own_still_tries_every_lane() -> None:
    """A bound on retries ends the rounds, not the round."""
    fault = Transient(retries_max=1)
    message = through("a", "b")
    message = sending(then(message, *decide(fault, message).message))
    assert message.lane == "b"
    assert decide(fault, message).message[-1] == e.MessageDead(reason="exhausted")


@given(
    outcomes=st.lists(st.sampled_from(MOVING + STAYING), min_size=1, max_size=30),
    lanes=st.integers(1, 4),
    up=st.lists(st.frozensets(st.sampled_from("abcd")), min_size=30, max_size=30),
)
def test_no_message_is_tried_without_end_or_pause(
    outcomes: list[Failure], lanes: int, up: list[frozenset[str]]
) -> None:
    """Whatever lanes go down and come up, between two waits no lane is tried twice."""
    message, round_ = through(*"abcd"[:lanes]), set[str]()
    for outcome, lanes_up in zip(outcomes, up, strict=False):
        assert message.lane not in round_
        round_.add(message.lane)
        message = then(message, *decide(outcome, message, is_up=lanes_up.__contains__).message)
        if not message.is_open:
            return
        assert message.due_us is not None
        if message.due_us > NOW_US or isinstance(outcome, Config | Window):
            round_.clear()  # A broken set-up pauses its own lane, and a closed window is asked once.
        message = sending(message)
