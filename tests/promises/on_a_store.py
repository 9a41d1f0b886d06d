"""The shipped scenarios that can be run on a real store, and what is asked of each run there."""

from pathlib import Path
from typing import Final

from msgspec.structs import replace

from scenarios.file.loading import load
from scenarios.file.scenario import Scenario
from scenarios.laws.evidence import Evidence
from scenarios.run.judging import judged
from scenarios.run.running import run_once
from scenarios.world.ground import Parts

ROOT: Final = Path(__file__).resolve().parents[2] / "scenarios"
# Two things that arrive in one instant may come in either order once a store takes turns, and here they do; or a disk
# fails for a while, and production's writer tries it again at its own times.
UNLIKE: Final = frozenset({
    "cancelled_while_it_leaves",
    "commits_nobody_answers_for",
    "crash_among_receipts_and_lanes",
    "dead_tokens",
    "every_provider_over_the_wire",
    "exhausted_then_redriven_in_bulk",
    "expires_while_its_lane_is_paused",
    "forgotten_while_it_leaves",
    "green_api_logged_out_for_an_hour",
    "limits_hold_across_restarts",
    "meta_retries_and_duplicates",
    "pair_and_sender_limits_in_one_burst",
    "people_who_want_no_more",
    "plan_moved_while_its_reminders_go_out",
    "push_that_reaches_no_device",
    "receipts_that_are_not_ours",
    "reset_by_a_commit_of_unknown_result",
    "resumed_by_a_commit_of_unknown_result",
})  # fmt: skip


def loaded(name: str) -> Scenario:
    """A shipped scenario. Other orders than `fifo` count steps, of which there are more with a thread to wait for."""
    return replace(load(ROOT / f"{name}.toml"), schedule="fifo")


FIT: Final = [file.stem for file in sorted(ROOT.glob("*.toml")) if load(file).daemons == 1]


def sound(world: Scenario, parts: Parts, crash_at: tuple[int, ...] = ()) -> Evidence:
    """A finished run in which every law held, and what its file expects unless it was crashed elsewhere."""
    evidence = run_once(world, world.seed, parts=parts, crash_at=crash_at)
    outcome = judged(evidence)
    assert not outcome.breaches, outcome.story
    assert crash_at or not outcome.unmet, outcome.story
    return evidence


def alike(evidence: Evidence) -> bool:
    """Whether memory comes to the same log, byte for byte."""
    return evidence.digest == run_once(evidence.scenario, evidence.seed).digest
