"""What narrows a list: a value that cannot match anything is a mistake, and told with those that can.

This file answers for lanes and statuses, which no type can list; channels are a closed set, and their type says so.
"""

from typing import Final, get_args

from adapters.web.front import Front
from adapters.web.problems import invalid
from core.views import ShownStatus

_STATUSES: Final[tuple[str, ...]] = get_args(ShownStatus)


def known_lane(front: Front, name: str | None, at: str) -> str | None:
    """The name of a lane, which is there or was there once; None stays None. `at` is where it was given."""
    known = front.views.lane_names
    if name is not None and name not in known:
        raise invalid(at, f"no lane is called {name!r}, expected one of: {', '.join(sorted(known))}")
    return name


def known_statuses(text: str | None, at: str) -> frozenset[str]:
    """The statuses in a list with commas between; empty for None."""
    if text is None:
        return frozenset()
    wanted = frozenset(text.split(","))
    if not wanted <= frozenset(_STATUSES):
        raise invalid(at, f"expected one or more of {', '.join(_STATUSES)}, with commas between")
    return wanted
