"""One scenario on the real SQLite log and in memory: the same log, and a file that holds what the world believes."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import aiosqlite
import pytest
from typer.testing import CliRunner

from adapters.cli.ending import Ended
from scenarios.console import whole
from scenarios.file.scenario import Scenario
from scenarios.laws.evidence import Evidence
from scenarios.loop.hybrid import HybridLoop
from scenarios.loop.run import run_virtual
from scenarios.run.on_sqlite import parts_on, unfit
from tests.promises.on_a_store import FIT, ROOT, UNLIKE, alike, loaded, sound
from tests.promises.simulated import HEAD, scenario


def _run(world: Scenario, directory: Path, crash_at: tuple[int, ...] = ()) -> Evidence:
    directory.mkdir(exist_ok=True)
    evidence = sound(world, parts_on(directory), crash_at)
    with closing(sqlite3.connect(directory / "1.db")) as connection:
        written = list(connection.execute("SELECT * FROM event ORDER BY pos"))
    assert written == [tuple(row) for row in evidence.durable.rows]
    return evidence


def test_a_file_and_memory_come_to_the_same_log(tmp_path: Path) -> None:
    """Every event of a day is the same, in the same order, and the file holds nothing else."""
    evidence = _run(loaded("quiet_day"), tmp_path)
    assert alike(evidence)
    assert len(evidence.durable.rows) > 50


@pytest.mark.slow
@pytest.mark.parametrize("name", FIT)
def test_shipped_scenarios_hold_on_a_file(name: str, tmp_path: Path) -> None:
    """Each of these keeps every law on SQLite, crashes, stops and the wire among them; most give memory's very log."""
    evidence = _run(loaded(name), tmp_path)
    assert name in UNLIKE or alike(evidence)


def test_a_file_is_opened_again_after_a_crash(tmp_path: Path) -> None:
    """The power goes out between a commit and its answer, and again in the recovery: no event is lost or doubled."""
    threads = threading.active_count()
    evidence = _run(loaded("quiet_day"), tmp_path, (41, 46))
    assert [life.ended_by for life in evidence.lives] == ["crash", "crash", "end"]
    assert threading.active_count() == threads


@pytest.mark.slow
@pytest.mark.parametrize("name", ["quiet_day", "in_doubt_with_a_receipt_and_without"])
def test_a_file_survives_a_crash_anywhere(name: str, tmp_path: Path) -> None:
    """Spread over all boundaries of a run, crash by crash, every law holds and the file is what the world believes."""
    world = loaded(name)
    boundaries = _run(world, tmp_path / "whole").boundaries
    for boundary in range(1, boundaries, max(1, boundaries // 20)):
        assert len(_run(world, tmp_path / str(boundary), (boundary,)).lives) > 1


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


def test_what_a_disk_does_to_a_file_is_the_worlds_to_say(tmp_path: Path) -> None:
    """A full disk is asked for nothing and the door says so; a commit whose answer is lost is there for who repeats."""
    faults = '[[fault]]\nat = "1m"\nfor = "1m"\ndisk = "full"\n[[fault]]\nat = "3m"\nfor = "1m"\nstore = "lost_reply"\n'
    letters = '[[arrive]]\nover = "5m"\ncount = 20\nchannel = "email"\nto = "reader{n}@example.com"\n'
    keyed = f'{letters}idempotency_key = "letter/{{n}}"\n[[expect]]\nthat = "delivered"\ncount = 20\n'
    evidence = _run(scenario(f"{keyed}{faults}", runs_for="10m"), tmp_path)
    assert {told.what for told in evidence.books.told} == {"accepted", "refused", "repeated"}


def test_several_daemons_are_no_scenario_for_a_file() -> None:
    """They share a database, and no file: that is refused, with the reason."""
    assert unfit(scenario("")) is None
    assert "share no file" in (unfit(scenario("daemons = 2\n")) or "")


@pytest.mark.slow
def test_the_command_keeps_the_log_in_a_file_while_it_runs() -> None:
    """`--store sqlite` tells the same as without it; another store, or several daemons, is a mistake."""
    command = CliRunner().invoke(whole(), ["simulate", str(ROOT / "quiet_day.toml"), "--store", "sqlite"])
    usual = CliRunner().invoke(whole(), ["simulate", str(ROOT / "quiet_day.toml")])
    assert (command.exit_code, command.output) == (0, usual.output)
    for name, store in (("quiet_day", "postgres"), ("rolling_restart", "sqlite")):
        refused = CliRunner().invoke(whole(), ["simulate", str(ROOT / f"{name}.toml"), "--store", store])
        assert isinstance(refused.exception, Ended)
        assert "--store" in str(refused.exception)


@pytest.mark.slow
def test_a_failure_on_a_file_is_run_again_on_a_file(tmp_path: Path) -> None:
    """The command that a failed run is told with puts its log into the same store."""
    file = tmp_path / "unsound.toml"
    file.write_text(f'{HEAD}runs_for = "1h"\n[[expect]]\nthat = "delivered"\ncount = 1\n')
    failed = CliRunner().invoke(whole(), ["simulate", str(file), "--store", "sqlite"])
    assert f"Run it again with: tidings simulate {file} --seed 0 --store sqlite" in failed.output
