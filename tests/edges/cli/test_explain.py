"""Answers for `tidings explain`: the same words from a daemon and from its log, and statuses to rely on."""

import json
from pathlib import Path

import anyio
import pytest

from eventstore.sqlite.log import SqliteLog
from tests.edges.cli.processes import serving, tidings

pytestmark = pytest.mark.slow

CONFIG = """
[lanes.mail]
channel = "email"
provider = "sandbox"
"""


def test_a_message_is_explained_with_and_without_its_daemon(tmp_path: Path) -> None:
    """Who paused the lane and what resumes it is told by the daemon, by its log beside it, and by the log alone."""
    data = tmp_path / "data"
    with serving(data, config=CONFIG) as served:
        served.ask("pause", "mail")
        message = str(served.told("send", "email", "ann@example.com", "--subject", "s", "--text", "t")["id"])
        said = served.told("explain", message)
        assert said["says"] == "Lane mail is paused: a person paused it."
        printed = served.ask("explain", message).stdout
        beside = tidings("explain", message, "--store", str(data / "tidings.db"), "--json")
        assert served.stop() == 0
    alone = tidings("explain", message, "--store", str(data / "tidings.db"))
    assert "POST /v1/lanes/mail/resume" in printed
    # The last but for the instant of asking.
    assert printed.splitlines()[2:] == alone.stdout.splitlines()[2:]
    assert json.loads(beside.stdout) | {"at": said["at"]} == said


def test_what_cannot_be_explained_is_said_so(tmp_path: Path) -> None:
    """An unknown message ends with status 1, what is no id with 2, and no file is made."""
    with serving(tmp_path / "data", config=CONFIG) as served:
        served.told("send", "email", "ann@example.com", "--subject", "s", "--text", "t")
        assert served.ask("explain", "msg_0000000000009").returncode == 1
        assert served.stop() == 0
    log = ("--store", str(tmp_path / "data" / "tidings.db"))
    assert tidings("explain", "msg_0000000000009", *log).returncode == 1
    assert tidings("explain", "nonsense", *log).returncode == 2
    anyio.run(_begun, tmp_path / "empty.db")
    empty = tidings("explain", "msg_0000000000009", "--store", str(tmp_path / "empty.db"))
    assert (empty.returncode, "no such message" in empty.stderr) == (1, True)
    nowhere = tidings("explain", "msg_0000000000009", "--store", str(tmp_path / "tidings.db"))
    assert (nowhere.returncode, str(tmp_path / "tidings.db") in nowhere.stderr) == (1, True)


async def _begun(path: Path) -> None:
    """A log that no daemon ever started on."""
    await (await SqliteLog.open(path)).close()
