"""Answers for a doubt's end in vain: resent, held or failed, when and where; and for what ends it before."""

from typing import Final

import pytest
from msgspec.structs import replace

from core import events as e
from core import starts
from core.conversation import dues
from core.message import FALLBACK_DUE, Message, head_of
from core.outcomes import Ambiguous
from core.policies import MINUTE_US, Exponential, Poison, Policy, Schedule
from tests.rules.samples import CALM, NOW_US, PLAIN, decide, retrying, sending, terms, then, waiting

UNTIL_US: Final = NOW_US + 2 * MINUTE_US
DOUBTING: Final = replace(PLAIN, reconcile_us=2 * MINUTE_US)
SLOW: Final = replace(DOUBTING, retry=Schedule(after_us=(5 * MINUTE_US, 10 * MINUTE_US), jitter=0.2))


def in_doubt(message: Message | None = None, policy: Policy = DOUBTING) -> Message:
    """A message whose attempt, which began at NOW_US, is of unknown fate until UNTIL_US."""
    flying = sending(waiting() if message is None else message)
    return then(flying, *decide(Ambiguous(), flying, policy=policy).message)


def resolved(resolution: e.OnAmbiguous, *, due_us: int | None = None) -> e.AmbiguityResolved:
    """The policy's word about the first attempt."""
    return e.AmbiguityResolved(attempt=1, resolution=resolution, evidence="policy", due_us=due_us)


def test_nothing_is_decided_before_its_time() -> None:
    """As long as evidence may come, time decides nothing, and nothing can begin."""
    doubted = in_doubt()
    assert starts.tidy(doubted, DOUBTING, UNTIL_US - 1) == ()
    with pytest.raises(AssertionError, match="is in doubt, so it may be out there already"):
        starts.begin(CALM, doubted, terms(DOUBTING), UNTIL_US - 1)


@pytest.mark.parametrize(
    ("own", "of_policy", "events"),
    [
        (None, "hold", (resolved("hold"), e.MessageHeld(by="unknown"))),
        (None, "fail", (resolved("fail"), e.MessageDead(reason="ambiguous"))),
        (None, "resend", (resolved("resend", due_us=UNTIL_US),)),
        ("hold", "resend", (resolved("hold"), e.MessageHeld(by="unknown"))),
        ("resend", "fail", (resolved("resend", due_us=UNTIL_US),)),
    ],
)
def test_no_evidence_leaves_it_to_message_or_policy(
    own: e.OnAmbiguous | None, of_policy: e.OnAmbiguous, events: tuple[e.Event, ...]
) -> None:
    """The message's own wish comes before its policy's; the event names what was decided and on what evidence."""
    doubted = in_doubt(waiting(on_ambiguous=own))
    policy = replace(DOUBTING, on_ambiguous=of_policy)
    assert starts.tidy(doubted, policy, UNTIL_US) == events
    assert then(doubted, *events, at_us=UNTIL_US).doubt_us is None


@pytest.mark.parametrize(
    ("policy", "late_us", "chance", "waits_us"),
    [
        (DOUBTING, 0, 0.5, 2 * MINUTE_US),
        (DOUBTING, MINUTE_US, 0.5, 3 * MINUTE_US),
        (SLOW, 0, 0.5, 5 * MINUTE_US),
        (SLOW, MINUTE_US, 0.5, 5 * MINUTE_US),
        (SLOW, 0, 0.0, 4 * MINUTE_US),
        (SLOW, 9 * MINUTE_US, 0.5, 11 * MINUTE_US),
    ],
)
def test_a_resend_follows_the_schedule(policy: Policy, late_us: int, chance: float, waits_us: int) -> None:
    """The wait counts from the attempt's end, so the time in doubt is part of it; it never lies in the past."""
    (again,) = starts.tidy(in_doubt(policy=policy), policy, UNTIL_US + late_us, chance=chance)
    assert again == resolved("resend", due_us=NOW_US + waits_us)


