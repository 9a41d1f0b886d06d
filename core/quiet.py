"""Quiet hours: when a recipient's night ends.

Pure calendar arithmetic; the time zone comes in as a loaded value.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from core.policies import QuietHours

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def allowed_at(quiet: QuietHours, zone: tzinfo, now_us: int) -> int:
    """The earliest instant from `now_us` on that lies outside the quiet hours: `now_us` itself in the daytime.

    Where the local clock skips the end of the quiet hours (summer time begins), they end with the skip.
    """
    local = (_EPOCH + timedelta(microseconds=now_us)).astimezone(zone)
    minute = local.hour * 60 + local.minute
    if not _is_quiet(quiet, minute):
        return now_us
    end = local.replace(hour=quiet.to_minute // 60, minute=quiet.to_minute % 60, second=0, microsecond=0, fold=0)
    if minute >= quiet.to_minute:
        end += timedelta(days=1)
    return max(now_us + 1, (end.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1))


def _is_quiet(quiet: QuietHours, minute: int) -> bool:
    if quiet.from_minute <= quiet.to_minute:
        return quiet.from_minute <= minute < quiet.to_minute
    return minute >= quiet.from_minute or minute < quiet.to_minute
