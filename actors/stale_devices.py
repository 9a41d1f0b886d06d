"""The sweep: devices that were not heard of for too long become stale, each at its instant.

This file answers for that happening without a poll, however many devices there are. It reads those that were silent for
longest from the log and sleeps until the first of them is due; it keeps nothing in memory and writes nothing itself.
"""

from collections.abc import Sequence
from typing import Final

import anyio

from actors.bell import Bell
from actors.devices import Devices
from actors.sender import LOG_TROUBLE, NONSENSE
from core.errors import Refused
from core.policies import SECOND_US
from core.ports import Clock, Log, Witness
from core.records import Head

# Devices that become stale in one go; they share commits.
_PAGE: Final = 200
# After trouble with the log, it is looked at again this much later.
_AGAIN_US: Final = SECOND_US


class StaleDevices:
    """The one who looks after time has passed. `run` works until it is cancelled."""

    def __init__(self, *, log: Log, clock: Clock, devices: Devices, witness: Witness) -> None:
        self._log = log
        self._clock = clock
        self._devices = devices
        self._witness = witness
        self._bell = Bell(clock)
        self._is_troubled = False

    def policy_changed(self) -> None:
        """Another time may be allowed from here on: nobody sleeps until an instant that the old one named."""
        self._bell.ring()

    async def run(self) -> None:
        """Leaves stale what is due, then sleeps until the next instant that matters."""
        while True:
            self._is_troubled = False
            try:
                wake_us = await self._sweep()
            except Refused as error:
                self._trouble(error)
                wake_us = 0
            await self._bell.wait(self._clock.now_us() + _AGAIN_US if self._is_troubled else wake_us)

    async def _sweep(self) -> int:
        """Leaves stale what is due now; answers when something may be due next."""
        silent_for_us, after = self._devices.stale_after_us, None
        while True:
            now_us = self._clock.now_us()
            heads = await self._log.silent_devices(after=after, limit=_PAGE)
            due = [head for head in heads if head.changed_us + silent_for_us <= now_us]
            if due:
                await self._leave_all(due)
            if len(due) < len(heads):
                return heads[len(due)].changed_us + silent_for_us
            if len(heads) < _PAGE:
                # Whatever registers from here on is silent for as long before it is due.
                return now_us + silent_for_us
            # Those that could not be left for some reason must not hide the ones behind them.
            after = heads[-1].changed_us, heads[-1].stream

    async def _leave_all(self, due: Sequence[Head]) -> None:
        async with anyio.create_task_group() as group:
            for head in due:
                group.start_soon(self._leave, head.stream)

    async def _leave(self, stream: int) -> None:
        try:
            await self._devices.leave_stale(stream)
        except LOG_TROUBLE as error:
            self._trouble(error)
        except NONSENSE as error:
            self._witness.note("device_parked", device=stream, error=str(error))

    def _trouble(self, error: Exception) -> None:
        self._is_troubled = True
        self._witness.note("sweep_refused", error=type(error).__name__)
