"""`tidings simulate` explores: what its ways of exploring print, write and answer with."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.edges.cli.processes import tidings
from tests.promises.exploring import TEXT


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that holds."""
    found = tmp_path / "everything.toml"
    found.write_text(TEXT, encoding="utf-8")
    return found


def _simulate(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return tidings("simulate", *arguments)


@pytest.mark.slow
def test_a_swarm_is_shared_out_among_the_files(file: Path) -> None:
    """Six worlds around two files are three around each; none of them is held against what its file expects."""
    other = file.with_name("other.toml")
    other.write_text(TEXT.replace("count = 24", "count = 25"), encoding="utf-8")
    done = _simulate(file, other, "--swarm", "--runs", "6", "--json")
    runs = json.loads(done.stdout)["runs"]
    assert [(Path(run["file"]).name, run["seed"]) for run in runs] == [
        (name, seed) for name in ("everything.toml", "other.toml") for seed in (1, 2, 3)
    ]
    assert all(run["unmet"] == [] for run in runs)


@pytest.mark.slow
def test_a_world_of_the_swarm_can_be_run_alone(file: Path) -> None:
    """With --swarm and a seed, the same world gives the same log, and is told in full."""
    many = json.loads(_simulate(file, "--swarm", "--runs", "4", "--json").stdout)["runs"]
    one = json.loads(_simulate(file, "--swarm", "--seed", "3", "--json").stdout)["runs"]
    assert one[0]["digest"] == many[2]["digest"]
    assert "A little of everything (seed 3)" in _simulate(file, "--swarm", "--seed", "3").stdout


@pytest.mark.slow
def test_marks_that_no_run_reached_are_a_failure(file: Path) -> None:
    """Exit 1 where a mark is missing, which is named."""
    done = _simulate(file, "--swarm", "--runs", "2", "--marks")
    assert done.returncode == 1
    assert "marks reached" in done.stdout
    assert "never reached: " in done.stdout


@pytest.mark.slow
def test_a_sweep_tells_how_often_it_crashed(file: Path) -> None:
    """Exit 0; one crash at each boundary of the run."""
    file.write_text(TEXT.replace("count = 12", "count = 2").replace("count = 24", "at_least = 1"), encoding="utf-8")
    done = _simulate(file, "--crash-sweep")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 seeds hold, " in done.stdout
    assert "crashes at boundaries" in done.stdout


@pytest.mark.slow
def test_a_failure_is_shrunk_to_a_file_that_fails_alike(file: Path, tmp_path: Path) -> None:
    """The smallest file has what is expected, and whom it is expected of; the printed command runs it: exit 1."""
    file.write_text(TEXT.replace('"accepted"\ncount = 24', '"dead"\nat_least = 1'), encoding="utf-8")
    out = tmp_path / "small.toml"
    done = _simulate(file, "--shrink", out)
    assert done.returncode == 1
    assert f"Run it with: tidings simulate {out}" in done.stdout
    again = _simulate(out)
    assert again.returncode == 1
    assert "expect[0]: dead: 0, expected at least 1" in again.stdout
    assert out.read_text().count("[[arrive]]") == 1


@pytest.mark.slow
def test_a_run_is_written_down_where_somebody_asks(file: Path, tmp_path: Path) -> None:
    """The file has the same log as the run, and nothing to shrink is said to be nothing."""
    out = tmp_path / "written.toml"
    whole = json.loads(_simulate(file, "--materialise", out, "--json").stdout)["runs"][0]
    assert json.loads(_simulate(out, "--json").stdout)["runs"][0]["digest"] == whole["digest"]
    done = _simulate(file, "--shrink", tmp_path / "none.toml")
    assert done.returncode == 0
    assert "nothing to shrink" in done.stderr
    assert not (tmp_path / "none.toml").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--crash-sweep", "--swarm"], "neither --runs nor --swarm"),
        pytest.param(["--crash-again"], "--crash-again goes with --crash-sweep", marks=pytest.mark.slow),
        pytest.param(["--marks"], "--marks goes with --swarm", marks=pytest.mark.slow),
        pytest.param(["--runs", "3", "--materialise", "out"], "--materialise writes one run", marks=pytest.mark.slow),
    ],
)
def test_ways_of_exploring_that_do_not_go_together_are_misuse(arguments: list[str], words: str, file: Path) -> None:
    """Exit 2, with what goes together instead."""
    done = _simulate(file, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
