"""Answers for instants as text: exact to the microsecond, and never in the way of what stands beside them."""

import pytest

from adapters.moments import instant_us, moment

_LAST = "9999-12-31T23:59:59.999999+00:00"


@pytest.mark.parametrize("text", ["1970-01-01T00:00:00+00:00", "2026-01-30T08:00:00.000001+00:00", _LAST])
def test_an_instant_comes_back_to_the_microsecond(text: str) -> None:
    """What an instant is written as is read as the same instant."""
    found = instant_us(text)
    assert found is not None
    assert moment(found).isoformat() == text


def test_an_instant_beyond_all_calendars_is_their_last() -> None:
    """A log that holds one, such as a provider's nonsense, is shown all the same."""
    beyond = instant_us("9999-12-31T23:59:59-12:00")
    assert beyond is not None
    assert moment(beyond).isoformat() == _LAST
