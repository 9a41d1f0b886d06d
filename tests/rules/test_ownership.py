"""Answers for who may be replaced and who may still send: never both, and never neither for long."""

from itertools import pairwise
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from core.ownership import APART_S, LEFT_S, SILENCE_S, SLOTS, TOGETHER_S, TRUST_S, Trust, Watch, free_slot

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


def test_two_looks_that_lie_apart_are_needed() -> None:
    """Whoever is silent at the first look, or at two in quick succession, is left alone."""
    watch = Watch()
    assert watch.look({7: SILENCE_S}, 0.0) == []
    assert watch.look({7: SILENCE_S + 1}, 1.0) == []
    assert watch.look({7: SILENCE_S + 2}, APART_S) == [7]


def test_who_is_heard_of_in_between_starts_anew() -> None:
    """A sign of life between two looks undoes what the first one saw."""
    watch = Watch()
    watch.look({7: 20.0}, 0.0)
    assert watch.look({7: 0.5}, 1.0) == []
    assert watch.look({7: 20.0}, 2.0) == []
    assert watch.look({7: 21.0}, 3.0) == []
    assert watch.look({7: 22.0}, 4.0) == [7]


def test_looks_across_an_outage_do_not_count_together() -> None:
    """After a time in which nobody could look, everybody gets the chance to be heard of first."""
    watch = Watch()
    watch.look({7: 16.0}, 0.0)
    assert watch.look({7: 100.0}, TOGETHER_S + 0.1) == []
    assert watch.look({7: 100.0 + APART_S}, TOGETHER_S + 0.1 + APART_S) == [7]


def test_each_node_is_judged_for_itself() -> None:
    """One that was found silent says nothing of another, and one that has gone is forgotten."""
    watch = Watch()
    watch.look({1: 20.0, 2: 1.0}, 0.0)
    assert watch.look({1: 22.0, 2: 16.0}, 2.0) == [1]
    assert watch.look({2: 18.0}, 4.0) == [2]
    assert watch.look({1: 30.0}, 5.0) == []


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


@given(st.lists(st.floats(0.2, TOGETHER_S), min_size=30, max_size=60))
def test_a_dead_one_is_replaced_soon(steps: list[float]) -> None:
    """Who looks regularly replaces a dead owner within its silence and two looks more that lie apart."""
    watch = Watch()
    instants = [sum(steps[:count]) for count in range(len(steps) + 1)]
    for before_s, now_s in pairwise(instants):
        if watch.look({1: now_s}, now_s):
            assert before_s < SILENCE_S + APART_S + TOGETHER_S
            return
    assert instants[-1] < SILENCE_S + APART_S + 2 * TOGETHER_S


def test_the_lowest_free_slot_is_given() -> None:
    """Slots are used again, from the lowest on, and there is an end to them."""
    assert free_slot(()) == 0
    assert free_slot({0, 1, 3}) == 2
    assert free_slot(range(SLOTS)) is None
