"""Answers for schedules: each preset exactly as its team ran it, jitter within its share, growth within its ceiling."""

import math
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.policies import (
    DAY_US,
    HOUR_US,
    MINUTE_US,
    PRESETS,
    SECOND_US,
    Exponential,
    Limits,
    Quota,
    Retry,
    Schedule,
    delay_us,
    longest_us,
)

_M, _H = 60, 3_600

# What the systems that Tidings replaces did, in seconds.
PRESET_WAITS_S: Final = {
    "whatsapp": [_M, 2 * _M, 4 * _M],
    "email": [1, 5, 30, 5 * _M, 30 * _M],
    "webhook": [5, 5 * _M, 30 * _M, 2 * _H, 5 * _H, 10 * _H, 14 * _H, 20 * _H, 24 * _H],
    "hook": [_M, 5 * _M, 30 * _M, 2 * _H, 24 * _H],
    "hook-slow": [5 * _M, 15 * _M, _H, 4 * _H, 12 * _H],
    "push": [1, 5, 30, 5 * _M, 30 * _M],
}
_chances: Final = st.floats(0, 1, exclude_max=True)
_retries: Final = st.one_of(
    st.builds(
        Schedule,
        after_us=st.lists(st.integers(0, 30 * DAY_US), max_size=12).map(tuple),
        jitter=st.floats(0, 1),
    ),
    st.builds(
        Exponential,
        first_us=st.integers(1, DAY_US),
        factor=st.floats(1, 1e6),
        times=st.integers(0, 10_000),
        ceiling_us=st.integers(1, 30 * DAY_US),
        jitter=st.floats(0, 1),
    ),
)


def _waits_us(retry: Retry, *, chance: float = 0.5) -> list[int]:
    waits: list[int] = []
    while (wait_us := delay_us(retry, len(waits) + 1, chance)) is not None:
        waits.append(wait_us)
    return waits


def _waits_s(retry: Retry) -> list[float]:
    return [wait_us / SECOND_US for wait_us in _waits_us(retry)]


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_retries_exactly_as_promised(name: str) -> None:
    """In the middle of the jitter the waits are the table's, and after the last one there is none."""
    assert _waits_s(PRESETS[name].retry) == PRESET_WAITS_S[name]


def test_each_preset_keeps_the_promised_limits() -> None:
    """30 a minute a tenant and two seconds between two; 100 a minute a lane and 10 a recipient; 10 a webhook host."""
    minute = {"window_us": MINUTE_US}
    assert PRESETS["whatsapp"].limits == Limits(tenant=Quota(count=30, **minute), gap_us=2 * SECOND_US)
    assert PRESETS["email"].limits == Limits(lane=Quota(count=100, **minute), recipient=Quota(count=10, **minute))
    assert PRESETS["webhook"].limits == PRESETS["push"].limits == Limits()
    assert Limits().host_concurrency == 10


def test_each_preset_opens_its_circuit_after_five_failures_for_a_minute() -> None:
    """Five in a row, sixty seconds, up to an hour; a breaker at half of the last hundred within a minute."""
    for policy in PRESETS.values():
        circuit, breaker = policy.circuit, policy.breaker
        assert (circuit.failures, circuit.cooldown_us, circuit.ceiling_us) == (5, MINUTE_US, HOUR_US)
        assert (breaker.share, breaker.of, breaker.within_us) == (0.5, 100, MINUTE_US)


def test_each_preset_settles_doubt_and_order_as_promised() -> None:
    """WhatsApp holds what may have arrived, everybody else sends again; pushes go in any order, the rest in line."""
    assert {name: policy.on_ambiguous for name, policy in PRESETS.items() if policy.on_ambiguous != "resend"} == {
        "whatsapp": "hold"
    }
    assert {name for name, policy in PRESETS.items() if policy.order == "any"} == {"push"}
    assert {policy.give_up_after_us for policy in PRESETS.values()} == {7 * DAY_US}
    assert all(policy.name == name for name, policy in PRESETS.items())
    stepping_aside = {
        name: policy.poison.skip_after_us for name, policy in PRESETS.items() if policy.poison.kind != "block"
    }
    assert stepping_aside == {"hook": HOUR_US, "hook-slow": HOUR_US}


def test_an_exponential_schedule_grows_up_to_its_ceiling() -> None:
    """1 m, 2 m, 4 m, 8 m, then no longer than ten minutes, eight times in all."""
    retry = Exponential(first_us=MINUTE_US, factor=2.0, times=8, ceiling_us=10 * MINUTE_US)
    assert _waits_s(retry) == [60, 120, 240, 480, 600, 600, 600, 600]


@pytest.mark.parametrize("factor", [2.0, 10.0, 1e300])
def test_an_exponential_schedule_outgrows_no_number(factor: float) -> None:
    """However steep and long it is, a wait is the ceiling and never an overflow."""
    retry = Exponential(first_us=SECOND_US, factor=factor, times=1_000_000, ceiling_us=HOUR_US, jitter=0.0)
    assert delay_us(retry, 1, 0.5) == SECOND_US
    for used in (499, 500, 501, 1_000_000):
        assert delay_us(retry, used, 0.5) == HOUR_US
    assert delay_us(retry, 1_000_001, 0.5) is None


@given(retry=_retries, used=st.integers(1, 10_000), chance=_chances)
def test_jitter_stays_within_its_share(retry: Retry, used: int, chance: float) -> None:
    """A wait lies within plus and minus the jitter's share of its middle, and is never negative."""
    middle_us, wait_us = delay_us(retry, used, 0.5), delay_us(retry, used, chance)
    if middle_us is None:
        assert wait_us is None
        return
    assert wait_us is not None
    spread_us = middle_us * retry.jitter + 1
    assert max(0, middle_us - spread_us) <= wait_us <= middle_us + spread_us


@given(retry=_retries, used=st.integers(1, 100), low=_chances, high=_chances)
def test_a_larger_chance_waits_longer(retry: Retry, used: int, low: float, high: float) -> None:
    """The spread is even and monotonous, so that equal draws give equal waits and different ones spread a herd."""
    first_us, second_us = delay_us(retry, used, min(low, high)), delay_us(retry, used, max(low, high))
    if first_us is not None:
        assert second_us is not None
        assert first_us <= second_us


def test_jitter_spreads_a_herd_evenly() -> None:
    """Of a thousand evenly drawn chances each tenth of the spread gets its tenth."""
    retry = Schedule(after_us=(1_000_000,), jitter=0.5)
    waits = [delay_us(retry, 1, n / 1_000) or 0 for n in range(1_000)]
    tenths = [math.floor((wait - 500_000) / 100_000) for wait in waits]
    assert [tenths.count(tenth) for tenth in range(10)] == [100] * 10


@given(retry=_retries.filter(lambda retry: not isinstance(retry, Exponential) or retry.times < 50), chance=_chances)
def test_no_wait_is_longer_than_the_longest(retry: Retry, chance: float) -> None:
    """What laws and people are told as the longest wait bounds every one of them."""
    assert all(wait_us <= longest_us(retry) for wait_us in _waits_us(retry, chance=chance))


def test_a_wait_follows_a_used_attempt() -> None:
    """There is no wait before the first attempt: asking for it is a bug."""
    with pytest.raises(AssertionError, match="at least 1"):
        delay_us(Schedule(after_us=(1,)), 0, 0.5)
