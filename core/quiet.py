"""Quiet hours: when a recipient's night ends.

Pure calendar arithmetic; the time zone comes in as a loaded value.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from core.policies import MINUTE_US, QuietHours

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MINUTES: Final = 24 * 60


def allowed_at(quiet: QuietHours, zone: tzinfo, now_us: int) -> int:
    """The earliest instant from `now_us` on that lies outside the quiet hours: `now_us` itself in the daytime.

    Where the clock is set forward over the end of the quiet hours, they end there; where it is set back, an hour that
    is lived twice is quiet twice.
    """
    while True:
        local = _local(zone, now_us)
        minute = local.hour * 60 + local.minute
        if not _is_quiet(quiet, minute):
            return now_us
        left_us = (quiet.to_minute - minute) % _DAY_MINUTES * MINUTE_US
        end_us = now_us - now_us % MINUTE_US + left_us
        if _local(zone, end_us).utcoffset() == local.utcoffset():
            return end_us
        # The clock is set on the way there: what it shows right after that decides anew.
        now_us = _change_between(zone, now_us, end_us)


def _local(zone: tzinfo, instant_us: int) -> datetime:
    return (_EPOCH + timedelta(microseconds=instant_us)).astimezone(zone)


def _change_between(zone: tzinfo, early_us: int, late_us: int) -> int:
    """The first instant of the second one's offset to UTC."""
    late_offset = _local(zone, late_us).utcoffset()
    while late_us - early_us > 1:
        middle_us = (early_us + late_us) // 2
        if _local(zone, middle_us).utcoffset() == late_offset:
            late_us = middle_us
        else:
            early_us = middle_us
    return late_us


def _is_quiet(quiet: QuietHours, minute: int) -> bool:
    if quiet.from_minute <= quiet.to_minute:
        return quiet.from_minute <= minute < quiet.to_minute
    return minute >= quiet.from_minute or minute < quiet.to_minute
