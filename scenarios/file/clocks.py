"""How a wall clock goes wrong: by a step, by going too fast or too slow, or by swinging to and fro.

This file answers for the values of `clock` and for the steps that each of them comes to. A clock that drifts does so in
small steps: log time has to hold over each of them, and a law can count them.
"""

from collections.abc import Iterable, Iterator
from typing import Final, cast

import msgspec

from adapters.config.units import Unfit, fraction, span
from core.policies import SECOND_US
from scenarios.file.readings import step

# A drift is spread over so many steps at most, none closer to the next than a second.
_STEPS_MAX: Final = 240
_EXPECTED: Final = 'a step such as "+1h" or "-90s", { drift = 0.01 }, or { swings = "30s", every = "10m" }'
_POSITIVE: Final = span(least_us=1_000)
_DRIFT: Final = fraction(-0.4, 1)


class Clockwork(msgspec.Struct, frozen=True, kw_only=True):
    """What a wall clock does: it steps once; or it gains `drift` of the time; or it goes back and forth.

    One that swings is set forward by `swings_us` and back again half of `every_us` later, over and over.
    """

    step_us: int = 0
    drift: float = 0.0
    swings_us: int = 0
    every_us: int = 0

    @property
    def is_step(self) -> bool:
        """Whether it happens at an instant."""
        return self.step_us != 0

    def steps(self, at_us: int, until_us: int) -> Iterator[tuple[int, int]]:
        """When it is set, and by how much, between two instants; what swings ends where it began."""
        if self.is_step:
            yield at_us, self.step_us
        elif self.drift:
            every_us = max(SECOND_US, -(-(until_us - at_us) // _STEPS_MAX))
            for stepped_us in range(at_us + every_us, until_us + 1, every_us):
                yield stepped_us, round(every_us * self.drift)
        else:
            for forth_us in range(at_us, until_us, self.every_us):
                yield forth_us, self.swings_us
                yield min(until_us, forth_us + self.every_us // 2), -self.swings_us


def clockwork(raw: object) -> Clockwork:
    """One of the ways in which a wall clock goes wrong."""
    if isinstance(raw, str):
        return Clockwork(step_us=step(raw))
    found: dict[object, object] = raw if isinstance(raw, dict) else {}
    if set(found) == {"drift"} and (drift := cast("float", _DRIFT(found["drift"]))):
        return Clockwork(drift=drift)
    if set(found) == {"swings", "every"}:
        swings_us, every_us = (cast("int", _POSITIVE(found[key])) for key in ("swings", "every"))
        if every_us >= 2 * SECOND_US:
            return Clockwork(swings_us=swings_us, every_us=every_us)
    raise Unfit(_EXPECTED)


def in_order(steps: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """All steps of all clockworks, as they follow upon each other."""
    return tuple(sorted(steps))
