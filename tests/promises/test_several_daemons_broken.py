"""What can only go wrong where several daemons share a log is seen by a law: each such bug is planted and found."""

from pathlib import Path
from typing import Final

import pytest

from scenarios.file.loading import load, read
from scenarios.file.scenario import Scenario
from scenarios.laws.registry import breaches
from scenarios.run.running import run_once
from scenarios.world.ground import Parts
from tests.promises import plants_together as plants

pytestmark = pytest.mark.slow

_FILES: Final = Path(__file__).parents[2] / "scenarios"
_HASTE: Final = """\
name = "A small world"
why = "A door answers before anything is durable, and its daemon dies."
start = 2026-01-30T08:00:00Z
runs_for = "2m"
rests_within = "1h"
seed = 1
daemons = 3
[disk]
latency = { median = "2s" }
[[arrive]]
at = "20s"
over = "8s"
count = 20
channel = "email"
to = "reader{n}@example.com"
idempotency_key = "letter/{n}"
[[fault]]
at = "25s"
daemon = "crash"
of = 1
[[fault]]
at = "25s"
daemon = "crash"
of = 2
[[fault]]
at = "25s"
daemon = "crash"
of = 3
"""

_OLD_NEWS: Final = """\
name = "A small world"
why = "A daemon was replaced while it was held, and is told what became of messages that it knows as waiting."
start = 2026-01-30T08:00:00Z
runs_for = "2m"
rests_within = "1h"
seed = 5
daemons = 2
[[arrive]]
at = "3s"
over = "1s"
count = 12
channel = "webhook"
to = "https://shop{n}.example/orders"
idempotency_key = "order/{n}"
[[provider]]
lane = "webhook"
receipts = { by = "both", delivered = "1s" }
[[fault]]
at = "4s"
for = "22s"
daemon = "freeze"
[[operator]]
at = "1s"
do = "pause"
lane = "webhook"
[[operator]]
at = "10s"
do = "resume"
lane = "webhook"
"""

PLANTED: Final[dict[str, tuple[int, str, Parts]]] = {
    "no fence at an append": (
        15,
        "acting_daemon_held_beyond_its_lease",
        Parts(acting=plants.acting(plants.UnfencedLog)),
    ),
    "no look at the lease before a send": (
        15,
        "two_that_believe_they_act",
        Parts(acting=plants.acting(plants.HopefulLog)),
    ),
    "an attempt given up before its deadline": (
        15,
        "acting_daemon_held_beyond_its_lease",
        Parts(acting=plants.acting(plants.HastyHeirLog)),
    ),
    "a deadline by a clock that is ahead": (
        15,
        "cut_off_daemon_still_has_requests_out",
        Parts(opened=plants.trust_clocks),
    ),
    "news that are answered from memory": (1, _OLD_NEWS, Parts(opened=plants.answer_from_memory)),
    "what was left is taken in and stays": (
        12,
        "taken_in_while_nobody_acts",
        Parts(acting=plants.acting(plants.KeepingLog)),
    ),
    "an answer before the commit": (1, _HASTE, Parts(door_of=plants.door(plants.HastyDoor))),
}


def _scenario(world: str) -> Scenario:
    return read(world, Path("planted.toml")) if "\n" in world else load(_FILES / f"{world}.toml")


@pytest.mark.parametrize("plant", PLANTED)
def test_a_planted_bug_of_several_daemons_breaks_its_law(plant: str) -> None:
    """A world with one broken part breaks the law that is meant for it; with sound parts it breaks none."""
    law, world, parts = PLANTED[plant]
    scenario = _scenario(world)
    assert breaches(run_once(scenario, scenario.seed)) == []
    found = {breach.law for breach in breaches(run_once(scenario, scenario.seed, parts=parts))}
    assert law in found
