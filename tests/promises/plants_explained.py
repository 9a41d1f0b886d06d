"""Broken explanations to plant in a simulated daemon: ways to say of a message what does not come true.

They are what such bugs look like in life: a constraint that nobody looks at, an instant that is worked out by other
rules than those that decide.
"""

from typing import cast

from msgspec.structs import replace

from actors.explaining import Explainer
from actors.system import System
from core.explain import Constraint, Standing
from core.policies import SECOND_US
from core.records import Recorded


class _Changed:
    """Passes on what is said, but for one thing."""

    def __init__(self, inner: Explainer) -> None:
        self._inner = inner

    async def standing(self, stream: int) -> tuple[list[Recorded], Standing | None]:
        entries, standing = await self._inner.standing(stream)
        return entries, None if standing is None else self.changed(entries, standing)

    def changed(self, entries: list[Recorded], standing: Standing) -> Standing:
        raise NotImplementedError


class _Hopeful(_Changed):
    """Takes whatever waits for an event to be about to start."""

    def changed(self, entries: list[Recorded], standing: Standing) -> Standing:
        now_us = entries[-1].at_us
        turn = Constraint(kind="turn", until_us=now_us)
        return Standing(binding=turn, earliest_us=now_us, next_us=now_us) if not standing.earliest_us else standing


class _Gloomy(_Changed):
    """Names instants that are a second too late."""

    def changed(self, entries: list[Recorded], standing: Standing) -> Standing:
        earliest_us = standing.earliest_us
        return standing if earliest_us is None else replace(standing, earliest_us=earliest_us + SECOND_US)


def explain_hopefully(system: System) -> None:
    """Nothing is ever in anybody's way."""
    system.explainer = cast("Explainer", _Hopeful(system.explainer))


def explain_gloomily(system: System) -> None:
    """Everything starts sooner than it is said to."""
    system.explainer = cast("Explainer", _Gloomy(system.explainer))
