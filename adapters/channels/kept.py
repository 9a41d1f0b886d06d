"""Where hooks go whose source has no handler: nowhere. What they told was acted upon before they were accepted.

This file answers for such a hook being over at once. It must never call anybody.
"""

from collections.abc import Callable

from core.outcomes import Outcome, Taken
from core.ports import Parcel


class KeptChannel:
    """Takes everything."""

    async def send(self, _parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        """Leaves the hook where it is: in the log and the vault."""
        handed_over()
        return Taken(code="kept")

    async def close(self) -> None:
        """Holds nothing open."""
