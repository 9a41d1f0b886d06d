"""Answers for who may be replaced and who may still send: never both, and never neither for long."""

from itertools import pairwise
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from core.ownership import (
    APART_S,
    BEAT_S,
    DOUBT_S,
    LEFT_S,
    LOOK_S,
    SILENCE_S,
    SLOTS,
    SOONEST_S,
    TOGETHER_S,
    TRUST_S,
    Trust,
    Watch,
    free_slot,
)

_steps: Final = st.lists(st.floats(0.1, 8.0), min_size=1, max_size=40)


def test_trust_begins_with_the_first_sign_of_life() -> None:
    """Before the store has heard of a process nothing may leave."""
    trust = Trust()
    assert trust.left_s(0.0) == 0.0
    assert not trust.may_send(0.0)


def test_trust_counts_from_the_instant_of_sending() -> None:
    """A send may begin while a second of trust is left, and not a moment later."""
    trust = Trust()
    trust.heard(100.0)
    assert trust.left_s(104.0) == TRUST_S - 4.0
    assert trust.may_send(100.0 + TRUST_S - LEFT_S)
    assert not trust.may_send(100.0 + TRUST_S - LEFT_S + 0.001)
    assert trust.left_s(500.0) == 0.0


def test_an_answer_that_comes_late_takes_no_trust_away() -> None:
    """Of several signs of life the one that was sent last counts, in whatever order they are answered."""
    trust = Trust()
    trust.heard(20.0)
    trust.heard(10.0)
    assert trust.left_s(20.0) == TRUST_S


def test_nobody_is_replaced_at_first_sight() -> None:
    """However long somebody was silent: whoever sees it for the first time doubts it for a while first."""
    watch = Watch()
    assert watch.look({7: 100.0}, 0.0) == []
    assert watch.look({7: 101.0}, 1.0) == []
    assert watch.look({7: 100.0 + APART_S}, APART_S) == [7]


def test_doubt_alone_replaces_nobody() -> None:
    """Doubted in ever so many looks, it is left alone until it was silent for long enough."""
    watch = Watch()
    for seconds in range(int(DOUBT_S), int(SILENCE_S)):
        assert watch.look({7: float(seconds)}, float(seconds)) == []
    assert watch.look({7: SILENCE_S}, SILENCE_S) == [7]


def test_who_is_heard_of_in_between_starts_anew() -> None:
    """A sign of life between two looks undoes what was seen before it."""
    watch = Watch()
    watch.look({7: 20.0}, 0.0)
    assert watch.look({7: 0.5}, 1.0) == []
    for seconds in range(5, int(SILENCE_S), 3):
        assert watch.look({7: float(seconds)}, 0.5 + seconds) == []
    assert watch.look({7: SILENCE_S}, 0.5 + SILENCE_S) == [7]


def test_looks_across_an_outage_do_not_count_together() -> None:
    """After a time in which nobody could look, everybody gets the chance to be heard of first."""
    watch = Watch()
    watch.look({7: 16.0}, 0.0)
    assert watch.look({7: 100.0}, TOGETHER_S + 0.1) == []
    assert watch.look({7: 100.0 + APART_S}, TOGETHER_S + 0.1 + APART_S) == [7]


def test_each_node_is_judged_for_itself() -> None:
    """One that was found silent says nothing of another, and one that has gone is forgotten."""
    watch = Watch()
    watch.look({1: 20.0, 2: 5.0}, 0.0)
    assert watch.look({1: 24.0, 2: 9.0}, 4.0) == [1]
    assert watch.look({2: 13.0}, 8.0) == [2]
    assert watch.look({1: 30.0}, 9.0) == []


def test_the_next_look_comes_when_the_rule_allows() -> None:
    """Looks come at their own pace until somebody who is doubted may be replaced before the next one would come."""
    watch = Watch()
    assert watch.rest_s(0.0) == LOOK_S
    watch.look({1: DOUBT_S - BEAT_S, 2: 0.5}, 0.0)
    assert watch.rest_s(0.0) == LOOK_S
    watch.look({1: SILENCE_S - APART_S, 2: DOUBT_S - 3.75}, 4.0)
    assert watch.rest_s(4.0) == LOOK_S
    watch.look({1: SILENCE_S - 0.75, 2: DOUBT_S}, 7.75)
    assert watch.rest_s(7.75) == 0.75
    assert watch.rest_s(8.0) == 0.5
    watch.look({1: SILENCE_S}, 8.5)
    assert watch.rest_s(8.5) == SOONEST_S


