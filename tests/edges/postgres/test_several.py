"""Answers for a daemon that stands by beside the one that acts: whoever asks it need not know which it is."""

import signal
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, cast
from urllib.parse import urlsplit

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapters.cli.ending import Ended
from adapters.cli.remote import Answer, Daemon
from tests.edges.cli.processes import PATIENCE_S, Notes, Served, serving, started, tidings
from tests.edges.cli.test_hooks import post as post_hook
from tests.edges.postgres.several import CONFIG, acts, of_tenant, one_that_acts, one_that_stands_by
from tests.edges.postgres.test_daemon import send

pytestmark = pytest.mark.slow


def figures(served: Served) -> dict[str, float]:
    """The figures of a daemon that have no labels, and the names of the others."""
    parts = urlsplit(served.url)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE_S)
    key = (served.data / "admin.key").read_text().strip()
    connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {key}", "Tidings-Tenant": "*"})
    page = connection.getresponse().read().decode()
    connection.close()
    samples = (sample for family in text_string_to_metric_families(page) for sample in family.samples)
    return {sample.name: sample.value for sample in samples}


def batch(served: Served, count: int) -> list[dict[str, object]]:
    """What a batch of so many messages is answered with, line by line."""
    parts = urlsplit(served.url)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE_S)
    key = (served.data / "admin.key").read_text().strip()
    mail = {"channel": "email", "content": {"subject": "Many", "text": "Hello"}}
    lines = [msgspec.json.encode(mail | {"to": f"p{n}@example.com", "idempotency_key": f"k{n}"}) for n in range(count)]
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"}
    connection.request("POST", "/v1/messages/batch", b"\n".join(lines), headers)
    answers = [msgspec.json.decode(line) for line in connection.getresponse().read().splitlines()]
    connection.close()
    return answers


def test_what_one_daemon_takes_in_another_sends(tmp_path: Path, postgres_url: str) -> None:
    """A message, a batch and a hook that came to the one that stands by are shown there at once, and delivered."""
    with (
        one_that_acts(tmp_path, postgres_url) as acting,
        one_that_stands_by(tmp_path, postgres_url, acting) as standing,
    ):
        assert any(line.startswith("  stands by  ") for line in standing.printed)
        message = send(standing, 1)
        shown = of_tenant(standing).get("v1", "messages", message)
        assert shown["status"] in {"queued", "sending", "sent"}
        events = cast("list[Answer]", of_tenant(standing).get("v1", "messages", message, "events")["events"])
        assert events[0]["type"] == "MessageAccepted"
        status, hook = post_hook(standing, "stripe", {"id": "evt_1"})
        assert (status, hook["taken"]) == (200, 1)
        assert post_hook(acting, "stripe", {"id": "evt_1"})[1]["duplicates"] == 1
        answers = batch(standing, 20)
        assert all(str(answer["id"]).startswith("msg_") for answer in answers)
        repeated = batch(acting, 20)
        assert [answer["id"] for answer in repeated] == [answer["id"] for answer in answers]
        assert all(answer["duplicate"] for answer in repeated)
        for stream in (message, str(hook["id"]), str(answers[-1]["id"])):
            standing.wait_for("AttemptTaken", stream=stream)
        assert standing.stop() == 0
        assert acts(acting)
        assert acting.stop() == 0


def test_a_daemon_that_stands_by_tells_of_itself_only(tmp_path: Path, postgres_url: str) -> None:
    """Figures of the installation come from the one that acts, so that a sum over all daemons is right."""
    with (
        one_that_acts(tmp_path, postgres_url) as acting,
        one_that_stands_by(tmp_path, postgres_url, acting) as standing,
    ):
        told, other = figures(acting), figures(standing)
        assert (told["tidings_acting"], other["tidings_acting"]) == (1, 0)
        assert (told["tidings_ready"], other["tidings_ready"]) == (1, 1)
        assert {"tidings_lane_depth", "tidings_conversations_awake"} <= told.keys() - other.keys()


def test_every_other_call_is_answered_by_the_one_that_acts(tmp_path: Path, postgres_url: str) -> None:
    """Lanes, messages, devices and keys are changed through either, and the next call there sees the change."""
    with (
        one_that_acts(tmp_path, postgres_url) as acting,
        one_that_stands_by(tmp_path, postgres_url, acting) as standing,
    ):
        through, everywhere = of_tenant(standing), standing.daemon
        assert everywhere.post("v1", "lanes", "mail", "pause")["paused_by"] == "operator"
        assert everywhere.get("v1", "lanes") == acting.daemon.get("v1", "lanes")
        message = send(standing, 1)
        assert through.get("v1", "messages", message)["status"] == "held"
        # What was just taken in is found by its id at once, in lists and counts with its first event.
        standing.wait_for("MessageAccepted", stream=message)
        (listed,) = cast("list[Answer]", through.get("v1", "messages", status="held", lane="mail")["messages"])
        assert listed["id"] == message
        assert through.get("v1", "stats")["by_status"] == {"held": 1}
        assert through.post("v1", "messages", message, "cancel")["status"] == "cancelled"
        with pytest.raises(Ended, match="cannot be cancelled"):
            through.post("v1", "messages", message, "cancel")
        with pytest.raises(Ended, match="cannot be redriven"):
            through.post("v1", "messages", message, "redrive")
        with pytest.raises(Ended, match="no lane is called 'post'"):
            everywhere.post("v1", "lanes", "post", "pause")
        assert everywhere.post("v1", "lanes", "mail", "resume")["paused_by"] is None
        sent = send(standing, 2)
        standing.wait_for("AttemptTaken", stream=sent)
        explained, there = (daemon.get("v1", "messages", sent, "explain") for daemon in (through, of_tenant(acting)))
        assert explained | {"at": None} == there | {"at": None}


