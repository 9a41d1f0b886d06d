"""What every scheme promises.

This file answers for the one interface that the door of hooks knows. It must never know a scheme.
"""

from typing import Protocol

from adapters.hooks.requests import RawHook


class Verifier(Protocol):
    """Tells genuine hooks of one source from all others."""

    def verify(self, hook: RawHook, now_us: int) -> None:
        """Returns where one of the source's secrets vouches for the hook at `now_us`; raises BadSignature otherwise.

        It raises nothing else, whatever the bytes are.
        """
