"""Answers for every start that fails: one clear line that says what, where and what to do, and nothing changed."""

import signal
import sqlite3
from pathlib import Path
from typing import IO, cast

import pytest

from tests.edges.cli.processes import PATIENCE_S, Notes, serving, started, tidings

BOX = '[lanes.mail]\nchannel = "email"\nprovider = "sandbox"\n'
FIVE = """\
[server]
listen = "localhost"
[lanes.mail]
channel = "email"
provider = "smtp"
smtp = { host = "127.0.0.1", port = 99999, from = "us@example.com" }
policy = { preset = "emial", limits = { tenant = "30/minute" } }
[hocks.stripe]
"""


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """The data directory of a daemon that ran and stopped."""
    data = tmp_path / "data"
    with serving(data) as served:
        assert served.stop() == 0
    return data


def start(data: Path, *arguments: str) -> str:
    """What a start that fails says; it must be one line, and no stack trace."""
    ended = tidings("serve", "--data", str(data), "--listen", "127.0.0.1:0", *arguments)
    assert ended.returncode == 1, ended
    assert ended.stdout == ""
    lines = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert [line.partition(":")[0] for line in lines] == ["tidings"], ended.stderr
    return lines[0]


def dump(file: Path) -> list[str]:
    """Everything that a database holds."""
    connection = sqlite3.connect(file)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


@pytest.mark.slow
def test_a_log_has_one_daemon(tmp_path: Path) -> None:
    """A second daemon on the same log is refused and told by whom; the first goes on."""
    data = tmp_path / "data"
    with serving(data) as served:
        line = start(data)
        assert f"process {served.process.pid}" in line
        assert "tidings.db is in use" in line
        assert served.daemon.get("health", "ready")["status"] == "ready"


@pytest.mark.slow
def test_a_log_of_a_newer_release_is_left_alone(stopped: Path) -> None:
    """A schema version from the future is refused with both versions, and nothing in it is changed."""
    file = stopped / "tidings.db"
    connection = sqlite3.connect(file)
    connection.execute("UPDATE meta SET value = 99 WHERE name = 'schema_version'")
    connection.commit()
    connection.close()
    before = dump(file)
    assert "schema version 99" in start(stopped)
    assert dump(file) == before


@pytest.mark.slow
def test_a_truncated_log_is_refused(stopped: Path) -> None:
    """A file that lost its end is called truncated, with both sizes, and is not touched."""
    file = stopped / "tidings.db"
    content = file.read_bytes()
    file.write_bytes(content[:20_000])
    line = start(stopped)
    assert "truncated" in line
    assert str(len(content)) in line
    assert file.stat().st_size == 20_000


@pytest.mark.slow
def test_a_file_that_is_no_log_is_refused(stopped: Path) -> None:
    """A text file in the log's place is named as such."""
    (stopped / "tidings.db").write_text("Dear diary, this is no database, although it is long enough to be one." * 9)
    assert "no log of Tidings" in start(stopped)


@pytest.mark.slow
def test_a_log_without_its_key_is_refused(stopped: Path) -> None:
    """Without the installation key nothing would be found again: the line names the file that is missing."""
    key = stopped / "tidings.db.key"
    kept = key.read_text()
    key.unlink()
    assert "tidings.db.key is missing" in start(stopped)
    assert not key.exists()
    key.write_text("not hexadecimal")
    assert "damaged" in start(stopped)
    key.write_text(kept)
    with serving(stopped) as served:
        assert served.stop() == 0


@pytest.mark.slow
def test_another_installation_key_is_refused(stopped: Path, tmp_path: Path) -> None:
    """A configured key that is not the one beside the store is refused before anything is looked up with it."""
    config = tmp_path / "tidings.toml"
    config.write_text(BOX + f'[store]\ninstallation_key = "{"ab" * 32}"\n')
    line = start(stopped, "--config", str(config))
    assert "tidings.db.key" in line
    assert "ab" * 32 not in line
    config.write_text(BOX + f'[store]\ninstallation_key = "{(stopped / "tidings.db.key").read_text().strip()}"\n')
    (stopped / "tidings.db.key").unlink()
    with serving(stopped, "--config", str(config)) as served:
        assert served.stop() == 0


@pytest.mark.slow
def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file where the directory should be: the line names it and the option that chooses another."""
    (tmp_path / "file").write_text("")
    line = start(tmp_path / "file" / "data")
    assert str(tmp_path / "file" / "data") in line
    assert "--data" in line


@pytest.mark.slow
def test_five_mistakes_stop_a_start_and_leave_nothing_behind(tmp_path: Path) -> None:
    """serve and check say the same about a wrong configuration: each mistake on a line of its own, status 1."""
    config = tmp_path / "tidings.toml"
    config.write_text(FIVE)
    for command in ("serve", "check"):
        ended = tidings(command, "--config", str(config), "--data", str(tmp_path / "data"))
        assert ended.returncode == 1
        *mistakes, last = ended.stderr.splitlines()
        assert [mistake.split(": ")[:2] for mistake in mistakes] == [
            [f"{config}:2", "server.listen"],
            [f"{config}:6", "lanes.mail.smtp.port"],
            [f"{config}:7", "lanes.mail.policy.limits.tenant"],
            [f"{config}:7", "lanes.mail.policy.preset"],
            [f"{config}:8", "hocks"],
        ]
        assert last == "tidings: The configuration has 5 mistakes."
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        pytest.param(("--listen", "nowhere"), marks=pytest.mark.slow),
        pytest.param(("--log-level", "loud"), marks=pytest.mark.slow),
        ("--config", "none.toml"),
        ("--colour",),
    ],
)  # fmt: skip  # One misuse a line.
def test_misuse_ends_with_status_two(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A command called in a way that cannot be meant ends with 2 and says why, and nothing is made."""
    ended = tidings(*(("serve", *arguments) if arguments else ("sevre",)), cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_signal_before_it_is_ready_ends_it_too(tmp_path: Path) -> None:
    """SIGTERM in the middle of a first start ends the process with status 0, and the next start is sound."""
    data = tmp_path / "data"
    process = started(data)
    notes = Notes(cast("IO[str]", process.stderr))
    try:
        notes.wait_for("lane")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        notes.join()
        cast("IO[str]", process.stdout).close()
    with serving(data) as served:
        assert served.told("keys", "list")["keys"]
        assert served.stop() == 0
