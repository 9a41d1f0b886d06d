"""Answers for when a reminder is due: in people's own time, also where a clock is set or a month is short."""

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid
from core.plan_times import KNOWN, Span, instant_of, moment_of, shifted, span_of, timing_of
from core.policies import HOUR_US, MINUTE_US, SECOND_US
from tests.rules.plan_samples import local, us

# Clocks set at different times of the night, by an hour and by half an hour, and one that is never set.
ZONES: Final = ("Europe/Berlin", "Asia/Jerusalem", "Australia/Lord_Howe", "America/New_York", "Asia/Kathmandu", "UTC")
STARTS: Final = "2026-06-10T18:30:00+03:00"


def due(kind: str, starts: str, ends: str | None = None, *, at: str | None = None, zone: str = "Asia/Jerusalem") -> str:
    """When a reminder of a known kind is due, as a clock in the zone shows it."""
    timing = timing_of(kind, at=at, offset=None, relative_to=None, place="")
    assert timing.span is not None
    anchor = ends if timing.anchor == "end" else starts
    assert anchor is not None
    return local(shifted(us(anchor), timing.span, ZoneInfo(zone), timing.at_minute), zone)


@pytest.mark.parametrize(
    ("kind", "at", "expected"),
    [
        ("week_before", None, "2026-06-03T18:30:00+03:00"),
        ("week_before", "08:15", "2026-06-03T08:15:00+03:00"),
        ("day_before", None, "2026-06-09T09:00:00+03:00"),
        ("day_before", "20:00", "2026-06-09T20:00:00+03:00"),
        ("hour_before", None, "2026-06-10T17:30:00+03:00"),
        ("event_start", None, "2026-06-10T18:30:00+03:00"),
        ("event_start", "07:00", "2026-06-10T07:00:00+03:00"),
        ("event_end", None, "2026-06-10T20:00:00+03:00"),
        ("follow_up_3mo", None, "2026-09-10T20:00:00+03:00"),
        ("follow_up_3mo", "10:00", "2026-09-10T10:00:00+03:00"),
    ],
)
def test_each_known_kind_has_its_moment(kind: str, at: str | None, expected: str) -> None:
    """A kind says how far from the event it lies; a time of day of its own takes the place of the event's."""
    assert due(kind, STARTS, "2026-06-10T20:00:00+03:00", at=at) == expected


def test_activation_has_no_moment() -> None:
    """It is due at once, so no time of day can be given for it."""
    assert KNOWN["activation"].span is None
    with pytest.raises(Invalid, match="/at: expected none"):
        timing_of("activation", at="09:00", offset=None, relative_to=None, place="")


def test_days_are_those_of_the_persons_own_calendar() -> None:
    """An event late in the evening in Jerusalem is on the same day in New York, and the day before is counted there."""
    starts = "2026-06-10T23:30:00+03:00"
    assert due("day_before", starts) == "2026-06-09T09:00:00+03:00"
    assert due("day_before", starts, zone="America/New_York") == "2026-06-09T09:00:00-04:00"
    assert due("day_before", starts, zone="Pacific/Auckland") == "2026-06-10T09:00:00+12:00"


@pytest.mark.parametrize(
    ("starts", "expected"),
    [
        # The clock goes from 02:00 to 03:00 on 29 March 2026, and from 03:00 to 02:00 on 25 October.
        ("2026-04-01T09:00:00+02:00", "2026-03-25T09:00:00+01:00"),
        ("2026-04-05T02:30:00+02:00", "2026-03-29T03:30:00+02:00"),
        ("2026-11-01T02:30:00+01:00", "2026-10-25T02:30:00+02:00"),
        ("2026-10-28T09:00:00+01:00", "2026-10-21T09:00:00+02:00"),
    ],
)
def test_a_week_keeps_the_time_of_day_where_the_clock_is_set(starts: str, expected: str) -> None:
    """Seven days before is the same local time; one that the clock skips is later, one lived twice is the first."""
    assert due("week_before", starts, zone="Europe/Berlin") == expected


