"""Time zones by name, as the machine's database or the tzdata package knows them.

This file answers for which names are those of a place or an offset. It must never let through what a database holds
besides: the machine's own setting, and the copies of every zone that count leap seconds or do not.
"""

from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

_KNOWN_MAX: Final = 1_024
# What `localtime` and `posixrules` mean differs from machine to machine, and `Factory` says that nobody has set one.
_NO_PLACES: Final = frozenset({"Factory", "localtime", "posixrules"})
# The same zones once more (tzdata's Makefile): `right/` is off by the leap seconds, which no other clock here counts.
_COPIES: Final = ("posix/", "right/")


@lru_cache(maxsize=_KNOWN_MAX)
def zone_named(name: str) -> ZoneInfo | None:
    """The zone, None where no database knows it as one that a person could live in."""
    if name in _NO_PLACES or name.startswith(_COPIES):
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
