"""When a reminder is due: calendar arithmetic in a person's own time zone.

This file answers for offsets written as ISO 8601 durations, for the kinds of reminder that have a time of their own,
and for what becomes of a local time where the clock is set. It must never load a time zone: those are passed in.
"""

import re
from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, Literal

import msgspec

from core.errors import Invalid
from core.policies import DAY_US, HOUR_US, MINUTE_US, SECOND_US

Anchor = Literal["start", "end"]

# Ten years of long months: more than any reminder is away, and little enough that no date leaves the calendar.
SPAN_DAYS_MAX: Final = 10 * 12 * 31


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A length of time. Months and days are those of a calendar, on which an hour may be missing or lived twice;
    `elapsed_us` passes on any clock alike.
    """

    months: int = 0
    days: int = 0
    elapsed_us: int = 0


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """When one kind of reminder is due. `span` None: at once; `at_minute` is a local time, in minutes of the day."""

    span: Span | None
    anchor: Anchor = "start"
    at_minute: int | None = None


ACTIVATION: Final = "activation"
KNOWN: Final[dict[str, Timing]] = {
    ACTIVATION: Timing(span=None),
    "week_before": Timing(span=Span(days=-7)),
    "day_before": Timing(span=Span(days=-1), at_minute=9 * 60),
    "hour_before": Timing(span=Span(elapsed_us=-HOUR_US)),
    "event_start": Timing(span=Span()),
    "event_end": Timing(span=Span(), anchor="end"),
    "follow_up_3mo": Timing(span=Span(months=3), anchor="end"),
}
"""The kinds that need no offset. Those without a time of day keep that of the event."""


def timing_of(kind: str, *, at: str | None, offset: str | None, relative_to: Anchor | None, place: str) -> Timing:
    """When a reminder of this kind is due; raises Invalid, `place` being where the reminder stands."""
    known = KNOWN.get(kind)
    if known is not None:
        for name, given in (("offset", offset), ("relative_to", relative_to)):
            if given is not None:
                raise Invalid(f"{place}/{name}", f"expected none: {kind} has its own, another one needs another name")
        timing = known
    elif offset is None:
        raise Invalid(f"{place}/offset", f"is required, such as -P7D; only {', '.join(KNOWN)} have one of their own")
    else:
        span = span_of(offset)
        if span is None:
            raise Invalid(f"{place}/offset", "expected an ISO 8601 duration of ten years at most, such as -P7D or PT2H")
        timing = Timing(span=span, anchor=relative_to or "start")
    if at is None:
        return timing
    if timing.span is None or timing.span.elapsed_us:
        raise Invalid(f"{place}/at", "expected none: only a reminder that is whole days away has a time of its own")
    return msgspec.structs.replace(timing, at_minute=_minute_of(at, f"{place}/at"))


def span_of(text: str) -> Span | None:
    """The span behind an ISO 8601 duration, which may have a sign; None where it is none, or too long."""
    found = _SPAN.fullmatch(text)
    if found is None:
        return None
    years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups()[1:])
    sign = -1 if found[1] == "-" else 1
    span = Span(
        months=sign * (12 * years + months),
        days=sign * (7 * weeks + days),
        elapsed_us=sign * (hours * HOUR_US + minutes * MINUTE_US + seconds * SECOND_US),
    )
    length_days = 31 * abs(span.months) + abs(span.days) + abs(span.elapsed_us) // DAY_US
    return span if length_days <= SPAN_DAYS_MAX else None


def shifted(anchor_us: int, span: Span, zone: tzinfo, at_minute: int | None = None) -> int:
    """The instant that lies a span from an anchor, for somebody whose clock shows the time of `zone`.

    Months come first, and end on the last day of a month that has no such day; then days, then the local time; what
    only has to elapse comes last. A local time that the clock skips counts by the offset before that, so 02:30 becomes
    03:30; one that is lived twice means the first (RFC 5545, section 3.3.5).
    """
    if not span.months and not span.days and at_minute is None:
        return anchor_us + span.elapsed_us
    local = moment_of(anchor_us).astimezone(zone)
    day = _months_on(local.date(), span.months) + timedelta(days=span.days)
    clock = local.time() if at_minute is None else time(at_minute // 60, at_minute % 60)
    reached = datetime.combine(day, clock.replace(fold=0), tzinfo=zone)
    return instant_of(reached) + span.elapsed_us


def instant_of(moment: datetime) -> int:
    """A moment in microseconds since 1970, to the last digit."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(instant_us: int) -> datetime:
    """An instant as a moment in UTC."""
    return _EPOCH + timedelta(microseconds=instant_us)


_SPAN: Final = re.compile(
    r"([+-]?)P(?=[0-9T])(?:([0-9]{1,4})Y)?(?:([0-9]{1,4})M)?(?:([0-9]{1,4})W)?(?:([0-9]{1,4})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,6})H)?(?:([0-9]{1,8})M)?(?:([0-9]{1,9})S)?)?"
)
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def _minute_of(text: str, place: str) -> int:
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise Invalid(place, "expected a local time such as 09:00")
    return int(found[1]) * 60 + int(found[2])


def _months_on(day: date, months: int) -> date:
    number = day.year * 12 + day.month - 1 + months
    year, month = number // 12, number % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))
