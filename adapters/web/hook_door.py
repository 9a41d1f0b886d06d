"""What the door for hooks works with: sources, the memory for bodies, patience, figures, and randomness for traces.

This file answers for these being one thing that a reload changes in its place. It must never hold a hook.
"""

from collections.abc import Iterable

import anyio

from adapters.hooks.sources import Source, Sources
from adapters.web.hook_bodies import Room
from adapters.web.hook_figures import HookFigures
from adapters.web.patience import Patience
from core.ports import Secrets


class HookDoor:
    """The door's belongings. Whoever holds `large` is the one who takes charge of a hook of many updates."""

    def __init__(self, sources: Iterable[Source], secrets: Secrets, *, bodies_bytes_max: int, within_s: float) -> None:
        self.sources = Sources(sources)
        self.room = Room(bodies_bytes_max)
        self.patience = Patience(within_s)
        self.figures = HookFigures()
        self.large = anyio.Lock()
        self._secrets = secrets

    def trace(self) -> str:
        """A new trace context (W3C Trace Context, section 3.2), for a hook whose sender is part of none."""
        fresh = self._secrets.fresh(24).hex()
        return f"00-{fresh[:32]}-{fresh[32:]}-01"
