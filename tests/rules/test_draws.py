"""Chance by key: the same numbers everywhere, one purpose never moving another, and the shapes that were asked for."""

from collections import Counter
from itertools import pairwise
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.chance import KeyedChance
from scenarios.draws import Draws

seeds = st.integers(0, 2**64 - 1)
keys = st.lists(st.integers(0, 2**63 - 1) | st.text(max_size=5), max_size=3).map(tuple)


def test_the_numbers_of_a_seed_never_change() -> None:
    """A seed means the same in every process and on every Python: these numbers are written down."""
    draws = Draws(7)
    assert [draws.draw("jitter", number) for number in range(3)] == [
        0.5598090609640058,
        0.5055189645299577,
        0.9688485350198246,
    ]
    assert draws.draw("jitter") == 0.30494392182424945
    assert draws.draw("späte Zustellung", "ab", "c") == 0.6286076211256314
    assert [draws.integer("pick", number, below=1000) for number in range(8)] == [
        387,
        624,
        629,
        427,
        530,
        613,
        333,
        724,
    ]
    assert draws.integer("pick", "big", below=2**53) == 5770788777743115
    assert "".join(draws.choice("pick", number, among="abcdef") for number in range(8)) == "cddcddce"
    assert [draws.latency_us(120_000, 2_000_000, "latency", number) for number in range(4)] == [
        2_529_471,
        14_736,
        469_965,
        39_571,
    ]


@given(seed=seeds, key=keys)
def test_a_scenario_draws_what_production_draws(seed: int, key: tuple[int | str, ...]) -> None:
    """Under the seed of a log, a scenario draws the very jitter that the daemon drew."""
    assert Draws(seed).draw("retry", *key) == KeyedChance(seed).draw("retry", *key)


@given(seed=seeds, one=keys, other=keys)
def test_every_key_has_a_draw_of_its_own(seed: int, one: tuple[int | str, ...], other: tuple[int | str, ...]) -> None:
    """Two keys draw alike only when they are equal, type and borders of their parts included."""
    draws = Draws(seed)
    assert (draws.draw("retry", *one) == draws.draw("retry", *other)) == (one == other)


def test_borders_types_purposes_and_seeds_all_tell() -> None:
    """What would look alike when written one after the other draws differently."""
    draws = Draws(1)
    alike = [
        draws.draw("a", "bc"),
        draws.draw("ab", "c"),
        draws.draw("abc"),
        draws.draw("a", "b", "c"),
        draws.draw("a", 1),
        draws.draw("a", "1"),
        Draws(2).draw("a", "bc"),
    ]
    assert len(set(alike)) == len(alike)


@given(seed=seeds, key=keys, below=st.integers(1, 2**53))
def test_whole_numbers_stay_in_their_range(seed: int, key: tuple[int | str, ...], below: int) -> None:
    """A whole number is never negative and never reaches its bound."""
    assert 0 <= Draws(seed).integer("pick", *key, below=below) < below


def test_whole_numbers_are_spread_evenly() -> None:
    """Each of ten numbers comes about a tenth of the time: 20,000 draws stay within five standard deviations."""
    counts = Counter(Draws(3).integer("die", number, below=10) for number in range(20_000))
    assert len(counts) == 10
    assert all(abs(count - 2_000) < 5 * (20_000 * 0.1 * 0.9) ** 0.5 for count in counts.values())


def test_neighbouring_keys_are_independent() -> None:
    """Message 17 says nothing of message 18: pairs of neighbours show no correlation."""
    drawn = [Draws(5).draw("retry", number) - 0.5 for number in range(20_000)]
    # A variance of 1/12 each gives the mean product a standard deviation of 1/12 / sqrt(20,000).
    assert abs(mean(one * other for one, other in pairwise(drawn))) < 5 / 12 / 20_000**0.5


def test_latencies_have_the_asked_median_and_tail() -> None:
    """Half of the latencies lie below the median and one in a hundred above the 99th percentile."""
    draws, drawn = Draws(11), 20_000
    latencies = [draws.latency_us(120_000, 2_000_000, "latency", number) for number in range(drawn)]
    assert abs(sum(latency <= 120_000 for latency in latencies) - drawn / 2) < 5 * (drawn / 4) ** 0.5
    assert abs(sum(latency > 2_000_000 for latency in latencies) - drawn / 100) < 5 * (drawn * 0.01 * 0.99) ** 0.5


def test_a_latency_without_spread_is_constant() -> None:
    """Where median and 99th percentile are the same, so is every latency."""
    assert {Draws(1).latency_us(5_000, 5_000, "latency", number) for number in range(100)} == {5_000}


@pytest.mark.parametrize(("median_us", "p99_us"), [(0, 10), (-1, 10), (20, 10)])
def test_an_impossible_latency_is_refused(median_us: int, p99_us: int) -> None:
    """A median of nothing, or one above the 99th percentile, is an error that says both."""
    with pytest.raises(ValueError, match=f"not {median_us} us and {p99_us} us"):
        Draws(1).latency_us(median_us, p99_us, "latency")


@pytest.mark.parametrize("below", [0, -3, 2**53 + 1])
def test_an_impossible_range_is_refused(below: int) -> None:
    """There is no whole number below nothing, and none is promised beyond what a draw can tell apart."""
    with pytest.raises(ValueError, match=f"below {below}"):
        Draws(1).integer("pick", below=below)
