"""Answers for the end of a recipient's night, also where a local clock skips an hour or lives it twice."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.policies import DAY_US, HOUR_US, MINUTE_US, QuietHours
from core.quiet import allowed_at

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Each of them sets its clocks in its own way: by an hour at 02:00 UTC-ish, on a Friday, and by half an hour.
ZONES: Final = ("Europe/Berlin", "Asia/Jerusalem", "Australia/Lord_Howe", "America/New_York", "Asia/Kathmandu", "UTC")


def _us(text: str) -> int:
    """An instant in microseconds from RFC 3339 text with an offset."""
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)


def _quiet(begins: str, ends: str, zone: str = "UTC") -> QuietHours:
    from_minute, to_minute = (int(text[:2]) * 60 + int(text[3:]) for text in (begins, ends))
    return QuietHours(from_minute=from_minute, to_minute=to_minute, zone=zone)


def _allowed(quiet: QuietHours, at: str) -> str:
    """When a message may go out at an instant, as text in the zone's own time."""
    zone = ZoneInfo(quiet.zone)
    allowed_us = allowed_at(quiet, zone, _us(at))
    return (_EPOCH + timedelta(microseconds=allowed_us)).astimezone(zone).isoformat()


@pytest.mark.parametrize(
    ("at", "allowed"),
    [
        ("2026-01-30T20:59:59+00:00", "2026-01-30T20:59:59+00:00"),
        ("2026-01-30T21:00:00+00:00", "2026-01-31T08:00:00+00:00"),
        ("2026-01-30T23:59:59+00:00", "2026-01-31T08:00:00+00:00"),
        ("2026-01-31T00:00:00+00:00", "2026-01-31T08:00:00+00:00"),
        ("2026-01-31T07:59:59+00:00", "2026-01-31T08:00:00+00:00"),
        ("2026-01-31T08:00:00+00:00", "2026-01-31T08:00:00+00:00"),
    ],
)
def test_a_night_over_midnight(at: str, allowed: str) -> None:
    """From 21:00 to 08:00 nothing goes out; the first minute of each is the border."""
    assert _allowed(_quiet("21:00", "08:00"), at) == allowed


def test_a_rest_within_the_day() -> None:
    """Hours that do not wrap midnight end on the same day."""
    quiet = _quiet("13:00", "15:30")
    assert _allowed(quiet, "2026-01-30T13:00:00+00:00") == "2026-01-30T15:30:00+00:00"
    assert _allowed(quiet, "2026-01-30T12:59:59+00:00") == "2026-01-30T12:59:59+00:00"


def test_hours_that_end_where_they_begin_are_none() -> None:
    """From 8 to 8 is no time at all, not all day: every message would wait for ever."""
    assert allowed_at(_quiet("08:00", "08:00"), UTC, _us("2026-01-30T08:00:00+00:00")) == _us(
        "2026-01-30T08:00:00+00:00"
    )


@pytest.mark.parametrize(
    ("zone", "at", "allowed"),
    [
        # The night of the change to summer time is an hour (or half of one) shorter ...
        ("Europe/Berlin", "2026-03-28T22:00:00+01:00", "2026-03-29T08:00:00+02:00"),
        ("Asia/Jerusalem", "2026-03-26T22:00:00+02:00", "2026-03-27T08:00:00+03:00"),
        ("Australia/Lord_Howe", "2026-10-03T22:00:00+10:30", "2026-10-04T08:00:00+11:00"),
        # ... and that of the change back is longer, but the morning begins at eight in both.
        ("Europe/Berlin", "2026-10-24T22:00:00+02:00", "2026-10-25T08:00:00+01:00"),
        ("Asia/Jerusalem", "2026-10-24T22:00:00+03:00", "2026-10-25T08:00:00+02:00"),
        ("Australia/Lord_Howe", "2026-04-04T22:00:00+11:00", "2026-04-05T08:00:00+10:30"),
    ],
)
def test_the_morning_is_the_recipients_own(zone: str, at: str, allowed: str) -> None:
    """Eight o'clock is eight by the recipient's clock, also in the nights in which that is set."""
    assert _allowed(_quiet("21:00", "08:00", zone), at) == allowed


@pytest.mark.parametrize(
    ("zone", "ends", "at", "allowed"),
    [
        ("Europe/Berlin", "02:30", "2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"),
        ("Asia/Jerusalem", "02:15", "2026-03-26T23:00:00+02:00", "2026-03-27T03:00:00+03:00"),
        ("Australia/Lord_Howe", "02:10", "2026-10-04T01:00:00+10:30", "2026-10-04T02:30:00+11:00"),
        ("Europe/Berlin", "03:00", "2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"),
        ("Europe/Berlin", "02:00", "2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"),
    ],
)
def test_an_end_that_the_clock_skips_comes_with_the_skip(zone: str, ends: str, at: str, allowed: str) -> None:
    """Where summer time jumps over the end of the quiet hours, they end when it jumps."""
    assert _allowed(_quiet("22:00", ends, zone), at) == allowed


@pytest.mark.parametrize(
    ("at", "allowed"),
    [
        ("2026-10-25T01:00:00+02:00", "2026-10-25T02:30:00+02:00"),
        ("2026-10-25T02:29:59+02:00", "2026-10-25T02:30:00+02:00"),
        ("2026-10-25T02:59:59+02:00", "2026-10-25T02:59:59+02:00"),
        ("2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+01:00"),
        ("2026-10-25T02:29:59+01:00", "2026-10-25T02:30:00+01:00"),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T02:30:00+01:00"),
    ],
)
def test_an_hour_lived_twice_is_quiet_twice(at: str, allowed: str) -> None:
    """Where the clock goes back over the end of the quiet hours, each of the two hours has its own end."""
    assert _allowed(_quiet("22:00", "02:30", "Europe/Berlin"), at) == allowed


_minutes: Final = st.integers(0, 24 * 60 - 1)
# Around both changes of 2026, in every zone above.
_instants: Final = st.one_of(
    st.integers(_us("2026-03-01T00:00:00+00:00"), _us("2026-04-10T00:00:00+00:00")),
    st.integers(_us("2026-09-28T00:00:00+00:00"), _us("2026-11-05T00:00:00+00:00")),
)


@given(begins=_minutes, ends=_minutes, zone=st.sampled_from(ZONES), now_us=_instants)
def test_the_answer_is_the_first_minute_that_is_not_quiet(begins: int, ends: int, zone: str, now_us: int) -> None:
    """Going on minute by minute from any instant in any zone finds the same end of the night."""
    quiet, place = QuietHours(from_minute=begins, to_minute=ends, zone=zone), ZoneInfo(zone)

    def is_quiet(at_us: int) -> bool:
        local = (_EPOCH + timedelta(microseconds=at_us)).astimezone(place)
        minute = local.hour * 60 + local.minute
        return begins <= minute < ends if begins <= ends else not ends <= minute < begins

    expected_us = now_us
    while is_quiet(expected_us):
        expected_us = (expected_us // MINUTE_US + 1) * MINUTE_US
    assert allowed_at(quiet, place, now_us) == expected_us
    assert expected_us - now_us <= DAY_US + HOUR_US
