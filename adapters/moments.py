"""Instants for people: microseconds since 1970 into RFC 3339 text and back.

This file answers for one exact conversion. It must never go through a float, which would round the last digits.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

_ZERO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LAST_US: Final = (datetime.max.replace(tzinfo=UTC) - _ZERO) // _MICROSECOND


def moment(instant_us: int) -> datetime:
    """An instant as a datetime in UTC, which msgspec writes as RFC 3339; one beyond the year 9999 as its last."""
    # What a provider said of its own time may be nonsense, and must not keep a whole page of the log from being shown.
    return _ZERO + timedelta(microseconds=min(instant_us, _LAST_US))


def instant_us(text: str) -> int | None:
    """The instant behind an RFC 3339 text, None where it is none. A date without a zone is in UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return ((found if found.tzinfo else found.replace(tzinfo=UTC)) - _ZERO) // _MICROSECOND
