"""Time zones by name, as the machine's database or the tzdata package knows them."""

from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

_KNOWN_MAX: Final = 1_024


@lru_cache(maxsize=_KNOWN_MAX)
def zone_named(name: str) -> ZoneInfo | None:
    """The zone, None where no database knows it."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
