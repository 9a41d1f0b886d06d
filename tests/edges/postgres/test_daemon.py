"""Answers for a daemon's life on PostgreSQL: one at a time, never two, and none that does not know that it is dead."""

import signal
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from adapters.cli.remote import Daemon
from tests.edges.cli.processes import PATIENCE_S, Served, serving, tidings
from tests.edges.postgres.test_storms import AGE
from tests.postgres_server import Server

pytestmark = pytest.mark.slow

# Events whose owner came before the owner of the event before them.
FALLING = """
SELECT count(*) FROM (
  SELECT epoch < lag(epoch) OVER (PARTITION BY shard ORDER BY seq) AS falls FROM tidings.event
) AS each WHERE falls"""


def send(served: Served, number: int) -> str:
    """Accepts one message; its id."""
    mail = {"subject": f"Number {number}", "text": "Hello"}
    asked = Daemon(served.url, (served.data / "admin.key").read_text().strip(), "default")
    accepted = asked.post("v1", "messages", body={"channel": "email", "to": "a@example.com", "content": mail})
    return str(accepted["id"])


def refused(data: Path, url: str) -> str:
    """What a start that fails says; it must be one line that shows no secret."""
    ended = tidings("serve", "--data", str(data), "--listen", "127.0.0.1:0", environ={"TIDINGS_STORE__URL": url})
    assert ended.returncode == 1, ended
    lines = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert [line.partition(":")[0] for line in lines] == ["tidings"], ended.stderr
    assert "hunter2" not in ended.stderr
    return lines[0]


def test_a_daemon_serves_from_a_database(tmp_path: Path, postgres_url: str) -> None:
    """What was accepted is delivered, is there after a restart, and the log is sound; the directory holds keys only.

    The password of the database is shown nowhere.
    """
    parts = urlsplit(postgres_url)
    password = parts.password or "hunter2"
    netloc = f"{parts.username}:{password}@{parts.hostname}:{parts.port}"
    data, environ = tmp_path / "data", {"TIDINGS_STORE__URL": parts._replace(netloc=netloc).geturl()}
    with serving(data, environ=environ) as served:
        assert any("  log        postgresql://" in line for line in served.printed)
        assert not [line for line in (*served.printed, *served.notes.lines) if password in line]
        message = send(served, 1)
        served.wait_for("AttemptTaken")
        assert served.daemon.get("health", "ready")["status"] == "ready"
        assert served.stop() == 0
    with serving(data, environ=environ) as served:
        assert served.daemon.get("v1", "messages", message)["status"] == "sent"
        assert served.stop() == 0
    checked = tidings("verify", "--store", postgres_url, "--json")
    assert checked.returncode == 0, checked
    assert '"messages":1' in checked.stdout
    assert not list(data.glob("tidings.db*"))


def test_a_second_daemon_is_refused_while_the_first_lives(tmp_path: Path, postgres_url: str) -> None:
    """It is told how long ago the first was heard of, and the first goes on."""
    with serving(tmp_path / "one", environ={"TIDINGS_STORE__URL": postgres_url}) as served:
        line = refused(tmp_path / "two", postgres_url)
        assert "another daemon uses this database" in line
        assert "last heard of" in line
        assert served.daemon.get("health", "ready")["status"] == "ready"


def test_the_key_of_a_log_is_not_made_twice(tmp_path: Path, postgres_url: str) -> None:
    """A directory without the log's installation key cannot serve it: another key would find nothing again."""
    with serving(tmp_path / "one", environ={"TIDINGS_STORE__URL": postgres_url}) as served:
        assert served.stop() == 0
    assert "its installation key" in refused(tmp_path / "two", postgres_url)
    assert not list((tmp_path / "two").iterdir())


def test_a_frozen_daemon_writes_nothing_once_it_was_replaced(
    tmp_path: Path, postgres_server: Server, postgres_url: str
) -> None:
    """Woken after another has taken over, it appends nothing, says why, and ends; the other's log is sound."""
    data, environ = tmp_path / "data", {"TIDINGS_STORE__URL": postgres_url}
    with serving(data, environ=environ) as frozen:
        first = send(frozen, 1)
        frozen.wait_for("AttemptTaken")
        frozen.process.send_signal(signal.SIGSTOP)
        postgres_server.run(AGE, url=postgres_url)
        with serving(data, environ=environ) as other:
            second = send(other, 2)
            frozen.process.send_signal(signal.SIGCONT)
            assert frozen.process.wait(PATIENCE_S) == 1
            frozen.notes.join()
            said = [line for line in frozen.notes.lines if line.startswith("tidings: ")]
            assert len(said) == 1, frozen.notes.lines
            assert "another daemon took it over" in said[0]
            other.wait_for("AttemptTaken", stream=second)
            assert other.daemon.get("v1", "messages", first)["status"] == "sent"
            assert other.stop() == 0
    assert postgres_server.run(FALLING, url=postgres_url) == "0"
    assert tidings("verify", "--store", postgres_url).returncode == 0


def test_a_dead_daemon_is_replaced_after_its_silence(
    tmp_path: Path, postgres_server: Server, postgres_url: str
) -> None:
    """Killed, it is not replaced for as long as nobody can tell, and then it is; what it accepted is delivered."""
    data, environ = tmp_path / "data", {"TIDINGS_STORE__URL": postgres_url}
    with serving(data, environ=environ) as served:
        message = send(served, 1)
        assert served.stop(signal.SIGKILL) == -signal.SIGKILL
    assert "once it was silent for 15 s" in refused(data, postgres_url)
    postgres_server.run(AGE, url=postgres_url)
    with serving(data, environ=environ) as other:
        other.wait_for("AttemptTaken", stream=message)
        assert other.stop() == 0
