"""One scenario on the real SQLite log and in memory: the same log, and a file that holds what the world believes."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import aiosqlite
import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from adapters.cli.ending import Ended
from scenarios.cli import whole
from scenarios.file.loading import load
from scenarios.file.scenario import Scenario
from scenarios.laws.evidence import Evidence
from scenarios.laws.registry import breaches
from scenarios.loop.hybrid import HybridLoop
from scenarios.loop.run import run_virtual
from scenarios.run.on_sqlite import parts_on, unfit
from scenarios.run.running import run_once
from tests.promises.simulated import scenario

_ROOT = Path(__file__).resolve().parents[2] / "scenarios"
# Without two arrivals in one instant, whose order is nobody's promise, a log is the same byte for byte.
_ALIKE = [
    "clock_jumps",
    "failover_with_a_slow_winner",
    "five_failures_open_the_circuit",
    "mail_over_a_wire_that_breaks_at_the_dot",
    "noisy_tenant_beside_a_quiet_one",
    "outage_in_a_reminder_burst",
    "quiet_hours_across_a_time_change",
    "slow_endpoint_beside_fast_ones",
    "stripe_and_clients_over_the_wire",
    "stripe_storm_with_a_dead_handler",
    "thundering_herd_after_an_outage",
    "webhook_host_comes_back",
    "webhooks_over_a_broken_wire",
]


def _loaded(name: str) -> Scenario:
    # Other orders count steps, of which there are more with a thread to wait for.
    return replace(load(_ROOT / f"{name}.toml"), schedule="fifo")


def _written(directory: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(directory / "1.db")) as connection:
        return list(connection.execute("SELECT * FROM event ORDER BY pos"))


def _same(world: Scenario, directory: Path) -> Evidence:
    in_memory, on_file = run_once(world, world.seed), run_once(world, world.seed, parts=parts_on(directory))
    assert on_file.digest == in_memory.digest
    assert _written(directory) == [tuple(row) for row in on_file.durable.rows]
    assert breaches(on_file) == []
    return on_file


def test_a_file_and_memory_come_to_the_same_log(tmp_path: Path) -> None:
    """Every event of a day is the same, in the same order, and the file holds nothing else."""
    assert len(_same(_loaded("quiet_day"), tmp_path).durable.rows) > 50


@pytest.mark.slow
@pytest.mark.parametrize("name", _ALIKE)
def test_shipped_scenarios_run_alike_on_a_file(name: str, tmp_path: Path) -> None:
    """Each of these gives one log, on SQLite and in memory; crashes, stops and the wire are among them."""
    assert _same(_loaded(name), tmp_path).stuck == ""


def _crashed(world: Scenario, directory: Path, crash_at: tuple[int, ...]) -> Evidence:
    directory.mkdir()
    evidence = run_once(world, world.seed, parts=parts_on(directory), crash_at=crash_at)
    assert _written(directory) == [tuple(row) for row in evidence.durable.rows]
    assert breaches(evidence) == []
    return evidence


def test_a_file_is_opened_again_after_a_crash(tmp_path: Path) -> None:
    """The power goes out between a commit and its answer, and again in the recovery: no event is lost or doubled."""
    threads = threading.active_count()
    evidence = _crashed(_loaded("quiet_day"), tmp_path / "log", (41, 46))
    assert [life.ended_by for life in evidence.lives] == ["crash", "crash", "end"]
    assert threading.active_count() == threads


@pytest.mark.slow
@pytest.mark.parametrize("name", ["quiet_day", "in_doubt_with_a_receipt_and_without"])
def test_a_file_survives_a_crash_anywhere(name: str, tmp_path: Path) -> None:
    """Spread over all boundaries of a run, crash by crash, every law holds and the file is what the world believes."""
    world = _loaded(name)
    whole = _crashed(world, tmp_path / "whole", ())
    for boundary in range(1, whole.boundaries, max(1, whole.boundaries // 20)):
        assert len(_crashed(world, tmp_path / str(boundary), (boundary,)).lives) > 1


def test_time_stands_still_while_a_thread_is_at_work(tmp_path: Path) -> None:
    """A question to SQLite takes no virtual time; timers come in between questions, never within one."""

    async def main() -> list[tuple[float, int]]:
        found = []
        async with aiosqlite.connect(tmp_path / "one.db") as connection:
            for number in range(3):
                rows = await connection.execute_fetchall("SELECT ?", (number,))
                found += [(asyncio.get_running_loop().time(), row[0]) for row in rows]
                await asyncio.sleep(3_600)
        return found

    found = run_virtual(main, kind=HybridLoop, allowed=("aiosqlite.core",))
    assert found == [(0.0, 0), (3_600.0, 1), (7_200.0, 2)]


def test_a_scenario_about_a_failing_disk_is_no_scenario_for_a_file() -> None:
    """What only a simulated disk can do is refused, with the reason."""
    assert unfit(scenario("")) is None
    assert "cannot be told" in (unfit(scenario('[[fault]]\nfor = "1m"\ndisk = "full"\n')) or "")


@pytest.mark.slow
def test_the_command_keeps_the_log_in_a_file_while_it_runs() -> None:
    """`--store sqlite` tells the same as without it; another store, or a disk that must fail, is a mistake."""
    command = CliRunner().invoke(whole(), ["simulate", str(_ROOT / "quiet_day.toml"), "--store", "sqlite"])
    usual = CliRunner().invoke(whole(), ["simulate", str(_ROOT / "quiet_day.toml")])
    assert (command.exit_code, command.output) == (0, usual.output)
    for name, store in (("quiet_day", "postgres"), ("disk_full_and_back", "sqlite")):
        refused = CliRunner().invoke(whole(), ["simulate", str(_ROOT / f"{name}.toml"), "--store", store])
        assert isinstance(refused.exception, Ended)
        assert "--store" in str(refused.exception)
