"""Answers for the commands that read the log itself: replay to any instant, the full check, and rebuilding."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from adapters.cli.remote import Answer
from core.events import CircuitOpened
from eventstore.codec import encode
from tests.edges.cli.processes import Served, serving, tidings

pytestmark = pytest.mark.slow

CONFIG = """
[lanes.mail]
channel = "email"
provider = "sandbox"
[[lanes.mail.sandbox.misbehave]]
match = "gone@*"
outcome = "permanent"
code = "550 5.1.1"
"""


class Past:
    """The log of a daemon that has ended: one message went out, then one died."""

    def __init__(self, served: Served) -> None:
        self.data = served.data
        send = ("send", "email")
        self.sent = str(served.told(*send, "ann@example.com", "--subject", "s", "--text", "t")["id"])
        self.taken = served.wait_for("AttemptTaken", stream=self.sent)
        self.dead = str(served.told(*send, "gone@example.com", "--subject", "s", "--text", "t")["id"])
        self.died = served.wait_for("MessageDead", stream=self.dead)
        accepted = served.wait_for("MessageAccepted", stream=self.dead)
        self.conversation = str(cast("Answer", accepted["data"])["conversation"])
        self.accepted_at = str(accepted["at"])

    def ask(self, *arguments: str) -> Answer:
        """The JSON answer of a command that reads this log."""
        ended = tidings(*arguments, "--data", str(self.data), "--json")
        assert ended.stderr == "", ended.stderr
        return cast("Answer", json.loads(ended.stdout))


@pytest.fixture
def past(tmp_path: Path) -> Past:
    """The log of a daemon that ran and stopped."""
    with serving(tmp_path / "data", config=CONFIG) as served:
        done = Past(served)
        assert served.stop() == 0
    return done


def test_any_instant_is_replayed(past: Past) -> None:
    """At the end both messages are over, at the second one's acceptance it was waiting, before both there is none."""
    assert past.ask("replay")["by_status"] == {"sent": 1, "dead": 1}
    assert past.ask("replay", "--at", past.accepted_at)["by_status"] == {"sent": 1, "queued": 1}
    assert past.ask("replay", "--at", "2025-01-01T00:00:00Z")["by_status"] == {}
    printed = tidings("replay", "--data", str(past.data)).stdout
    assert "dead" in printed
    assert "mail" in printed


def test_one_conversation_is_replayed(past: Past) -> None:
    """A conversation's messages are shown as they were at the instant, and an unknown one is said to be unknown."""
    then = past.ask("replay", "--conversation", past.conversation, "--at", past.accepted_at)
    now = past.ask("replay", "--conversation", past.conversation)
    assert [(one["id"], one["status"]) for one in cast("list[Answer]", then["messages"])] == [(past.dead, "queued")]
    assert [(one["id"], one["status"]) for one in cast("list[Answer]", now["messages"])] == [(past.dead, "dead")]
    unknown = tidings("replay", "--data", str(past.data), "--conversation", "conv_0000000000009")
    assert (unknown.returncode, "knows nothing of" in unknown.stderr) == (1, True)
    for wrong in (("--conversation", "nonsense"), ("--at", "yesterday"), ("--store", "postgresql://x")):
        assert tidings("replay", "--data", str(past.data), *wrong).returncode == 2


def test_a_circuit_is_told_as_of_the_instant(past: Past) -> None:
    """One whose time is not over is open; afterwards it is half-open, and nothing says that it is open until then."""
    name, schema_version, body = encode(CircuitOpened(until_us=4_102_444_800_000_000, streak=5, openings=1))
    with closing(sqlite3.connect(past.data / "tidings.db")) as connection:
        connection.execute(
            "INSERT INTO event SELECT pos + 1, shard, 1, 9, 1, ?, ?, at_us, tenant, 0, ?, link FROM event"
            " ORDER BY pos DESC LIMIT 1",
            (name, schema_version, body),
        )
        connection.commit()
    data = ("--data", str(past.data))
    assert "is open until 2100-01-01 00:00:00 UTC." in tidings("replay", *data).stdout
    assert "half-open since 2100-01-01 00:00:00 UTC." in tidings("replay", *data, "--at", "2100-01-01T00:00:00Z").stdout


def test_a_sound_log_verifies_beside_its_daemon(past: Past) -> None:
    """verify finds nothing in a sound log, whether a daemon runs on it or not, and leaves it as it is."""
    report = past.ask("verify")
    assert report["sound"] is True
    assert report["messages"] == 2
    with serving(past.data, config=CONFIG) as served:
        served.told("send", "email", "ann@example.com", "--subject", "s", "--text", "t")
        assert past.ask("verify", "--store", str(past.data / "tidings.db"))["messages"] == 3
        assert past.ask("verify", "--store", "sqlite:///tidings.db")["messages"] == 3


def test_a_changed_event_is_found(past: Past) -> None:
    """One byte changed in one event ends verify with status 1 and a line that names the event."""
    connection = sqlite3.connect(past.data / "tidings.db")
    connection.execute("UPDATE event SET tenant = 'somebody' WHERE type = 'MessageDead'")
    connection.commit()
    connection.close()
    ended = tidings("verify", "--data", str(past.data))
    assert ended.returncode == 1
    assert "shard" in ended.stdout.splitlines()[0]


def test_heads_are_made_again(past: Past) -> None:
    """A wrong head is found by verify and mended by rebuild, which a running daemon refuses."""
    connection = sqlite3.connect(past.data / "tidings.db")
    connection.execute("UPDATE head SET status = 'queued' WHERE status = 'dead'")
    connection.commit()
    connection.close()
    assert past.ask("verify")["sound"] is False
    assert past.ask("rebuild")["changed"] == 1
    assert past.ask("verify")["sound"] is True
    with serving(past.data, config=CONFIG):
        refused = tidings("rebuild", "--data", str(past.data))
        assert refused.returncode == 1
        assert "in use" in refused.stderr


def test_a_log_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    """Each command names the file that it looked for, and makes none."""
    for command in ("replay", "verify"):
        ended = tidings(command, "--data", str(tmp_path))
        assert ended.returncode == 1
        assert str(tmp_path / "tidings.db") in ended.stderr
    assert list(tmp_path.iterdir()) == []
