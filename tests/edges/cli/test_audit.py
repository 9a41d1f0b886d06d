"""Answers for the commands of an auditor: seal, check, search, export, rebuild, each as a process on a real log."""

import json
import re
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import anyio
import pytest

from core.ids import encode
from eventstore.sqlite.log import SqliteLog
from tests.contracts.scribe import Scribe
from tests.contracts.test_log_integrity import lived
from tests.edges.cli.processes import tidings

pytestmark = pytest.mark.slow


class Logged:
    """The directory of a log that no daemon has open: twelve messages of one tenant."""

    def __init__(self, data: Path) -> None:
        self.data, self.file = data, data / "tidings.db"
        self.streams: list[int] = []

    async def write(self) -> None:
        """Makes the log."""
        log = await SqliteLog.open(self.file)
        self.streams = await lived(log, Scribe())
        await log.close()

    def told(self, *arguments: str) -> str:
        """What a command that succeeds prints."""
        ended = tidings(*arguments, "--data", str(self.data))
        assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
        return ended.stdout

    def refused(self, *arguments: str, status: int = 1) -> str:
        """What a command prints that ends with this status."""
        ended = tidings(*arguments, "--data", str(self.data))
        assert ended.returncode == status, ended.stderr
        return ended.stdout + ended.stderr

    def changed(self, statement: str) -> None:
        """Changes the file behind the log's back."""
        with closing(sqlite3.connect(self.file)) as connection:
            assert connection.execute(statement).rowcount > 0
            connection.commit()

    def events(self, *arguments: str) -> list[dict[str, object]]:
        """The events that `log` prints as JSON."""
        lines = self.told("log", "--store", str(self.file), *arguments).splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture
def logged(tmp_path: Path) -> Logged:
    """A log with life in it."""
    found = Logged(tmp_path)
    anyio.run(found.write)
    return found


def test_a_seal_is_made_kept_and_checked(logged: Logged) -> None:
    """The first seal makes a key for its owner alone; verify counts checkpoints, and says where one does not hold."""
    assert "checkpoint 1 seals events 1 to 34" in logged.told("seal")
    key = logged.data / "tidings.db.seal.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert "nothing to seal since checkpoint 1" in logged.told("seal")
    assert json.loads(logged.told("verify", "--json"))["checkpoints"] == 1
    kept = logged.data / "elsewhere.seals"
    kept.write_bytes((logged.data / "tidings.db.seals").read_bytes())
    public = (logged.data / "tidings.db.seal.pub").read_text().strip()

    key.unlink()
    assert "put the key file back" in logged.refused("seal")
    logged.changed("DELETE FROM event WHERE pos = (SELECT max(pos) FROM event)")
    (logged.data / "tidings.db.seals").unlink()
    assert "checkpoint 1 seals 34 events" in logged.refused("verify", "--seals", str(kept), "--public-key", public)
    kept.write_text("")
    assert "holds no checkpoint" in logged.refused("verify", "--seals", str(kept), "--public-key", public)


def test_an_excerpt_is_checked_with_the_public_key_alone(logged: Logged, tmp_path: Path) -> None:
    """Whoever has the excerpt and the key needs no log; one changed digit, or another key, and it proves nothing."""
    message = encode("msg", logged.streams[4])
    assert "run `tidings seal` first" in logged.refused("seal", "--export", message)
    logged.told("seal")
    shown = logged.told("seal", "--export", message)
    public = (logged.data / "tidings.db.seal.pub").read_text().strip()
    place, outside = tmp_path / "excerpt.json", str(tmp_path / "nowhere")
    place.write_text(shown)
    checked = tidings("seal", "--check", str(place), "--public-key", public, "--data", outside)
    assert checked.returncode == 0, checked.stderr
    assert f"{message}: 5 events: proved" in checked.stdout
    body = re.search(r'"body": "([0-9a-f]+)"', shown)
    assert body is not None
    place.write_text(shown.replace(body[1], "7b", 1))
    assert "was not in the log that was sealed" in logged.refused("seal", "--check", str(place), "--public-key", public)
    place.write_text(shown.replace('"at_us": 17', '"at_us": 18', 1))
    changed = tidings("seal", "--check", str(place), "--public-key", public, "--data", outside)
    assert changed.returncode == 1
    assert "was not in the log that was sealed" in changed.stdout
    assert "no message's id" in logged.refused("seal", "--export", "nobody", status=2)
    with closing(sqlite3.connect(logged.file)) as connection:
        (device,) = connection.execute("SELECT stream FROM head WHERE kind = 'device'").fetchone()
    assert "knows nothing of" in logged.refused("seal", "--export", encode("msg", device))


