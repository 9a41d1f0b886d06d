"""Answers for single values: what each text means, and that nothing else is taken."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.config import units
from adapters.config.units import Listen, Unfit
from core.policies import DAY_US, HOUR_US, MINUTE_US, SECOND_US, Quota

SPAN = units.span()
POSITIVE = units.span(least_us=1_000)


@pytest.mark.parametrize(
    ("reading", "text", "value"),
    [
        (SPAN, "15s", 15 * SECOND_US),
        (SPAN, "5m", 5 * MINUTE_US),
        (SPAN, "2h", 2 * HOUR_US),
        (SPAN, "1d", DAY_US),
        (SPAN, "500ms", 500_000),
        (SPAN, "1.5s", 1_500_000),
        (SPAN, "0s", 0),
        (units.rate, "30/min", Quota(count=30, window_us=MINUTE_US)),
        (units.rate, "10/s", Quota(count=10, window_us=SECOND_US)),
        (units.rate, "5/h", Quota(count=5, window_us=HOUR_US)),
        (units.rate, "1000/d", Quota(count=1_000, window_us=DAY_US)),
        (units.size, "1MiB", 1_048_576),
        (units.size, "64KiB", 65_536),
        (units.minute_of_day, "21:00", 1_260),
        (units.minute_of_day, "00:00", 0),
        (units.zone, "Asia/Jerusalem", "Asia/Jerusalem"),
        (units.listen, "127.0.0.1:8420", Listen(host="127.0.0.1", port=8420)),
        (units.listen, "[::1]:0", Listen(host="::1", port=0)),
        (units.listen, "localhost:80", Listen(host="localhost", port=80)),
        (units.web_address, "https://tidings.example.com/", "https://tidings.example.com"),
        (units.fraction(0, 1), 1, 1.0),
        (units.whole(1, 5), 5, 5),
        (units.switch, False, False),
        (units.choice("a", "b"), "b", "b"),
    ],
)
def test_a_value_is_read_with_its_unit(reading: Callable[[object], object], text: object, value: object) -> None:
    """Each form that the documents promise has exactly this meaning."""
    assert reading(text) == value


@pytest.mark.parametrize(
    ("reading", "wrong"),
    [
        (SPAN, ["", "5", "5 m", "m", "-5s", "5M", "5min", "1h30m", "٣s", "4000d", "1e3s", 5, None, True, ["5m"]]),
        (POSITIVE, ["0s", "0.5ms"]),
        (units.rate, ["", "30", "30/m", "0/min", "-1/s", "30 / min", "1.5/s", "30/week", "none", 30, None]),
        (units.size, ["", "0MiB", "1MB", "1", "-1KiB", 1_048_576, None]),
        (units.minute_of_day, ["24:00", "7:00", "07:60", "0700", "", 7, None]),
        (
            units.zone,
            ["", "Mars/Olympus", "../etc/passwd", "Europe", "/etc/localtime", "localtime", "Factory", 3, None],
        ),
        (
            units.listen,
            ["", "8420", "127.0.0.1", "host:port", "host:65536", "::1:80", "http://x:80", "a b:1", 80, None],
        ),
        (
            units.web_address,
            ["", "example.com", "ftp://x", "https://", "https://u:p@x", "https://x?y", "https://x:0", 1],
        ),
        (units.fraction(0, 1), [-0.1, 1.1, "0.5", True, None, float("nan")]),
        (units.whole(1, 5), [0, 6, 1.0, "1", True, None]),
        (units.switch, [0, 1, "true", "yes", None]),
        (units.choice("a", "b"), ["c", "", None, 1]),
        (units.text, ["", "two\nlines", 5, None]),
    ],
)
def test_anything_else_is_unfit(reading: Callable[[object], object], wrong: list[object]) -> None:
    """What is not of the promised form is refused with what was expected, and never guessed at."""
    for raw in wrong:
        with pytest.raises(Unfit) as unfit:
            reading(raw)
        assert str(unfit.value)


def _read_or_unfit(reading: Callable[[object], object], raw: object) -> object:
    try:
        return reading(raw)
    except Unfit as unfit:
        return unfit


@given(raw=st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.text())))
def test_no_value_breaks_a_reading(raw: object) -> None:
    """Whatever stands in a file, a reading answers with a value or with Unfit."""
    readings = [SPAN, units.rate, units.size, units.minute_of_day, units.zone, units.listen, units.web_address]
    for reading in [*readings, units.fraction(0, 1), units.whole(0), units.switch, units.choice("a"), units.text]:
        assert _read_or_unfit(reading, raw) is not None


@given(span_us=st.integers(0, 3_650 * DAY_US // 1_000).map(lambda span_ms: span_ms * 1_000))
def test_a_span_that_is_shown_reads_back(span_us: int) -> None:
    """A duration shown to people means the same when it is written into a file."""
    assert SPAN(units.shown_span(span_us)) == span_us
