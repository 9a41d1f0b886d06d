"""One sitting: how often each side runs, where its files live, and how much of the machine others had meanwhile.

Answers for: runs of two sides alternate, so that a drifting host meets both alike.
Must never: know a case.
"""

import os
import resource
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_IDLE_FIELDS = (3, 4)  # proc(5) stat: idle and iowait; everything else, steal included, was not free to us

Sample = TypeVar("Sample")


class Sitting(msgspec.Struct, frozen=True, kw_only=True):
    """What every case is given."""

    runs: int
    folder: Path
    say: Callable[[str], None]

    def room(self) -> Path:
        """A fresh directory for one run."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    def alternate(self, sides: Mapping[str, Callable[[], Sample]]) -> dict[str, list[Sample]]:
        """Run every side `runs` times, one after the other in turn."""
        samples: dict[str, list[Sample]] = {name: [] for name in sides}
        for run in range(self.runs):
            for name, measure in sides.items():
                self.say(f"run {run + 1} of {self.runs}: {name}")
                samples[name].append(measure())
        return samples


class Surroundings:
    """The machine's and our own CPU since it was made, to tell what others took."""

    def __init__(self) -> None:
        self._all_s, self._busy_s = _machine_s()
        self._ours_s = _ours_s()

    def foreign_share(self) -> float:
        """The share of the machine that was neither idle nor ours."""
        all_s, busy_s = _machine_s()
        if all_s <= self._all_s:
            return 0.0
        foreign_s = (busy_s - self._busy_s) - (_ours_s() - self._ours_s)
        return max(0.0, foreign_s / (all_s - self._all_s))


def _machine_s() -> tuple[float, float]:
    # The first eight fields; guest time is already within user time.
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = sum(fields[field] for field in _IDLE_FIELDS)
    return sum(fields) / _TICKS_PER_S, (sum(fields) - idle) / _TICKS_PER_S


def _ours_s() -> float:
    # Children count from when they have been waited for: every party has ended when a case returns.
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)
