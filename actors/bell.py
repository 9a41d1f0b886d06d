"""Waiting for an instant or for somebody who rings, whichever comes first."""

import anyio

from core.ports import Clock


class Bell:
    """One waiter, many ringers. A ring while nobody waits is remembered, so none is ever missed."""

    __slots__ = ("_clock", "_is_rung", "_scope")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._scope: anyio.CancelScope | None = None
        self._is_rung = False

    def ring(self) -> None:
        """Wakes the waiter now."""
        self._is_rung = True
        if self._scope is not None:
            self._scope.cancel()

    async def wait(self, until_us: int | None) -> None:
        """Returns at a ring, or once log time reaches `until_us` (None: only at a ring)."""
        if not self._is_rung:
            with anyio.CancelScope() as scope:
                self._scope = scope
                if until_us is None:
                    await anyio.sleep_forever()
                else:
                    await self._clock.sleep_until(until_us)
            self._scope = None
        self._is_rung = False
