"""`tidings simulate`: what it prints, writes and answers with."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.edges.cli.processes import tidings

pytestmark = pytest.mark.slow

_SOUND = """\
name = "Two mails"
why = "They arrive."
start = 2026-01-30T08:00:00Z
runs_for = "1h"
seed = 4
[[arrive]]
count = 2
channel = "email"
to = "reader{n}@example.com"
[[expect]]
that = "delivered"
count = 2
"""
_UNSOUND = _SOUND.replace('that = "delivered"\ncount = 2', 'that = "delivered"\ncount = 3')


def _simulate(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return tidings("simulate", *arguments)


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """A file that holds."""
    file = tmp_path / "sound.toml"
    file.write_text(_SOUND)
    return file


@pytest.fixture
def unsound(tmp_path: Path) -> Path:
    """A file that expects too much."""
    file = tmp_path / "unsound.toml"
    file.write_text(_UNSOUND)
    return file


@pytest.mark.slow
def test_a_sound_run_is_told_with_its_timeline(sound: Path) -> None:
    """Exit 0; name, seed, a row a minute with anything in it, the ends of all messages, and that all laws hold."""
    done = _simulate(sound)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Two mails (seed 4)" in done.stdout
    assert "0m        2        2        2        0        0" in done.stdout
    assert "2 sent; the other side took 2" in done.stdout
    assert "All laws and expectations hold." in done.stdout


@pytest.mark.slow
def test_a_failure_is_told_with_the_command_that_replays_it(unsound: Path) -> None:
    """Exit 1; what was expected, what was seen, and a command that shows the same again."""
    done = _simulate(unsound, "--seed", "9")
    assert done.returncode == 1
    assert "expect[0]: delivered: 2, expected exactly 3" in done.stdout
    assert f"tidings simulate {unsound} --seed 9" in done.stdout


@pytest.mark.slow
def test_many_seeds_are_told_in_a_line_a_file(sound: Path, unsound: Path) -> None:
    """Exit 1 where one of them fails; failures that read alike are told once, with how often they happened."""
    done = _simulate(sound, unsound, "--runs", "12")
    assert done.returncode == 1
    assert f"{sound}: 12 seeds hold" in done.stdout
    assert f"{unsound}: 12 of 12 seeds FAILED" in done.stdout
    assert done.stdout.count("Run it again with") == 1
    assert "(12 runs)" in done.stdout


@pytest.mark.slow
def test_json_is_for_programs(sound: Path) -> None:
    """One object: whether all is well, and every run with its seed, its digest and its counts."""
    first, second = (json.loads(_simulate(sound, "--json", "--runs", "2").stdout) for _ in range(2))
    assert first == second
    assert first["ok"] is True
    assert [run["seed"] for run in first["runs"]] == [4, 5]
    assert {tuple(run["statuses"].items()) for run in first["runs"]} == {(("sent", 2),)}
    assert len({run["digest"] for run in first["runs"]}) == 2


@pytest.mark.slow
def test_a_trace_holds_the_whole_log(sound: Path, tmp_path: Path) -> None:
    """Every event is a line of JSON in the order of the log, with nothing in it that only the vault may hold."""
    out = tmp_path / "trace.jsonl"
    assert _simulate(sound, "--trace", out).returncode == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert lines[0]["type"] == "DaemonStarted"
    assert [line["type"] for line in lines].count("AttemptTaken") == 2
    assert {line["message"] for line in lines} == {None, "a1/1", "a1/2"}
    assert "reader" not in out.read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["FILE", "--runs", "0"], "--runs"),
        pytest.param(["FILE", "--runs", "3", "--trace", "out"], "do not go with --runs", marks=pytest.mark.slow),
        pytest.param(["FILE", "FILE", "--trace", "out"], "takes one file", marks=pytest.mark.slow),
        pytest.param(["gone.toml"], "does not exist", marks=pytest.mark.slow),
        pytest.param([], "FILE", marks=pytest.mark.slow),
    ],
)
def test_misuse_is_answered_with_what_was_expected(arguments: list[str], words: str, sound: Path) -> None:
    """Exit 2 and a clear line for arguments that cannot be meant."""
    done = _simulate(*(sound if argument == "FILE" else argument for argument in arguments))
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    """Exit 2; each mistake of each file on a line of its own that editors can jump to."""
    for name in ("one", "two"):
        (tmp_path / f"{name}.toml").write_text(_SOUND.replace("count = 2\nchannel", "count = 0\nchannel"))
    done = _simulate(tmp_path / "one.toml", tmp_path / "two.toml")
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"{tmp_path / 'one.toml'}:7: arrive[0].count: 0" in done.stderr
    assert f"{tmp_path / 'two.toml'}:7: arrive[0].count: 0" in done.stderr
