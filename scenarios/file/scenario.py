"""A scenario: everything that a file says, checked and compiled, before any chance is drawn.

This file answers for the value alone. Together with a seed it determines a run, byte for byte.
"""

from functools import cached_property
from typing import Literal

import msgspec

from core.policies import Policy
from core.settings import Settings
from scenarios.file.clocks import in_order
from scenarios.file.selecting import LatencyTable
from scenarios.file.sides import Answered, Fault, Peer, Provider
from scenarios.file.tables import ApiTable, Arrive, Crash, Expect, Operator
from scenarios.file.updates import Scheme
from scenarios.file.wishes import Device, Plan

ScheduleName = Literal["fifo", "walk", "pct", "by seed"]


class Hook(msgspec.Struct, frozen=True, kw_only=True):
    """A source of hooks; see HookTable."""

    name: str
    scheme: Scheme
    tenant: str
    order_by: str | None
    lanes: tuple[str, ...]


class Scenario(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One file. Instants of its parts are spans since `start_us`, in microseconds.

    Faults are over at `runs_for_us` at the latest; from then on everything must come to rest within `rests_within_us`.
    `zones` are all time zones that a message may need. `wired` are the lanes that are on the wire. `daemons` share one
    log, and are numbered from 1 on.
    """

    file: str
    name: str
    why: str
    start_us: int
    runs_for_us: int
    rests_within_us: int
    seed: int
    schedule: ScheduleName
    settings: Settings
    disk_latency: LatencyTable | None
    crash: Crash | None
    hooks: tuple[Hook, ...]
    arrivals: tuple[Arrive, ...]
    providers: tuple[Provider, ...]
    faults: tuple[Fault, ...]
    answered: tuple[Answered, ...]
    peers: tuple[Peer, ...]
    devices: tuple[Device, ...]
    plans: tuple[Plan, ...]
    operators: tuple[Operator, ...]
    expects: tuple[Expect, ...]
    zones: tuple[str, ...]
    wired: tuple[str, ...] = ()
    api: ApiTable = ApiTable()
    daemons: int = 1

    def clock_steps(self, machine: int = 1) -> tuple[tuple[int, int], ...]:
        """When a machine's wall clock is set, and by how much, in order; all of it is over when the run is."""
        if machine not in self._steps:
            self._steps[machine] = in_order(
                one
                for fault in self.faults
                if fault.clock is not None and fault.of in {None, machine}
                for one in fault.clock.steps(fault.at_us, fault.until_us(self.runs_for_us))
            )
        return self._steps[machine]

    @cached_property
    def _steps(self) -> dict[int, tuple[tuple[int, int], ...]]:
        """Those of each machine that was asked for: each run asks several times, and a clock may take many."""
        return {}

    @property
    def clocks_differ(self) -> bool:
        """Whether some of its machines show another time than others."""
        return any(fault.clock is not None and fault.of is not None for fault in self.faults)

    @property
    def is_wired(self) -> bool:
        """Whether anything of it is on the wire."""
        return bool(self.wired) or self.api.wire

    def policy_of(self, lane: str, named: str | None) -> Policy:
        """The policy that decides about a message: the one that it names, else its lane's."""
        if named is not None:
            return self.settings.policies[named]
        return next(known.policy for known in self.settings.lanes if known.name == lane)
