"""Delta debugging: as few parts of something as still do what the whole does.

This file answers for the search alone. It must never know what the parts are.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

Part = TypeVar("Part")


def fewest(parts: Sequence[Part], still: Callable[[Sequence[Part]], bool]) -> list[Part]:
    """Parts of which none can be left out alone: halves are tried first, then quarters, and so on down to singles."""
    found = list(parts)
    if found and still([]):
        return []
    size = len(found) // 2
    while size:
        begin, is_less = 0, False
        while begin < len(found):
            without = found[:begin] + found[begin + size :]
            if len(without) < len(found) and still(without):
                found, is_less = without, True
            else:
                begin += size
        # What could not be left out before may be, now that others are gone.
        if not is_less or size > 1:
            size //= 2
    return found
