"""The scenario files that come with Tidings: each tells why it is there, and holds under every seed."""

from functools import cache
from pathlib import Path

import pytest

from scenarios.file.loading import load
from scenarios.file.scenario import Scenario
from scenarios.run.judging import judged, runs_of
from tests.seeds import seeds

pytestmark = pytest.mark.slow

FILES = sorted(Path(__file__).resolve().parents[2].joinpath("scenarios").rglob("*.toml"))


@cache
def _loaded(file: Path) -> Scenario:
    return load(file)


# Crash sweeps and worlds on the wire take most of the time of all files.
SLOW = ("crash", "wire", "provider", "receipts", "plan_moved", "meta", "quiet")


def _marks(file: Path) -> tuple[pytest.MarkDecorator, ...]:
    return (pytest.mark.slow,) if any(word in file.stem for word in SLOW) else ()


@pytest.mark.parametrize("seed", seeds(2, first=1_000_000))
@pytest.mark.parametrize("file", [pytest.param(file, id=file.stem, marks=_marks(file)) for file in FILES])
def test_every_law_and_expectation_holds(file: Path, seed: int) -> None:
    """Each file holds under seeds that it was not written with."""
    for evidence in runs_of(_loaded(file), seed, twice=True):
        outcome = judged(evidence)
        assert outcome.is_sound, outcome.story


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_says_why_it_is_there(file: Path) -> None:
    """A file has a name of its own, a reason in whole sentences, and something that it expects."""
    scenario = _loaded(file)
    assert [_loaded(other).name for other in FILES].count(scenario.name) == 1
    assert scenario.why.endswith(".")
    assert len(scenario.why) > 80
    assert scenario.expects


def test_the_worlds_that_were_promised_are_there() -> None:
    """Outages, crashes, herds, peers, clocks, disks, tenants, limits, hooks, receipts, lanes and plans have a file."""
    assert {file.stem for file in FILES} >= {
        "quiet_day",
        "outage_in_a_reminder_burst",
        "crash_at_every_boundary",
        "same_request_twice",
        "thundering_herd_after_an_outage",
        "slow_endpoint_beside_fast_ones",
        "clock_jumps",
        "poison_message_at_the_head",
        "noisy_tenant_beside_a_quiet_one",
        "exhausted_then_redriven_in_bulk",
        "five_failures_open_the_circuit",
        "disk_full_and_back",
        "limits_hold_across_restarts",
        "quiet_hours_across_a_time_change",
        "stripe_storm_with_a_dead_handler",
        "meta_retries_and_duplicates",
        "receipts_before_outcomes",
        "green_api_logged_out_for_an_hour",
        "pair_and_sender_limits_in_one_burst",
        "dead_tokens",
        "failover_with_a_slow_winner",
        "plan_moved_while_its_reminders_go_out",
        "in_doubt_with_a_receipt_and_without",
    }