def test_the_log_answers_to_questions(logged: Logged) -> None:
    """Each filter gives what it says, all of them together give what all of them say, and none needs a daemon."""
    everything = logged.events("--json")
    assert len(everything) == 34
    assert len(logged.events("--json", "--type", "MessageAccepted", "--type", "AttemptFailed")) == 18
    message = encode("msg", logged.streams[4])
    of_message = logged.events("--json", "--stream", message)
    assert [event["version"] for event in of_message] == [1, 2, 3, 4, 5]
    conversation = next(e["data"]["conversation"] for e in of_message if e["version"] == 1)  # type: ignore[index]  # An object.
    of_conversation = logged.events("--json", "--conversation", str(conversation))
    assert {event["stream"] for event in of_conversation} == {encode("msg", logged.streams[n]) for n in (4, 9)}
    since = str(of_message[2]["at"])
    later = logged.events("--json", "--since", since)
    assert later == [event for event in everything if str(event["at"]) >= since]
    assert logged.events("--json", "--until", since) == everything[: len(everything) - len(later)]
    assert len(logged.events("--json", "--tenant", "org1", "--channel", "email", "--lane", "mail")) == 33
    assert logged.events("--json", "--tenant", "org9") == []
    assert "no kind of event" in logged.refused("log", "--type", "Nothing", status=2)
    assert "no instant" in logged.refused("log", "--since", "noon", status=2)
    assert "ask a daemon" in logged.refused("log", "--lane", "mail", "--follow", status=2)


def test_the_log_is_exported_as_cloud_events(logged: Logged) -> None:
    """Each line has the attributes that CloudEvents 1.0 asks for, in their forms, and no event is named twice."""
    events = logged.events("--format", "cloudevents", "--source", "https://tidings.example.com")
    assert len({(event["source"], event["id"]) for event in events}) == len(events) == 34
    for event in events:
        assert event["specversion"] == "1.0"
        assert event["source"] == "https://tidings.example.com"
        assert str(event["type"]).startswith("tidings.")
        assert str(event["id"]) == f"{event['subject']}/{str(event['id']).partition('/')[2]}"
        assert datetime.fromisoformat(str(event["time"])).tzinfo is not None
        assert event["datacontenttype"] == "application/json"
        assert isinstance(event["data"], dict)
        assert all(name.isascii() and name.islower() and name.isalnum() for name in event)
    assert "peer" not in json.dumps(events)
    assert "--source" in logged.refused("log", "--format", "cloudevents", "--source", "", status=2)


def test_a_rebuild_replaces_the_file_whole(logged: Logged) -> None:
    """What follows from events is made again in a new file of the same mode; damaged events are refused unchanged."""
    logged.changed("UPDATE head SET status = 'dead' WHERE kind = 'msg'")
    logged.changed("DELETE FROM tally")
    before = logged.file.stat().st_ino
    assert json.loads(logged.told("rebuild", "--json")) == {"messages": 12, "changed": 12, "dropped": 0}
    assert logged.file.stat().st_ino != before
    assert logged.file.stat().st_mode & 0o777 == 0o600
    assert "sound" in logged.told("verify")
    assert sorted(one.name for one in logged.data.iterdir() if not one.name.endswith(("-shm", "-wal"))) == [
        "tidings.db", "tidings.db.lock"
    ]  # fmt: skip  # Two names.

    logged.changed("UPDATE event SET cause = 5 WHERE pos = 3")
    inode, found = logged.file.stat().st_ino, logged.refused("verify")
    assert "nothing was changed" in logged.refused("rebuild")
    assert (logged.file.stat().st_ino, logged.refused("verify")) == (inode, found)
