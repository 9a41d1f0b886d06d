"""The state of everything as of an instant, in figures: what `replay` shows of a whole log.

This file answers for a long log being folded by several processes, each a share of its shards, to the very figures that
one comes to. It must never hold more of a message than its share's process needs.
"""

import gc
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Final

import msgspec

from adapters.hindsight import Extent, Hindsight, extent_of, folded
from core.errors import CorruptLog
from eventstore.collecting import uncollected
from eventstore.sqlite.past import Share

# A shorter log is folded before another process has started.
SHARED_FROM: Final = 100_000


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """Messages counted by lane and status, lanes paused by whom, circuits that have opened, by conversation."""

    events: int
    at_us: int
    counts: dict[str, dict[str, int]]
    paused: dict[str, str]
    open_until_us: dict[int, int]
    parked: frozenset[int]


def overview_at(
    file: Path, at_us: int | None, heard: Callable[[int], None], *, processes: int | None = None
) -> Overview:
    """Everything as of `at_us` (None: as of the last event). Raises StoreRefused or CorruptLog.

    `processes`: how many share the work; None is one a core for a long log. `heard` is told of events that were read.
    """
    extent = extent_of(file, at_us)
    if processes is None:
        processes = len(os.sched_getaffinity(0)) if extent.events >= SHARED_FROM else 1
    if processes > 1:
        try:
            return _joined(_shared(file, extent, processes, heard))
        except (CorruptLog, BrokenProcessPool):
            pass  # One process says at which event, and may have the memory that another was killed for.
    return _overview(folded(file, extent, heard))


def _shared(file: Path, extent: Extent, processes: int, heard: Callable[[int], None]) -> list[Overview]:
    spawn = multiprocessing.get_context("spawn")
    # Events are no cycles, and looking for cycles among them takes time.
    with ProcessPoolExecutor(processes - 1, mp_context=spawn, initializer=gc.disable) as pool, uncollected():
        parts = [pool.submit(_share, file, extent, (part, processes)) for part in range(1, processes)]
        # This process is one of them: it begins while the others start.
        own = _share(file, extent, (0, processes))
        for done, part in enumerate(as_completed(parts), 2):
            part.result()
            heard(extent.events * done // processes)
        return [own, *(part.result() for part in parts)]


def _share(file: Path, extent: Extent, share: Share) -> Overview:
    return _overview(folded(file, extent, _unheard, share=share))


def _unheard(events: int) -> None:
    """A share is told as a whole."""


def _overview(hindsight: Hindsight) -> Overview:
    open_until_us = {
        one.id: one.circuit.open_until_us
        for one in hindsight.conversations.values()
        if one.circuit.open_until_us is not None
    }
    return Overview(
        events=hindsight.events,
        at_us=hindsight.at_us,
        counts={lane: dict(statuses) for lane, statuses in hindsight.counts().items()},
        paused=hindsight.paused,
        open_until_us=dict(sorted(open_until_us.items())),
        parked=frozenset(hindsight.parked),
    )


def _joined(shares: Sequence[Overview]) -> Overview:
    """Every share knows all lanes, and each stream but those of lanes is in one of them."""
    counts: dict[str, Counter[str]] = {}
    for share in shares:
        for lane, statuses in share.counts.items():
            counts.setdefault(lane, Counter()).update(statuses)
    open_until_us = {
        conversation: until_us for share in shares for conversation, until_us in share.open_until_us.items()
    }
    return msgspec.structs.replace(
        shares[0],
        counts={lane: dict(statuses) for lane, statuses in counts.items()},
        open_until_us=dict(sorted(open_until_us.items())),
        parked=frozenset[int]().union(*(share.parked for share in shares)),
    )
