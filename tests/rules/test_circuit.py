"""Answers for circuits and breakers: when they open, for how long, and how traffic comes back."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.circuit import RAMP_DONE_US, Breaker, Circuit, cooldown_us
from core.policies import HOUR_US, SECOND_US, BreakerRule, CircuitRule
from tests.rules.samples import NOW_US

RULE: Final = BreakerRule(share=0.5, of=10, within_us=60 * SECOND_US)


def _feed(breaker: Breaker, faults: list[bool], *, every_us: int = 1) -> tuple[int, int] | None:
    """What the last of these outcomes came to; none before it may open the breaker."""
    seen = None
    for number, fault in enumerate(faults):
        assert seen is None, f"it was to open before outcome {number}"
        seen = breaker.saw(RULE, fault=fault, now_us=NOW_US + number * every_us)
    return seen


def _ramping() -> Breaker:
    breaker = Breaker()
    breaker.opened(NOW_US - SECOND_US, 1)
    breaker.closed(NOW_US)
    return breaker


def test_pauses_double_up_to_their_ceiling() -> None:
    """60 s, 2 min, 4 min, ... and never more than an hour, after a thousand openings neither."""
    waits_s = [cooldown_us(60 * SECOND_US, HOUR_US, n) // SECOND_US for n in (1, 2, 3, 6, 7, 8, 1_000)]
    assert waits_s == [60, 120, 240, 1_920, 3_600, 3_600, 3_600]


def test_the_failure_that_fills_the_streak_opens_the_circuit() -> None:
    """The fifth of five, and then every failed probe."""
    rule = CircuitRule(failures=5)
    assert [Circuit(streak=n).opens_after(rule) for n in range(6)] == [False] * 4 + [True] * 2
    assert Circuit(open_until_us=NOW_US).opens_after(rule)


def test_half_of_the_last_outcomes_open_a_breaker() -> None:
    """It opens with the fault that makes half of the last ten, and says what it saw."""
    assert _feed(Breaker(), [False] * 5 + [True] * 5) == (5, 10)
    assert _feed(Breaker(), [True, False] * 4 + [True]) == (5, 9)


def test_a_quiet_lane_needs_as_many_faults() -> None:
    """Missing outcomes count as good ones: four faults in a row of four are not enough, the fifth is."""
    breaker = Breaker()
    assert _feed(breaker, [True] * 4) is None
    assert breaker.saw(RULE, fault=True, now_us=NOW_US + 9) == (5, 5)


def test_a_success_never_opens_a_breaker() -> None:
    """However bad the last outcomes were, the good one is not the reason to stop."""
    breaker = Breaker()
    assert _feed(breaker, [True] * 4) is None
    assert breaker.saw(RULE, fault=False, now_us=NOW_US + 9) is None


def test_old_faults_are_forgotten() -> None:
    """Faults that lie further apart than the window allows never open it."""
    assert _feed(Breaker(), [True] * 100, every_us=RULE.within_us // 4 + 1) is None
    assert _feed(Breaker(), [True] * 5, every_us=RULE.within_us // 4) == (5, 5)


def test_only_so_many_outcomes_count() -> None:
    """Of a busy lane the last ten are weighed, so faults before them do not matter."""
    assert _feed(Breaker(), ([True] * 4 + [False] * 6) * 50) is None


@given(outcomes=st.lists(st.tuples(st.booleans(), st.integers(0, 20 * SECOND_US)), max_size=80))
def test_a_breaker_agrees_with_counting(outcomes: list[tuple[bool, int]]) -> None:
    """It opens exactly where counting the last outcomes within the window by hand says so."""
    breaker, now_us, seen = Breaker(), NOW_US, list[tuple[int, bool]]()
    for fault, passed_us in outcomes:
        now_us += passed_us
        seen = [*seen, (now_us, fault)][-RULE.of :]
        recent = [bad for at_us, bad in seen if at_us >= now_us - RULE.within_us]
        expected = (sum(recent), len(recent)) if fault and sum(recent) >= 5 else None
        assert breaker.saw(RULE, fault=fault, now_us=now_us) == expected


def test_an_open_breaker_lets_one_probe_out_when_its_time_has_come() -> None:
    """Nothing before the instant, one probe from then on, and nothing more until that is back."""
    breaker = Breaker()
    breaker.opened(NOW_US + 9, 1)
    assert breaker.room_at(NOW_US) == NOW_US + 9
    assert breaker.took(NOW_US + 9)
    assert breaker.room_at(NOW_US + 10) is None
    breaker.gave_back()
    assert breaker.room_at(NOW_US + 10) == NOW_US + 9


def test_stragglers_of_an_outage_do_not_count() -> None:
    """What had left before a breaker opened neither opens it again nor weighs in later."""
    breaker = Breaker()
    breaker.opened(NOW_US + 9, 1)
    assert _feed(breaker, [True] * 50) is None
    breaker.closed(NOW_US + 60)
    assert breaker.saw(RULE, fault=True, now_us=NOW_US + 61) is None


def test_traffic_ramps_up_after_an_outage() -> None:
    """One attempt a second for ten seconds, two a second for ten more, then four, eight, and so on."""
    breaker, now_us, starts = _ramping(), NOW_US, list[int]()
    while now_us < NOW_US + 40 * SECOND_US:
        room_us = breaker.room_at(now_us)
        assert room_us is not None
        now_us = max(now_us, room_us)
        assert not breaker.took(now_us)
        starts.append((now_us - NOW_US) // (10 * SECOND_US))
    assert [starts.count(step) for step in range(4)] == [10, 20, 40, 80]


def test_the_ramp_ends_by_itself() -> None:
    """A hundred seconds after it closed, a breaker holds nothing back any more."""
    breaker = _ramping()
    for _ in range(1_000):
        breaker.took(NOW_US)
    late_us = NOW_US + RAMP_DONE_US
    held_us = breaker.room_at(late_us - 1)
    assert held_us is not None
    assert held_us > late_us
    assert breaker.room_at(late_us) == 0
    assert breaker.room_at(NOW_US + 1) == 0


def test_a_new_breaker_holds_nothing_back() -> None:
    """After our own restart there is no ramp."""
    assert Breaker().room_at(NOW_US) == 0
    assert not Breaker().took(NOW_US)


@pytest.mark.parametrize("openings", [1, 3])
def test_closing_forgets_the_openings(openings: int) -> None:
    """The pause after the next outage is a short one again."""
    breaker = Breaker()
    breaker.opened(NOW_US, openings)
    breaker.closed(NOW_US + 1)
    assert (breaker.openings, breaker.open_until_us) == (0, None)