def test_an_hour_is_an_hour_where_the_clock_is_set() -> None:
    """An hour before 03:30 on the morning on which 02:00 to 03:00 is skipped, the clock shows 01:30."""
    assert due("hour_before", "2026-03-29T03:30:00+02:00", zone="Europe/Berlin") == "2026-03-29T01:30:00+01:00"
    # The second 02:30 of the night on which that hour is lived twice: an hour before it is the first.
    assert due("hour_before", "2026-10-25T02:30:00+01:00", zone="Europe/Berlin") == "2026-10-25T02:30:00+02:00"


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ("2026-11-30T20:00:00+02:00", "2027-02-28T20:00:00+02:00"),
        ("2027-11-30T20:00:00+02:00", "2028-02-29T20:00:00+02:00"),
        ("2026-08-31T20:00:00+03:00", "2026-11-30T20:00:00+02:00"),
        ("2026-12-31T20:00:00+02:00", "2027-03-31T20:00:00+03:00"),
    ],
)
def test_months_end_where_the_month_does(ends: str, expected: str) -> None:
    """Three months after the 31st is the last day of a month that is shorter, and the local time stays."""
    assert due("follow_up_3mo", ends, ends) == expected


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("-P7D", Span(days=-7)),
        ("P2W", Span(days=14)),
        ("P1Y2M3D", Span(months=14, days=3)),
        ("+PT36H", Span(elapsed_us=36 * HOUR_US)),
        ("-P1DT2H30M", Span(days=-1, elapsed_us=-150 * MINUTE_US)),
        ("PT90S", Span(elapsed_us=90 * SECOND_US)),
        ("PT0S", Span()),
        ("-P10Y", Span(months=-120)),
    ],
)
def test_spans_are_iso_8601_durations(text: str, span: Span | None) -> None:
    """Weeks are seven days and years twelve months; the sign counts for all of it."""
    assert span_of(text) == span


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "PT",
        "-",
        "7D",
        "P7",
        "P-7D",
        "P1.5D",
        "p7d",
        "P7D ",
        "P7D\n",
        "P1D2M",
        "PT1D",
        "P\u0661D",
        "P9999D",
        "P10Y1D",
    ],
)
def test_what_is_no_span_is_none(text: str) -> None:
    """No number, a fraction, another order or another alphabet is no duration, and neither is one beyond ten years."""
    assert span_of(text) is None


@pytest.mark.parametrize(
    ("kind", "given", "at"),
    [
        ("week_before", {"offset": "-P8D"}, "/offset"),
        ("week_before", {"relative_to": "end"}, "/relative_to"),
        ("nudge", {}, "/offset"),
        ("nudge", {"offset": "tomorrow"}, "/offset"),
        ("nudge", {"offset": "-PT2H", "at": "09:00"}, "/at"),
        ("hour_before", {"at": "09:00"}, "/at"),
        ("day_before", {"at": "9:00"}, "/at"),
        ("day_before", {"at": "24:00"}, "/at"),
        ("day_before", {"at": "09:60"}, "/at"),
    ],
)
def test_a_time_that_cannot_be_meant_is_refused(kind: str, given: dict[str, str], at: str) -> None:
    """A known kind means what it says, another one needs an offset, and a time of day goes with whole days alone."""
    anchor = given.get("relative_to")
    with pytest.raises(Invalid) as refused:
        timing_of(
            kind,
            at=given.get("at"),
            offset=given.get("offset"),
            relative_to="end" if anchor else None,
            place="/reminders/3",
        )
    assert refused.value.at == f"/reminders/3{at}"


@given(
    zone=st.sampled_from(ZONES),
    starts=st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001 - it is taken as one of the zone
    days=st.integers(-400, 400),
    minute=st.integers(0, 1439),
)
def test_days_before_show_the_time_that_was_asked_for(zone: str, starts: datetime, days: int, minute: int) -> None:
    """On that day the clock shows just that time, unless it skips it: then it shows one that lies as much later."""
    anchor_us = instant_of(starts.replace(tzinfo=ZoneInfo(zone)))
    day = moment_of(anchor_us).astimezone(ZoneInfo(zone)).date() + timedelta(days=days)
    shown = moment_of(shifted(anchor_us, Span(days=days), ZoneInfo(zone), minute)).astimezone(ZoneInfo(zone))
    meant = datetime(day.year, day.month, day.day, minute // 60, minute % 60)  # noqa: DTZ001 - likewise
    late = shown.replace(tzinfo=None) - meant
    assert timedelta() <= late <= timedelta(hours=1)
    if late:
        before = moment_of(instant_of(shown) - round(late / timedelta(microseconds=1)) - 1).astimezone(ZoneInfo(zone))
        assert before.utcoffset() != shown.utcoffset() or before.replace(tzinfo=None) < meant


@given(
    zone=st.sampled_from(ZONES), at_us=st.integers(0, 4_000_000_000_000_000), elapsed_us=st.integers(-(10**14), 10**14)
)
def test_what_only_elapses_heeds_no_calendar(zone: str, at_us: int, elapsed_us: int) -> None:
    """Hours pass alike everywhere, whatever clocks do meanwhile."""
    assert shifted(at_us, Span(elapsed_us=elapsed_us), ZoneInfo(zone)) == at_us + elapsed_us