def test_the_wait_counts_from_the_attempts_end_whatever_else_is_recorded() -> None:
    """A message that steps aside while it is in doubt is due no later for it."""
    aside = then(in_doubt(policy=SLOW), e.MessageSetAside(), at_us=NOW_US + MINUTE_US)
    assert starts.tidy(aside, SLOW, UNTIL_US) == (resolved("resend", due_us=NOW_US + 5 * MINUTE_US),)


def test_a_resend_takes_the_wait_of_its_place_in_the_schedule() -> None:
    """A doubt at the third attempt is followed by the third wait."""
    policy = replace(
        DOUBTING, retry=Exponential(first_us=MINUTE_US, factor=4, times=3, ceiling_us=60 * MINUTE_US, jitter=0)
    )
    third = in_doubt(retrying(retrying(waiting())), policy)
    (again,) = starts.tidy(third, policy, UNTIL_US)
    assert isinstance(again, e.AmbiguityResolved)
    assert (again.attempt, again.due_us) == (3, NOW_US + 16 * MINUTE_US)


def test_a_doubt_beyond_the_schedule_is_the_end() -> None:
    """It is not sent once more than was asked for."""
    policy = replace(DOUBTING, retry=Schedule(after_us=()))
    assert starts.tidy(in_doubt(policy=policy), policy, UNTIL_US) == (
        resolved("fail"),
        e.MessageDead(reason="exhausted"),
    )


def test_poison_is_parked_when_its_doubt_ends() -> None:
    """As many faults in a row as open the circuit hold a message for a person, in doubt or not."""
    policy = replace(DOUBTING, poison=Poison(kind="park"))
    assert starts.tidy(in_doubt(retrying(retrying(waiting()))), policy, UNTIL_US)[-1] == e.MessageHeld(by="parked")
    assert len(starts.tidy(in_doubt(retrying(waiting())), policy, UNTIL_US)) == 1


# -- what ends it before -----------------------------------------------------------------------------------------


def test_an_expiry_ends_the_doubt() -> None:
    """A message that expires in doubt says that it was given up, and is not left half resolved."""
    doubted = in_doubt(waiting(expires_us=NOW_US + MINUTE_US))
    assert head_of(doubted, 7).due_us == NOW_US + MINUTE_US
    assert starts.tidy(doubted, DOUBTING, NOW_US + MINUTE_US - 1) == ()
    assert starts.tidy(doubted, DOUBTING, NOW_US + MINUTE_US) == (resolved("fail"), e.MessageExpired())


def test_being_given_up_ends_the_doubt() -> None:
    """So does the end of the policy's patience."""
    policy = replace(DOUBTING, give_up_after_us=MINUTE_US)
    assert starts.tidy(in_doubt(policy=policy), policy, NOW_US + MINUTE_US) == (
        resolved("fail"),
        e.MessageDead(reason="gave_up"),
    )


def with_fallback(by_us: int) -> Message:
    """A message that another channel takes over from at an instant."""
    return replace(waiting(), fallbacks=1, fallback_by_us=by_us)


def test_no_other_channel_takes_over_during_a_doubt() -> None:
    """The time of its fallback neither cuts a doubt short nor sends anything: it may have arrived already."""
    doubted = in_doubt(with_fallback(NOW_US + MINUTE_US))
    (due,) = dues(CALM, [doubted], lambda _: DOUBTING)
    assert (due.due_us, due.stored_us) == (UNTIL_US, UNTIL_US)
    assert head_of(doubted, 7).due_us == UNTIL_US
    assert starts.tidy(doubted, DOUBTING, UNTIL_US - 1) == ()


def test_another_channel_takes_over_when_the_doubt_is_over() -> None:
    """What would be resent gives way at once where its time has passed meanwhile."""
    doubted = in_doubt(with_fallback(NOW_US + MINUTE_US))
    assert starts.tidy(doubted, DOUBTING, UNTIL_US) == (resolved("fail"), e.MessageCancelled(reason=FALLBACK_DUE))


