"""Answers for a daemon's life on PostgreSQL while it is alone there."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from adapters.cli.remote import Daemon
from tests.edges.cli.processes import Served, serving, tidings

pytestmark = pytest.mark.slow


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
        assert served.daemon.get("health", "ready") == {"status": "ready", "reasons": [], "acts": True}
        assert not [line for line in served.printed if line.startswith("  stands by")]
        assert served.stop() == 0
    with serving(data, environ=environ) as served:
        assert served.daemon.get("v1", "messages", message)["status"] == "sent"
        assert served.stop() == 0
    checked = tidings("verify", "--store", postgres_url, "--json")
    assert checked.returncode == 0, checked
    assert '"messages":1' in checked.stdout
    assert not list(data.glob("tidings.db*"))


def test_the_key_of_a_log_is_not_made_twice(tmp_path: Path, postgres_url: str) -> None:
    """A directory without the log's installation key cannot serve it: another key would find nothing again."""
    with serving(tmp_path / "one", environ={"TIDINGS_STORE__URL": postgres_url}) as served:
        assert served.stop() == 0
    assert "its installation key" in refused(tmp_path / "two", postgres_url)
    assert not list((tmp_path / "two").iterdir())
