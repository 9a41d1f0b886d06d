"""Answers for commands in broken surroundings: one clear line and a status, and never a stack trace."""

import os
from pathlib import Path

import pytest

from eventstore.sqlite.log import SqliteLog
from tests.contracts.scribe import Scribe
from tests.contracts.test_log_integrity import damaged
from tests.edges.cli.processes import PATIENCE_S, clean, tidings
from tests.forking.programs import Program

FULL = Path("/dev/full")
# Its name is longer than what is held back for a pipe, so whoever prints it hears that nobody reads.
_A_WORLD = f"""
name = "NAME {"x" * 10_000}"
why = "Two letters arrive."
start = 2026-01-30T08:00:00Z
runs_for = "1m"

[[arrive]]
channel = "email"
to = "reader{{n}}@example.com"
count = 2

[[expect]]
that = "delivered"
count = EXPECTED
"""


@pytest.mark.parametrize("arguments", [("--version",), ("check", "--json"), ("simulate", "{quiet_day}")])
@pytest.mark.skipif(not FULL.exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_behind_the_output_is_told(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """What cannot be printed to its last byte ends with 1 and says why, however little it was."""
    quiet_day = Path(__file__).parents[3] / "scenarios" / "quiet_day.toml"
    words = [word.replace("{quiet_day}", str(quiet_day)) for word in arguments]
    with FULL.open("w") as full, (tmp_path / "said").open("w") as said:
        program = Program(words, environ=clean(), output=full, errors=said, cwd=tmp_path)
        assert program.wait(PATIENCE_S) == 1
    assert (tmp_path / "said").read_text() == "tidings: No space left on device.\n"


@pytest.mark.parametrize("lanes", [1, 400])
def test_whoever_has_read_enough_may_go(lanes: int, tmp_path: Path) -> None:
    """A reader that leaves early, such as `head`, ends a command with 0 and without a word, however much is left."""
    text = "".join(f"[lanes.mail{n}]\nchannel = 'email'\nprovider = 'sandbox'\n" for n in range(lanes))
    (tmp_path / "tidings.toml").write_text(text)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as output, (tmp_path / "said").open("w") as said:
        words = ["check", "--config", str(tmp_path / "tidings.toml")]
        program = Program(words, environ=clean(), output=output, errors=said, cwd=tmp_path)
        assert program.wait(PATIENCE_S) == 0
    assert (tmp_path / "said").read_text() == ""


@pytest.mark.anyio
@pytest.mark.parametrize("started", [1, 100])
async def test_a_fault_is_one_though_nobody_reads_of_it(started: int, tmp_path: Path) -> None:
    """`verify` of a damaged log ends with 1 where its reader leaves early: 0 would call the log sound."""
    log, scribe = await SqliteLog.open(tmp_path / "tidings.db"), Scribe()
    for number in range(started):
        acceptance = scribe.acceptance(f"peer{number}")
        await log.accept(acceptance)
        await log.append(scribe.start(acceptance.sealed.stream))
    await log.close()
    damaged(tmp_path / "tidings.db", "UPDATE head SET attempts = 5")
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as output, (tmp_path / "said").open("w") as said:
        words = ["verify", "--store", str(tmp_path / "tidings.db")]
        program = Program(words, environ=clean(), output=output, errors=said, cwd=tmp_path)
        assert program.wait(PATIENCE_S) == 1
    assert (tmp_path / "said").read_text() == ""


@pytest.mark.parametrize("form", [(), ("--json",)])
@pytest.mark.parametrize(("expected", "status"), [(2, 0), (3, 1)])
def test_what_fails_has_failed_though_nobody_reads_of_it(
    form: tuple[str, ...], expected: int, status: int, tmp_path: Path
) -> None:
    """`simulate` runs all of its files where its reader leaves early: 0 still says that all of it held."""
    for name, count in (("first", 2), ("last", expected)):
        text = _A_WORLD.replace("NAME", name).replace("EXPECTED", str(count))
        (tmp_path / f"{name}.toml").write_text(text)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as output, (tmp_path / "said").open("w") as said:
        words = ["simulate", *["first.toml"] * 30, "last.toml", *form]
        program = Program(words, environ=clean(), output=output, errors=said, cwd=tmp_path)
        assert program.wait(PATIENCE_S) == status
    assert (tmp_path / "said").read_text() == ""


def test_a_path_that_cannot_be_looked_at_is_told(tmp_path: Path) -> None:
    """Where the machine itself refuses a file, its words are the line."""
    ended = tidings("verify", "--store", "a" * 300, cwd=tmp_path)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("tidings: ")
    assert "a" * 300 in line


@pytest.mark.parametrize(
    ("option", "value"),
    [("--key", "two\nlines"), ("--key", "ключ"), ("--key", ""), ("--tenant", "арендатор"), ("--tenant", "")],
)
def test_what_no_header_can_carry_is_misuse(option: str, value: str, tmp_path: Path) -> None:
    """A key or a tenant of other characters ends with 2; an empty key is never replaced by an administrator's."""
    (tmp_path / "admin.key").write_text("tk_0")
    ended = tidings("list", option, value, "--data", tmp_path, "--url", "http://127.0.0.1:1")
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"tidings: {option} is no ")


def test_a_key_file_that_holds_something_else_is_named(tmp_path: Path) -> None:
    """A key file with what no header can carry is called that, and its content is not shown."""
    (tmp_path / "admin.key").write_text("two\nlines")
    ended = tidings("list", "--data", tmp_path, "--url", "http://127.0.0.1:1")
    assert ended.returncode == 1
    assert ended.stderr == f"tidings: The key file {tmp_path / 'admin.key'} holds no API key.\n"


def test_a_key_variable_without_a_value_is_none(tmp_path: Path) -> None:
    """TIDINGS_KEY set to nothing is as good as not set."""
    (tmp_path / "admin.key").write_text("tk_0")
    ended = tidings("list", "--data", tmp_path, "--url", "http://127.0.0.1:1", environ={"TIDINGS_KEY": ""})
    assert "No daemon answers" in ended.stderr


def test_a_channel_that_there_is_not_is_misuse(tmp_path: Path) -> None:
    """`log` says which channels there are, instead of finding nothing."""
    ended = tidings("log", "--channel", "fax", "--data", tmp_path)
    assert ended.returncode == 2
    assert ended.stderr == "tidings: --channel fax is none of email, whatsapp, push, webhook, hook.\n"
