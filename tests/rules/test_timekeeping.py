"""Answers for log time: it never goes back, never runs fast, and always arrives."""

from hypothesis import given
from hypothesis import strategies as st

from core.timekeeping import LogTime

HOUR_US = 3_600_000_000
START_US = 1_769_760_000_000_000

# A reading follows the one before by so much real time, after the wall was set by so much.
_steps = st.lists(
    st.tuples(st.integers(0, 10 * HOUR_US), st.one_of(st.just(0), st.integers(-2 * HOUR_US, 2 * HOUR_US))), max_size=40
)


def _readings(steps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    wall_us, monotonic_us, readings = START_US, 0, []
    for passed_us, set_by_us in steps:
        wall_us, monotonic_us = wall_us + passed_us + set_by_us, monotonic_us + passed_us
        readings.append((wall_us, monotonic_us))
    return readings


@given(steps=_steps, ahead_us=st.integers(-HOUR_US, HOUR_US))
def test_log_time_never_goes_back_nor_behind_wall_or_floor(steps: list[tuple[int, int]], ahead_us: int) -> None:
    """Whatever the wall clock does, log time never decreases and is never behind the wall or the log's last instant."""
    floor_us = START_US + ahead_us
    log = LogTime(wall_us=START_US, monotonic_us=0, floor_us=floor_us)
    before_us = max(START_US, floor_us)
    for wall_us, monotonic_us in _readings(steps):
        now_us = log.at(wall_us, monotonic_us)
        assert now_us >= max(before_us, wall_us)
        before_us = now_us


@given(steps=_steps)
def test_log_time_ahead_of_the_wall_runs_at_half_speed(steps: list[tuple[int, int]]) -> None:
    """While the wall is behind, log time advances by at most half of the real time, so no window bunches."""
    log = LogTime(wall_us=START_US, monotonic_us=0, floor_us=0)
    before_us, before_monotonic_us = START_US, 0
    for wall_us, monotonic_us in _readings(steps):
        now_us = log.at(wall_us, monotonic_us)
        if now_us > wall_us:
            assert now_us - before_us <= (monotonic_us - before_monotonic_us + 1) // 2
        before_us, before_monotonic_us = now_us, monotonic_us


@given(back_us=st.integers(1, 400 * 24 * HOUR_US))
def test_the_wall_catches_up(back_us: int) -> None:
    """After a step back by D the wall is met again after exactly 2 D, and followed from then on."""
    log = LogTime(wall_us=START_US, monotonic_us=0, floor_us=0)
    early_us, met_us = 2 * back_us - 2, 2 * back_us
    assert log.at(START_US - back_us + early_us, early_us) > START_US - back_us + early_us
    assert log.at(START_US - back_us + met_us, met_us) == START_US - back_us + met_us
    assert log.at(START_US - back_us + met_us + 7, met_us + 7) == START_US - back_us + met_us + 7


def test_a_forward_step_is_followed_at_once() -> None:
    """A machine that was suspended finds log time at the wall clock with its first reading."""
    log = LogTime(wall_us=START_US, monotonic_us=0, floor_us=0)
    assert log.at(START_US + 9 * HOUR_US, 5) == START_US + 9 * HOUR_US


def test_many_quick_readings_lose_nothing_to_rounding() -> None:
    """A million readings a microsecond apart, with the wall behind, advance log time by half a second."""
    log = LogTime(wall_us=START_US, monotonic_us=0, floor_us=START_US + HOUR_US)
    for passed_us in range(1, 1_000_001):
        log.at(START_US + passed_us, passed_us)
    assert log.at(START_US + 1_000_000, 1_000_000) == START_US + HOUR_US + 500_000


@given(
    steps=_steps,
    span_us=st.integers(1, 48 * HOUR_US),
    behind_us=st.integers(0, 24 * HOUR_US),
    passed_us=st.integers(0, HOUR_US),
)
def test_the_wait_ends_exactly_when_the_instant_comes(
    steps: list[tuple[int, int]], span_us: int, behind_us: int, passed_us: int
) -> None:
    """Log time reaches an instant after the wait that was foretold, and has not reached it two microseconds earlier."""
    log = LogTime(wall_us=START_US, monotonic_us=0, floor_us=START_US + behind_us)
    readings = [*_readings(steps), (START_US + passed_us, 10 * HOUR_US * 40)]
    wall_us, monotonic_us = readings[-1]
    for reading in readings:
        log.at(*reading)
    until_us = log.at(wall_us, monotonic_us) + span_us
    wait_us = log.wait_us(until_us, wall_us, monotonic_us)
    assert wait_us > 0
    if wait_us > 2:
        assert log.at(wall_us + wait_us - 2, monotonic_us + wait_us - 2) < until_us
    assert log.at(wall_us + wait_us, monotonic_us + wait_us) >= until_us


def test_an_instant_that_has_passed_needs_no_wait() -> None:
    """Waiting for the present or the past takes no time."""
    log = LogTime(wall_us=START_US, monotonic_us=0, floor_us=START_US + HOUR_US)
    assert log.wait_us(START_US + HOUR_US, START_US, 0) == 0
    assert log.wait_us(START_US - HOUR_US, START_US, 0) == 0
    assert log.behind_us(START_US, 0) == HOUR_US