@given(_steps, st.floats(0.0, 2.0))
def test_nobody_is_replaced_who_may_still_send(steps: list[float], under_way_s: float) -> None:
    """Whenever looks happen and however long a sign of life was under way, trust is over before anybody is replaced."""
    trust, watch = Trust(), Watch()
    trust.heard(0.0)
    now_s = 0.0
    for step_s in steps:
        now_s += step_s
        if watch.look({1: max(0.0, now_s - under_way_s)}, now_s):
            assert not trust.may_send(now_s)
            assert trust.left_s(now_s) == 0.0


@given(st.lists(st.floats(0.1, TOGETHER_S), min_size=1, max_size=40), st.floats(0.0, 12.0), st.floats(-60.0, 60.0))
def test_a_store_whose_clock_is_set_has_nobody_replaced_who_may_still_send(
    steps: list[float], set_at_s: float, by_s: float
) -> None:
    """Whoever looks believes no more of a silence than what it has counted itself, by whatever that clock was set."""
    trust, watch = Trust(), Watch()
    trust.heard(0.0)
    watch.look({1: 0.0}, 0.0)
    now_s = 0.0
    for step_s in steps:
        now_s += step_s
        if watch.look({1: now_s + (by_s if now_s >= set_at_s else 0.0)}, now_s):
            assert not trust.may_send(now_s)


def test_a_clock_that_was_set_forward_is_seen_through_until_the_next_sign_of_life() -> None:
    """One who is heard of again is judged by the store alone, under whatever time that has by then."""
    watch = Watch()
    watch.look({7: 1.0}, 0.0)
    assert watch.look({7: 3_602.0}, 1.0) == []
    assert watch.rest_s(1.0) == LOOK_S
    assert watch.look({7: 0.5}, 2.0) == []
    for seconds in range(3, 14, 2):
        assert watch.look({7: seconds - 1.5}, float(seconds)) == []
    assert watch.look({7: SILENCE_S}, 1.5 + SILENCE_S) == [7]


@given(st.floats(0.0, LOOK_S), st.floats(0.0, 0.2))
def test_a_dead_one_is_replaced_when_its_silence_is_over(first_s: float, takes_s: float) -> None:
    """Whenever looks happen to come, they are there as soon as the rule allows, and no look later."""
    watch, now_s = Watch(), first_s
    while not watch.look({1: now_s}, now_s):
        assert now_s < SILENCE_S, "found silent for long enough, and still not replaced"
        now_s += watch.rest_s(now_s) + takes_s
    assert now_s <= SILENCE_S + takes_s + SOONEST_S


# In parts of a second that floats can add up: else two looks that lie just close enough together may come out as apart.
_STEPS_S = st.integers(13, int(TOGETHER_S * 64)).map(lambda parts: parts / 64)


@given(st.lists(_STEPS_S, min_size=30, max_size=60))
def test_a_dead_one_is_replaced_soon_by_one_who_looks_seldom(steps: list[float]) -> None:
    """Where looks take long, one that is late by the time in which looks still count together replaces it at last."""
    watch = Watch()
    instants = [sum(steps[:count]) for count in range(len(steps) + 1)]
    for before_s, now_s in pairwise(instants):
        if watch.look({1: now_s}, now_s):
            assert before_s < SILENCE_S + APART_S
            return
    assert instants[-1] < SILENCE_S + APART_S + TOGETHER_S


def test_doubt_costs_no_time() -> None:
    """It is over when the silence is: so many signs of life are missed, and a look late, before the rest of it."""
    assert DOUBT_S + LOOK_S + APART_S < SILENCE_S
    assert TRUST_S + LEFT_S < SILENCE_S


def test_the_lowest_free_slot_is_given() -> None:
    """Slots are used again, from the lowest on, and there is an end to them."""
    assert free_slot(()) == 0
    assert free_slot({0, 1, 3}) == 2
    assert free_slot(range(SLOTS)) is None