def test_another_channel_takes_over_on_time() -> None:
    """Without a doubt its time is the end, however soon the next try would have been."""
    waits = retrying(with_fallback(NOW_US + MINUTE_US), due_us=NOW_US + 10 * MINUTE_US)
    assert head_of(waits, 7).due_us == NOW_US + MINUTE_US
    assert starts.tidy(waits, PLAIN, NOW_US + MINUTE_US - 1) == ()
    assert starts.tidy(waits, PLAIN, NOW_US + MINUTE_US) == (e.MessageCancelled(reason=FALLBACK_DUE),)


def test_a_fallback_that_was_refused_takes_over_from_nobody() -> None:
    """A dead letter without a fallback that could begin may be redriven, and has its whole time."""
    dead = then(retrying(with_fallback(NOW_US + MINUTE_US)), e.MessageDead(reason="gave_up"))
    again = then(dead, e.FallbackRefused(code="content_gone"), e.MessageRedriven(due_us=NOW_US))
    assert again.ends_us is None
    assert starts.tidy(again, PLAIN, NOW_US + 60 * MINUTE_US) == ()


# -- through several lanes ---------------------------------------------------------------------------------------


def through(*lanes: str, at: str) -> Message:
    """A message that may go through these lanes, and is in one of them."""
    return replace(waiting(), lanes=lanes, lane=at)


def test_a_resend_goes_on_in_the_next_lane_at_once() -> None:
    """Evidence was awaited where it was sent; what is sent again goes further in its round."""
    doubted = in_doubt(through("a", "b", at="a"), SLOW)
    assert doubted.lane == "a"
    assert starts.tidy(doubted, SLOW, UNTIL_US) == (
        resolved("resend", due_us=UNTIL_US),
        e.LaneChanged(lane="b", due_us=UNTIL_US, reason="failed"),
    )


def test_a_resend_after_the_last_lane_waits_for_its_schedule() -> None:
    """A round that is over begins again no sooner than the schedule says."""
    due_us = NOW_US + 5 * MINUTE_US
    assert starts.tidy(in_doubt(through("a", "b", at="b"), SLOW), SLOW, UNTIL_US) == (
        resolved("resend", due_us=due_us),
        e.LaneChanged(lane="a", due_us=due_us, reason="failed"),
    )


def test_a_resend_stays_where_no_other_lane_is_up() -> None:
    """Its own lane has let it out, so it waits there for its schedule."""
    doubted = in_doubt(through("a", "b", at="a"), SLOW)
    events = starts.tidy(doubted, SLOW, UNTIL_US, is_up=lambda lane: lane == "a")
    assert events == (resolved("resend", due_us=NOW_US + 5 * MINUTE_US),)


def test_a_further_lane_is_tried_though_the_schedule_is_through() -> None:
    """Without retries each lane of a failover still gets its try."""
    policy = replace(DOUBTING, retry=Schedule(after_us=()))
    again, moved = starts.tidy(in_doubt(through("a", "b", at="a"), policy), policy, UNTIL_US)
    assert isinstance(moved, e.LaneChanged)
    assert again == resolved("resend", due_us=UNTIL_US)
    last = in_doubt(through("a", "b", at="b"), policy)
    assert starts.tidy(last, policy, UNTIL_US)[-1] == e.MessageDead(reason="exhausted")


def test_a_doubt_costs_an_attempt_in_every_lane() -> None:
    """It may have arrived each time, so a round is not one try here: the schedule bounds how often it is sent."""
    message = in_doubt(through("a", "b", at="a"))
    message = then(message, *starts.tidy(message, DOUBTING, UNTIL_US), at_us=UNTIL_US)
    assert (message.lane, message.used) == ("b", 1)
    message = in_doubt(message)
    assert message.used == 2
