"""The disk under a simulated log: as slow, full or gone as its scenario says, and where a crash hits a commit.

This file answers for what happens at each border. Its faults are those that production's stores can tell of.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from core.errors import AppendUnknown, StoreUnavailable
from core.policies import SECOND_US
from eventstore.disk import Border
from scenarios.draws import Draws
from scenarios.file.scenario import Scenario
from scenarios.file.selecting import LatencyTable
from scenarios.file.sides import Fault
from scenarios.world.borders import Borders, cut
from scenarios.world.nature import latency_us

# A store that lost its grip on a file opens it again and looks, which takes up to this long.
_LOOKS_WITHIN_US: Final = SECOND_US // 2
# How slow a disk is that is called so.
SLOW: Final = LatencyTable(median_us=SECOND_US, p99_us=5 * SECOND_US)
# Where a commit's answer is lost: once it is durable, or before anything of it is.
_LOST_AT: Final[Mapping[str, Border]] = {"lost_reply": "before_answer", "error": "before_sync"}


class SimulatedDisk:
    """One life's disk. `now_us` tells true time since the start; `troubled` hears of each time that it fails."""

    def __init__(
        self,
        scenario: Scenario,
        draws: Draws,
        borders: Borders,
        *,
        now_us: Callable[[], int],
        troubled: Callable[[int], None],
    ) -> None:
        self._draws = draws
        self._borders = borders
        self._now_us = now_us
        self._troubled = troubled
        self._latency = scenario.disk_latency
        self._faults = [fault for fault in scenario.faults if fault.disk is not None or fault.store is not None]
        self._runs_for_us = scenario.runs_for_us

    def at(self, border: Border, rows: int) -> Awaitable[None] | None:
        """Called at a border of a commit or a read."""
        if border != "before_read" and self._borders.cross(border, self._now_us(), rows):
            return cut()
        if not self._faults and (border != "before_sync" or self._latency is None):
            # Each word to the log comes by several times, and most find nothing amiss.
            return None
        fault = self._fault() if self._faults else None
        if fault is not None:
            self._fail(fault, border)
        latency = self._latency if fault is None or fault.disk != "slow" else fault.latency or SLOW
        if latency is None or border != "before_sync":
            return None
        wait_us = latency_us(self._draws, latency, "commit", self._now_us())
        if fault is not None and fault.disk == "slow":
            # Whatever waits for this commit, and for those that queue behind it, is late for a reason.
            self._troubled(max(wait_us, latency.most_us))
        return asyncio.sleep(wait_us / SECOND_US)

    def mended(self) -> Awaitable[None]:
        """Ends when a write may be tried again."""
        fault, now_us = self._fault(), self._now_us()
        if fault is None or fault.disk in {"unknown", "slow", None}:
            wait_us = 1 + self._draws.integer("mended", now_us, below=_LOOKS_WITHIN_US)
        else:
            wait_us = min(self._runs_for_us, fault.at_us + (fault.for_us or self._runs_for_us)) - now_us
        self._troubled(wait_us)
        return asyncio.sleep(wait_us / SECOND_US)

    def _fault(self) -> Fault | None:
        now_us = self._now_us()
        return next((fault for fault in self._faults if fault.is_on(now_us, self._runs_for_us)), None)

    def _fail(self, fault: Fault, border: Border) -> None:
        if fault.disk == "full" and border == "before_write":
            raise StoreUnavailable("no space is left on the disk")
        if fault.disk == "error" and border in {"before_read", "before_write"}:
            self._troubled(0)
            raise StoreUnavailable("the disk answers with an I/O error")
        share = 1.0 if fault.share is None else fault.share
        is_lost = fault.store is not None and border == _LOST_AT[fault.store]
        if is_lost and self._draws.draw("store", self._now_us()) < share:
            raise AppendUnknown("the store gave no answer")
        if fault.disk == "unknown" and border in {"before_sync", "before_answer"}:
            # Half of the hits leave nothing behind, the other half everything: nobody can tell which.
            hit = self._draws.draw("unknown", self._now_us())
            if hit < share and (hit < share / 2) == (border == "before_sync"):
                raise AppendUnknown("the disk failed while it was writing")
