"""What a store holds, and what the world outside remembers of it: whom it wrote to, though that was erased.

This file answers for messages keeping their names in the world's books. It must never be asked by a law what is kept.
"""

from core.records import Sealed
from eventstore.durable import Durable


class RememberedDurable(Durable):
    """A durable part that also knows the vault row with which each stream began."""

    def __init__(self) -> None:
        super().__init__()
        self.said: dict[int, Sealed] = {}

    def seal(self, sealed: Sealed) -> None:
        """A vault row, in the place of the one before it."""
        self.said.setdefault(sealed.stream, sealed)
        super().seal(sealed)
