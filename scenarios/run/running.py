"""One run: a scenario under a seed, life after life of the daemon, until everything has come to rest.

This file answers for a run being a function of scenario, seed and the boundaries at which the power goes out: the same
three give the same log, byte for byte.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from core.policies import SECOND_US
from scenarios.draws import Draws
from scenarios.file.scenario import Scenario
from scenarios.laws.evidence import Evidence
from scenarios.laws.replay import as_it_lies
from scenarios.loop.boundary import BoundaryError
from scenarios.loop.run import cut_power, run_virtual
from scenarios.loop.schedules import Fifo, Pct, Ready, Schedule, Walk
from scenarios.loop.stuck import Budget, StuckError
from scenarios.loop.virtual import PowerCut, VirtualLoop
from scenarios.wire.loop import WireLoop
from scenarios.world.fleet import Fleet
from scenarios.world.ground import EndedBy, Ground, Parts
from scenarios.world.living import Living
from scenarios.world.naming import key_of

if TYPE_CHECKING:
    from scenarios.wire.wiring import Wire

# A supervisor starts a daemon that died of trouble with its log again after this time.
_STARTED_AGAIN_US: Final = 5 * SECOND_US
# A disk may be full for hours, and the daemon not get through meanwhile however often it is started.
_LIVES_MAX: Final = 10_000
_STEPS_AT_ONE_INSTANT_MAX: Final = 500_000

# Dates of answers over HTTP, and hooks whose signature grows old.
_MAY_ASK_THE_TIME: Final = ("aiohttp.helpers", "adapters.clock")

Wired = Callable[[Ground], "Wire"]

_SOUND: Final = Parts()


def run_once(scenario: Scenario, seed: int, *, parts: Parts = _SOUND, crash_at: Collection[int] = ()) -> Evidence:
    """What is left of one run, to be judged. `crash_at` are boundaries, counted from 1."""
    ground = Ground(scenario, seed, parts, crash_at)
    # Zones are files: they are read before the run, which may touch none.
    zones = {name: ZoneInfo(name) for name in scenario.zones}
    trouble = _together(ground, zones) if scenario.daemons > 1 else _one_after_another(ground, zones)
    return Evidence(
        scenario=scenario,
        seed=seed,
        crash_at=tuple(crash_at),
        events=ground.durable.events,
        durable=ground.durable,
        books=ground.books,
        subjects=ground.subjects,
        bodies=ground.bodies,
        keyed=frozenset(ground.keyed),
        keys={stream: key_of(ground.durable, stream) for stream in ground.durable.messages},
        lives=tuple(ground.lives),
        memories=tuple(ground.memories),
        foretold=tuple(ground.foretold),
        findings=tuple(ground.findings),
        unfinished=(*ground.unfinished, *ground.tellings, *ground.wishes),
        wishes=ground.wished,
        forged=frozenset(ground.forged),
        secrets=ground.secrets,
        boundaries=ground.borders.crossed,
        crossed_us=tuple(ground.borders.instants_us),
        stuck=trouble,
    )


def _one_after_another(ground: Ground, zones: dict[str, ZoneInfo]) -> str:
    """Lives the lives of the only daemon there is. Answers why the run got nowhere, where it did not."""
    wired = _wired(ground.scenario) if ground.scenario.is_wired else None
    start_us = 0
    for _ in range(_LIVES_MAX):
        try:
            ended_by, ended_us = _life(ground, zones, start_us, wired)
        except (StuckError, BoundaryError) as stuck:
            return str(stuck)
        ground.life_ended(ended_by, ended_us)
        if ended_by != "end":
            ground.findings += as_it_lies(ground.durable)
        if ended_by in {"end", "bug"}:
            return ""
        start_us = ended_us + _down_us(ground, ended_by)
    return f"the daemon was started {_LIVES_MAX} times and never got through"


def _together(ground: Ground, zones: dict[str, ZoneInfo]) -> str:
    """Lives the lives of several daemons at once. Answers why the run got nowhere, where it did not."""

    async def main() -> None:
        await Fleet(ground, zones).run()
        # What is left of daemons that were killed can neither go on nor be cleaned up.
        await cut_power()

    try:
        run_virtual(main, schedule=_schedule(ground), budget=_budget(ground), kind=ground.parts.nodes)
    except PowerCut:
        return ""
    except (StuckError, BoundaryError) as stuck:
        return str(stuck)
    raise AssertionError("a run of several daemons ends by a power cut")


def _budget(ground: Ground) -> Budget:
    scenario = ground.scenario
    return Budget(
        steps_max=ground.parts.steps_max,
        steps_at_one_instant_max=_STEPS_AT_ONE_INSTANT_MAX,
        virtual_s_max=2 * (scenario.runs_for_us + scenario.rests_within_us) / SECOND_US,
    )


def _life(ground: Ground, zones: dict[str, ZoneInfo], start_us: int, wired: Wired | None) -> tuple[EndedBy, int]:
    """How one life of the daemon ended, and when in true time."""

    async def main() -> tuple[EndedBy, int]:
        living = Living(ground, zones, wired)
        return await living.run(), living.now_us()

    try:
        return run_virtual(
            main,
            schedule=_schedule(ground),
            start_s=start_us / SECOND_US,
            budget=_budget(ground),
            **_surroundings(ground),
        )
    except PowerCut as cut:
        return "crash", round(cut.now_s * SECOND_US)


def _wired(scenario: Scenario) -> Wired:
    """What makes the wire of each life. An HTTP server reads files as it is imported, which no run may do."""
    from scenarios.wire import wiring  # noqa: PLC0415  # As much to import as all else: whoever does without, does.

    wiring.prepare(scenario.settings.lanes)
    return wiring.Wire


def _surroundings(ground: Ground) -> dict[str, Any]:
    """The loop, and who may leave the simulation. With a wire, some are told its wall clock to date what they write."""

    def wall_ns() -> int:
        return ground.wall_us(round(asyncio.get_running_loop().time() * SECOND_US)) * 1_000

    loop, may_touch = ground.parts.loop, ground.parts.may_touch
    if not ground.scenario.is_wired:
        return {"kind": loop, "allowed": may_touch}
    kind = WireLoop if loop is VirtualLoop else type("WireLoopBeside", (WireLoop, loop), {})
    return {"kind": kind, "allowed": (*may_touch, *_MAY_ASK_THE_TIME), "wall_ns": wall_ns}


def _down_us(ground: Ground, ended_by: EndedBy) -> int:
    """How long nothing runs: as the scenario says, or until a supervisor starts the daemon again."""
    asked_us = ground.down_us if ground.borders.down_us is None else ground.borders.down_us
    ground.down_us = ground.borders.down_us = None
    if asked_us is not None:
        return asked_us
    if ended_by == "crash" and ground.scenario.crash is not None:
        return ground.scenario.crash.down_us
    return _STARTED_AGAIN_US


def _schedule(ground: Ground) -> Callable[[Ready], Schedule]:
    name = ground.scenario.schedule
    if name == "by seed":
        name = ground.draws.choice("schedule", among=("fifo", "walk", "pct"))
    # Each life has an order of its own: the second must not repeat the luck of the first.
    draws = Draws(ground.draws.integer("schedule of a life", len(ground.lives), below=1 << 53))
    match name:
        case "walk":
            return lambda ready: Walk(ready, draws=draws)
        case "pct":
            return lambda ready: Pct(ready, draws=draws)
        case _:
            return Fifo
