"""Answers for a daemon's life as its owner sees it: the first start, signals, reloads, and what is said on the way."""

import shlex
import signal
import stat
from datetime import UTC, datetime
from email import message_from_bytes
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, cast
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapters.cli.remote import Daemon
from tests.edges.cli.processes import PATIENCE_S, Notes, Served, serving, started, tidings

BOX = """
[lanes.mail]
channel = "email"
provider = "sandbox"
"""
CALLS = """
[lanes.calls]
channel = "webhook"
provider = "webhook"
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory that does not exist yet."""
    return tmp_path / "data"


def run_curl(line: str) -> tuple[int, bytes]:
    """What the shell and curl would do with a printed line, without needing either."""
    command, url, *options = shlex.split(_substituted(line))
    assert command == "curl"
    headers = dict(
        value.split(": ", 1) for option, value in zip(options[::2], options[1::2], strict=True) if option == "-H"
    )
    (body,) = (value for option, value in zip(options[::2], options[1::2], strict=True) if option == "-d")
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = HTTPConnection(parts.hostname, parts.port, timeout=30)
    connection.request("POST", parts.path, body=body, headers=headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def _substituted(line: str) -> str:
    before, _, rest = line.partition("$(cat ")
    name, _, after = rest.partition(")")
    return before + Path(shlex.split(name)[0]).read_text().rstrip("\n") + after


def test_the_first_message_is_a_minute_away(data: Path) -> None:
    """A first start needs no file: its curl line is answered 202, the mail is in the sandbox, and show tells of it."""
    with serving(data) as served:
        status, answer = run_curl(served.printed[-1].strip())
        assert status == 202, answer
        taken = served.wait_for("AttemptTaken")
        (file,) = (data / "sandbox" / "email" / "new").iterdir()
        mail = message_from_bytes(file.read_bytes())
        assert (mail["To"], mail["Subject"]) == ("ann@example.com", "Hello")
        story = served.ask("show", str(taken["stream"])).stdout
    for words in ("Accepted, due at once.", "Attempt 1 began", "Attempt 1 was taken", "Now: sent after 1 attempt."):
        assert words in story


@pytest.mark.slow
def test_the_first_start_makes_one_admin_key(data: Path) -> None:
    """The key is alone in its file, only its owner may read it, and later starts neither change nor print it."""
    with serving(data) as served:
        key = (data / "admin.key").read_text()
        assert stat.S_IMODE((data / "admin.key").stat().st_mode) == 0o600
        assert len(key.split()) == 1
        assert key.strip() not in "\n".join(served.printed)
        assert "(new)" in "\n".join(served.printed)
        assert served.stop() == 0
    with serving(data) as served:
        assert (data / "admin.key").read_text() == key
        assert "(new)" not in "\n".join(served.printed)
        assert len(served.daemon.get("v1", "keys")["keys"]) == 1  # type: ignore[arg-type]  # A list.


@pytest.mark.slow
def test_a_first_start_that_was_cut_short_is_made_good(data: Path) -> None:
    """An empty key file says that nobody ever saw the key: the next start makes another and revokes that one."""
    with serving(data) as served:
        unseen = (data / "admin.key").read_text().strip()
        served.process.kill()
    (data / "admin.key").write_text("")
    with serving(data) as served:
        assert (data / "admin.key").read_text().strip() not in ("", unseen)
        refused = served.ask("keys", "list", "--key", unseen)
        assert refused.returncode == 1
        assert "A valid key is needed" in refused.stderr
        states = served.told("keys", "list")["keys"]
        assert [state["revoked"] for state in states] == [True, False]  # type: ignore[attr-defined]  # A list.


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(data: Path, number: signal.Signals) -> None:
    """SIGTERM and SIGINT end an idle daemon with status 0, and the log says that it stopped in an orderly way."""
    with serving(data) as served:
        assert served.stop(number) == 0
    with serving(data) as served:
        assert served.types().count("DaemonStopped") == 1


@pytest.mark.slow
def test_a_stop_waits_for_nobody_who_only_listens(data: Path) -> None:
    """A follower of the event stream and an attempt that takes too long hold up a stop for its bound at most."""
    config = BOX + 'sandbox = { misbehave = [{ outcome = "taken", delay = "10m" }] }\n[bounds]\nstop_within = "200ms"\n'
    with serving(data, config=config) as served:
        events = served.daemon.follow("v1", "events", "stream")
        message = served.told("send", "email", "ann@example.com", "--subject", "s", "--text", "t")["id"]
        served.wait_for("AttemptStarted", stream=message)
        assert next(events)
        assert served.stop() == 0
    with serving(data, config=BOX) as served:
        served.wait_for("AttemptFailed", stream=message)
        assert served.types().count("DaemonStopped") == 1


@pytest.mark.slow
def test_what_was_waiting_goes_on_after_a_kill(data: Path) -> None:
    """A daemon that was killed loses nothing: what it had accepted is delivered by the next one."""
    with serving(data, config=BOX) as served:
        served.told("pause", "mail")
        message = served.told("send", "email", "ann@example.com", "--subject", "s", "--text", "t")["id"]
        assert served.stop(signal.SIGKILL) == -signal.SIGKILL
    with serving(data, config=BOX) as served:
        assert served.types().count("DaemonStopped") == 0
        served.told("resume", "mail")
        served.wait_for("AttemptTaken", stream=message)


@pytest.mark.slow
def test_a_reload_takes_up_lanes_and_policies(data: Path) -> None:
    """After SIGHUP a new lane takes messages and a changed policy is an event with a new version."""
    with serving(data, config=BOX) as served:
        (data.parent / "tidings.toml").write_text(BOX + 'policy = { timeout = "5s" }\n' + CALLS)
        served.process.send_signal(signal.SIGHUP)
        served.wait_for("PolicyAdopted", version=2)
        served.wait_for("LaneOpened", name="calls")
        assert [lane["name"] for lane in served.told("lanes")["lanes"]] == ["mail", "calls"]  # type: ignore[attr-defined]
        served.told("send", "email", "ann@example.com", "--subject", "s", "--text", "t")
        assert served.wait_for("AttemptTaken")
        assert "calls" in str(served.notes.wait_for("warning")["words"])


@pytest.mark.slow
def test_a_reload_with_mistakes_changes_nothing(data: Path) -> None:
    """After SIGHUP with a broken file the daemon serves as before and its log names every mistake."""
    with serving(data, config=BOX) as served:
        file = data.parent / "tidings.toml"
        file.write_text(BOX + "[server]\npublic_url = 5\n[store]\nurl = 'x'\n")
        served.process.send_signal(signal.SIGHUP)
        served.notes.wait_for("reload_refused")
        notes = [note for note in served.notes.all() if note["note"] == "config_mistake"]
        assert [(note["line"], note["key"]) for note in notes] == [(6, "server.public_url"), (8, "store.url")]
        assert all(datetime.fromisoformat(str(note["at"])).tzinfo is UTC for note in notes)
        served.told("send", "email", "ann@example.com", "--subject", "s", "--text", "t")
        served.wait_for("AttemptTaken")
        file.write_text(BOX + CALLS)
        served.process.send_signal(signal.SIGHUP)
        served.wait_for("LaneOpened", name="calls")


@pytest.mark.slow
def test_a_daemon_needs_nobody_to_read_it(data: Path) -> None:
    """A daemon whose output nobody reads any more starts, works and stops as any other."""
    process = started(data)
    cast("IO[str]", process.stdout).close()
    notes = Notes(cast("IO[str]", process.stderr))
    try:
        url = str(notes.wait_for("ready")["url"])
        sent = tidings(
            "send", "email", "a@example.com", "--subject", "s", "--text", "t", "--url", url, "--data", str(data)
        )
        assert sent.returncode == 0, sent.stderr
    finally:
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        notes.join()


@pytest.mark.slow
def test_a_correlation_id_is_found_in_the_log(data: Path) -> None:
    """A message that came with a correlation id has a line that joins that id to the message's own."""
    with serving(data, config=BOX) as served:
        body = {"channel": "email", "to": "ann@example.com", "content": {"subject": "s", "text": "t"}}
        answer = Daemon(served.url, (data / "admin.key").read_text().strip(), None).post(
            "v1", "messages", body=body, headers={"X-Correlation-Id": "order-5"}
        )
        line = served.notes.wait_for("accepted")
        assert (line["message"], line["correlation"]) == (answer["id"], "order-5")


@pytest.mark.slow
def test_figures_tell_what_happened_and_how_things_stand(data: Path) -> None:
    """/metrics counts attempts by what they came to, and shows each lane's depth and whether it is paused."""
    with serving(data, config=BOX) as served:
        served.told("send", "email", "ann@example.com", "--subject", "s", "--text", "t")
        served.wait_for("AttemptTaken")
        served.told("pause", "mail")
        served.told("send", "email", "ann@example.com", "--subject", "s", "--text", "t")
        figures = read_figures(served)
        assert figures['tidings_attempts_total{channel="email",lane="mail",outcome="taken"}'] == 1
        assert figures['tidings_messages{lane="mail",status="sent"}'] == 1
        assert figures['tidings_lane_depth{channel="email",lane="mail"}'] == 1
        assert figures['tidings_lane_paused{channel="email",lane="mail"}'] == 1
        assert figures["tidings_conversations_awake"] == 1
        assert figures["tidings_ready"] == 1


def read_figures(served: Served) -> dict[str, float]:
    """Every figure by name and labels, as Prometheus would read it."""
    parts = urlsplit(served.url)
    assert parts.hostname is not None
    connection = HTTPConnection(parts.hostname, parts.port, timeout=30)
    key = (served.data / "admin.key").read_text().strip()
    connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {key}"})
    text = connection.getresponse().read().decode()
    connection.close()
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    labelled = (
        (one.name, ",".join(f'{key}="{value}"' for key, value in sorted(one.labels.items())), one.value)
        for one in samples
    )
    return {f"{name}{{{labels}}}" if labels else name: value for name, labels, value in labelled}


@pytest.mark.slow
def test_warnings_are_said_at_the_start(data: Path) -> None:
    """Unsigned webhooks and a port that others reach are warned of, in whole sentences, before the daemon is ready."""
    with serving(data, "--listen", "0.0.0.0:0", config=CALLS) as served:
        served.notes.wait_for("ready")
        notes = served.notes.all()
        warnings = [str(note["words"]) for note in notes if note["level"] == "warning"]
        assert [words for words in warnings if "calls" in words and words.endswith(".")]
        assert [words for words in warnings if "0.0.0.0:0" in words and words.endswith(".")]
        assert [note["note"] for note in notes].index("warning") < [note["note"] for note in notes].index("ready")


@pytest.mark.slow
def test_log_lines_hold_no_address_and_no_content(data: Path) -> None:
    """Every log line is JSON with an instant and a level, and none names a recipient, a text or a key."""
    config = BOX + 'sandbox = { misbehave = [{ outcome = "permanent", code = "550" }] }\n'
    with serving(data, "--log-level", "debug", config=config) as served:
        served.told("send", "email", "ann@example.com", "--subject", "Tomorrow", "--text", "See you")
        dead = served.wait_for("MessageDead")
        served.wait_for("AttemptFailed")
        assert served.stop() == 0
        notes = served.notes.all()
        assert all({"at", "level", "note"} <= note.keys() for note in notes)
        (attempt,) = (note for note in notes if note["note"] == "attempt")
        assert (attempt["message"], attempt["outcome"], attempt["code"]) == (dead["stream"], "permanent", "550")
        text = "".join(served.notes.lines)
        for private in ("ann@example.com", "Tomorrow", "See you", (data / "admin.key").read_text().strip()):
            assert private not in text


@pytest.mark.slow
def test_a_port_of_ones_own_choice_and_a_free_one(data: Path) -> None:
    """Port 0 lets the system choose, and what is printed is where the daemon really answers."""
    with serving(data) as served:
        port = urlsplit(served.url).port
        assert port
        assert served.daemon.get("health", "live")["status"] == "live"
        second = tidings("serve", "--data", str(data.parent / "other"), "--listen", f"127.0.0.1:{port}")
        assert second.returncode == 1
        assert f"127.0.0.1:{port}" in second.stderr