def test_keys_are_the_same_everywhere(tmp_path: Path, postgres_url: str) -> None:
    """A key that was made through one daemon opens the other at once, and no more than its role allows."""
    with (
        one_that_acts(tmp_path, postgres_url) as acting,
        one_that_stands_by(tmp_path, postgres_url, acting) as standing,
    ):
        made = acting.daemon.post("v1", "keys", body={"role": "read", "tenant": "default"})
        reader = Daemon(standing.url, str(made["secret"]), None)
        assert reader.get("v1", "stats")["messages"] == 0
        with pytest.raises(Ended, match="role operate"):
            reader.post("v1", "lanes", "mail", "pause")
        standing.daemon.delete("v1", "keys", str(made["id"]))
        with pytest.raises(Ended, match="key"):
            reader.get("v1", "stats")
        with pytest.raises(Ended, match="key"):
            Daemon(standing.url, "tk_of_nobody", None).post("v1", "lanes", "mail", "pause")


def test_a_daemon_with_another_key_does_not_stand_by(tmp_path: Path, postgres_url: str) -> None:
    """It would find no address and no key again, and ends with words that say so."""
    other = CONFIG + f'[store]\ninstallation_key = "{"ab" * 32}"\n'
    with one_that_acts(tmp_path, postgres_url) as acting:
        (tmp_path / "two").mkdir()
        file = tmp_path / "two" / "tidings.toml"
        file.write_text(other)
        ended = tidings(
            *("serve", "--data", str(tmp_path / "two" / "data"), "--config", str(file), "--listen", "127.0.0.1:0"),
            environ={"TIDINGS_STORE__URL": postgres_url},
        )
        assert ended.returncode == 1
        (said,) = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
        assert "is not the one that the log" in said
        assert "abab" not in ended.stderr
        assert acts(acting)


def test_a_daemon_that_stands_by_takes_up_its_file_again(tmp_path: Path, postgres_url: str) -> None:
    """SIGHUP reads the configuration: mistakes are told and change nothing, a new source of hooks is there."""
    with (
        one_that_acts(tmp_path, postgres_url) as acting,
        one_that_stands_by(tmp_path, postgres_url, acting) as standing,
    ):
        file = tmp_path / "two" / "tidings.toml"
        file.write_text(CONFIG + "[lanes.mail2]\n")
        standing.process.send_signal(signal.SIGHUP)
        standing.notes.wait_for("reload_refused")
        file.write_text(CONFIG.replace("hooks.stripe", "hooks.other"))
        standing.process.send_signal(signal.SIGHUP)
        standing.notes.wait_for("reloaded")
        assert post_hook(standing, "stripe", {"id": "evt_1"})[0] == 404
        assert acting.stop() == 0
        standing.notes.wait_for("ready")
        status, _ = post_hook(standing, "other", {"id": "evt_2"})
        assert status == 200
        assert standing.stop() == 0


def test_two_that_start_together_agree(tmp_path: Path, postgres_url: str) -> None:
    """On an empty database one of them begins the log and the other stands by, under the key that both were given."""
    environ = {"TIDINGS_STORE__URL": postgres_url, "TIDINGS_STORE__INSTALLATION_KEY": "ab" * 32}
    one = started(tmp_path / "one", environ=environ)
    notes = Notes(cast("IO[str]", one.stderr))
    try:
        with serving(tmp_path / "two", environ=environ) as two:
            is_second = any(line.startswith("  stands by  ") for line in two.printed)
            notes.wait_for("ready" if is_second else "standing_by")
            made = [(tmp_path / name / "admin.key").exists() for name in ("one", "two")]
            assert made == [is_second, not is_second]
            assert two.stop() == 0
        notes.wait_for("ready")
        one.terminate()
        assert one.wait(PATIENCE_S) == 0
    finally:
        one.kill()
        one.wait(PATIENCE_S)
        notes.join()
        cast("IO[str]", one.stdout).close()
    assert tidings("verify", "--store", postgres_url).returncode == 0
