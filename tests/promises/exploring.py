"""A file with a bit of everything, and bugs for the swarm around it to find: what exploring is tried on."""

import tomllib
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from core.policies import CircuitRule
from scenarios.explore.materialising import materialised
from scenarios.explore.shrinking import Failing, Shrinker
from scenarios.explore.stock import Tree
from scenarios.explore.worlds import World, world_of
from scenarios.file.loading import read
from scenarios.file.scenario import Scenario
from scenarios.laws.registry import breaches
from scenarios.run.running import run_once
from scenarios.world.ground import Parts
from tests.promises import plants

TEXT: Final = """\
name = "A little of everything"
why = "Something is broken, and a swarm finds it."
start = 2026-01-30T08:00:00Z
runs_for = "2h"
seed = 1
[disk]
latency = { median = "5ms", p99 = "60ms" }
[[arrive]]
name = "calls"
over = "1m"
arrivals = "poisson"
count = 12
channel = "webhook"
to = "https://shop{n}.example/orders"
idempotency_key = "call/{n}"
repeat = 0.4
[[arrive]]
name = "mails"
over = "1m"
count = 12
channel = "email"
to = "reader{n}@example.com"
[[fault]]
for = "2m"
answer = { status = 503, share = 0.3 }
[[fault]]
at = "40s"
daemon = "crash"
[[expect]]
that = "accepted"
count = 24
"""
FILE: Final = Path("everything.toml")
BASE: Final[Scenario] = read(TEXT, FILE)
STEPS_MAX: Final = 200_000


class Bug(msgspec.Struct, frozen=True, kw_only=True):
    """A broken daemon, and the law that it breaks."""

    law: int
    parts: Parts


BUGS: Final = {
    "a channel that repeats by itself": Bug(
        law=8, parts=Parts(channel_of=plants.channel_of(plants.InsistentChannel), steps_max=STEPS_MAX)
    ),
    "a channel that is too sure": Bug(
        law=8, parts=Parts(channel_of=plants.channel_of(plants.SureChannel), steps_max=STEPS_MAX)
    ),
    "a circuit that opens too late": Bug(
        law=6,
        parts=Parts(
            settings_of=plants.policies_of(lambda policy: replace(policy, circuit=CircuitRule(failures=30))),
            steps_max=STEPS_MAX,
        ),
    ),
    "a log that answers before it is durable": Bug(
        law=3, parts=Parts(log_of=plants.log_of(plants.HastyLog), steps_max=STEPS_MAX)
    ),
    "a log that drops what it said it had": Bug(
        law=1, parts=Parts(log_of=plants.log_of(plants.ForgetfulLog), steps_max=STEPS_MAX)
    ),
    "a log that keeps other heads": Bug(
        law=7, parts=Parts(log_of=plants.log_of(plants.CarelessLog), steps_max=STEPS_MAX)
    ),
    "a channel that says whom it meant": Bug(
        law=10, parts=Parts(channel_of=plants.channel_of(plants.TalkativeChannel), steps_max=STEPS_MAX)
    ),
}


def tree() -> Tree:
    """The file as a tree of values."""
    return tomllib.loads(TEXT)


def found_by_the_swarm(bug: Bug, *, seeds: int) -> tuple[World, int] | None:
    """The first world in which a bug breaks its law, and its seed; None where no seed within the budget does."""
    for seed in range(seeds):
        world = world_of(tree(), BASE, seed)
        evidence = run_once(world.scenario, seed, parts=bug.parts)
        if any(breach.law == bug.law for breach in breaches(evidence)):
            return world, seed
    return None


def smallest(world: World, seed: int, bug: Bug) -> Tree | None:
    """What such a world is shrunk to."""
    written = materialised(world.tree, run_once(world.scenario, seed, parts=bug.parts))
    return Shrinker(Failing(law=bug.law), parts=bug.parts).shrunk(written)
