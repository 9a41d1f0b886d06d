"""`python -m benchmarks.simulating MESSAGES WORLDS`: scenarios in one process, laws on; printed as JSON.

Answers for: messages simulated a second in one large world, small worlds of a swarm a second, and what the bare loop
does beside them.
Must never: count what it takes to import anything, or to read a file.
"""

import asyncio
import gc
import sys
import time
import tomllib
from pathlib import Path

import msgspec

from scenarios.explore.worlds import world_of
from scenarios.file.loading import read
from scenarios.laws.registry import breaches
from scenarios.loop.run import run_virtual
from scenarios.run.running import run_once

_SLEEPS = 100_000
_HEAD = """\
name = "Measured"
why = "It is fast."
start = 2026-01-30T08:00:00Z
runs_for = "1h"
"""
_MANY = """\
[[arrive]]
over = "10m"
arrivals = "poisson"
count = {count}
channel = "webhook"
to = "https://shop{{n%50}}.example/orders/{{n%500}}"
[[fault]]
for = "20m"
answer = {{ status = 503, share = 0.2 }}
"""
_FEW = """\
[[arrive]]
over = "1m"
count = 8
channel = "email"
to = "reader{n%3}@example.com"
"""


def simulate(messages: int, worlds: int) -> dict[str, float]:
    """Messages a second with all laws, small worlds a second, and virtual sleeps a second of the loop alone."""
    large = read(_HEAD + _MANY.format(count=messages), Path("large.toml"))
    tree, small = tomllib.loads(_HEAD + _FEW), read(_HEAD + _FEW, Path("small.toml"))
    run_once(small, 0)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)

    started = time.monotonic()
    evidence = run_once(large, 1)
    sound = not breaches(evidence)
    large_s = time.monotonic() - started

    started = time.monotonic()
    for seed in range(worlds):
        world = world_of(tree, small, seed)
        breaches(run_once(world.scenario, seed))
    swarm_s = time.monotonic() - started

    started = time.monotonic()
    for seed in range(worlds):
        breaches(run_once(small, seed))
    small_s = time.monotonic() - started
    if not sound:
        raise SystemExit("a law does not hold in what was measured")
    return {
        "messages": messages / large_s,
        "swarm": worlds / swarm_s,
        "small": worlds / small_s,
        "sleeps": _sleeps_a_second(),
    }


def _sleeps_a_second() -> float:
    async def sleeps() -> None:
        for _ in range(_SLEEPS):
            await asyncio.sleep(1)

    started = time.monotonic()
    run_virtual(sleeps)
    return _SLEEPS / (time.monotonic() - started)


if __name__ == "__main__":
    print(msgspec.json.encode(simulate(int(sys.argv[1]), int(sys.argv[2]))).decode())
