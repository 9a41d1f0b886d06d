"""Answers for the commands that read a log: on PostgreSQL they say what they say on a file, or say why they do not."""

from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from tests.edges.cli.processes import serving, tidings
from tests.edges.postgres.several import one_that_stands_by
from tests.edges.postgres.test_daemon import refused, send
from tests.postgres_server import Server

pytestmark = pytest.mark.slow

BOX = '[lanes.mail]\nchannel = "email"\nprovider = "sandbox"\n'


def told(room: Path, *arguments: str) -> list[object]:
    """The JSON of a command that succeeds, with `room` for whatever it has to put aside."""
    ended = tidings(*arguments, "--json", environ={"TMPDIR": str(room)})
    assert ended.returncode == 0, ended
    return [msgspec.json.decode(line) for line in ended.stdout.splitlines()]


def test_commands_say_the_same_of_a_database_and_of_its_copy(tmp_path: Path, postgres_url: str) -> None:
    """They read either; what they put aside for it is gone when they end, and one that needs a file says so."""
    data, room = tmp_path / "data", tmp_path / "room"
    room.mkdir()
    with serving(data, environ={"TIDINGS_STORE__URL": postgres_url}) as served:
        message = send(served, 1)
        served.wait_for("AttemptTaken", stream=message)
        assert told(room, "verify", "--store", postgres_url)[0]["sound"]  # type: ignore[index]  # JSON.
        assert served.stop() == 0
    copied = tidings("copy", "--from", postgres_url, "--to", "sqlite:///copy.db", "--data", str(data))
    assert copied.returncode == 0, copied
    file = str(data / "copy.db")
    for words in (("verify",), ("replay",), ("log", "--stream", message)):
        assert told(room, *words, "--store", postgres_url) == told(room, *words, "--store", file)
    (explained,) = told(room, "explain", message, "--store", postgres_url)
    assert explained["status"] == "sent"  # type: ignore[index]  # JSON.
    capsule = tmp_path / "capsule.toml"
    told(room, "capsule", "--since", "2020-01-01T00:00:00Z", "-o", str(capsule), "--store", postgres_url)
    assert "[[arrive]]" in capsule.read_text()
    sealed = tidings("seal", "--store", postgres_url)
    assert (sealed.returncode, sealed.stdout) == (2, "")
    assert "cannot be sealed in place" in sealed.stderr
    assert not list(room.iterdir())


def test_a_database_that_is_not_there_is_told_in_one_line(tmp_path: Path, postgres_url: str) -> None:
    """No server, no such database, no log in it: each says what to do, at the start, in `check` and in `verify`."""
    parts = urlsplit(postgres_url)
    config = tmp_path / "tidings.toml"
    config.write_text(BOX)
    for url, words in (
        (parts._replace(path="/nowhere").geturl(), "does not exist: create it"),
        ("postgresql://postgres:hunter2@127.0.0.1:1/tidings", "cannot be reached"),
    ):
        assert words in refused(tmp_path / "data", url)
        checked = tidings("check", "--config", str(config), environ={"TIDINGS_STORE__URL": url})
        assert (checked.returncode, checked.stdout) == (1, "")
        assert words in checked.stderr
        verified = tidings("verify", "--store", url)
        assert (verified.returncode, verified.stdout) == (1, "")
        assert words in verified.stderr
        assert "hunter2" not in checked.stderr + verified.stderr
    assert "there is no log in" in tidings("verify", "--store", postgres_url).stderr
    assert not (tmp_path / "data").exists()


def test_check_asks_the_database(tmp_path: Path, postgres_server: Server, postgres_url: str) -> None:
    """It says whether a log is there, and who acts on it, and makes nothing."""
    config = tmp_path / "tidings.toml"
    config.write_text(f'[store]\nurl = "{postgres_url}"\n{BOX}')
    assert "which is empty" in tidings("check", "--config", str(config)).stdout
    assert postgres_server.run("SELECT to_regnamespace('tidings')", url=postgres_url) == ""
    with serving(tmp_path / "data", "--config", str(config)) as served:
        told = tidings("check", "--config", str(config)).stdout
        assert "which holds one.\nThe daemon in slot 0 acts (started 2" in told
        assert "and none stands by.\n" in told
        with one_that_stands_by(tmp_path, postgres_url, served) as other:
            assert "s ago), and 1 stands by.\n" in tidings("check", "--config", str(config)).stdout
            found = msgspec.json.decode(tidings("check", "--config", str(config), "--json").stdout)["daemons"]
            assert [(daemon["acts"], daemon["slot"]) for daemon in found] == [(True, 0), (False, 1)]
            assert all(daemon["silent_s"] >= 0 for daemon in found)
            assert other.stop() == 0
        assert served.stop() == 0
    assert "\nNo daemon acts on it now, and none stands by.\n" in tidings("check", "--config", str(config)).stdout


def test_a_log_with_wrong_heads_is_rebuilt_through_a_file(
    tmp_path: Path, postgres_server: Server, postgres_url: str
) -> None:
    """It is copied as it is, rebuilt there, and copied to an empty database, where it is sound."""
    data = str(tmp_path / "data")
    with serving(tmp_path / "data", environ={"TIDINGS_STORE__URL": postgres_url}) as served:
        send(served, 1)
        served.wait_for("AttemptTaken")
        assert served.stop() == 0
    postgres_server.run("UPDATE tidings.head SET status = 'dead' WHERE kind = 'msg'", url=postgres_url)
    assert tidings("verify", "--store", postgres_url).returncode == 1
    assert "copy it to a file" in tidings("rebuild", "--store", postgres_url).stderr
    there = "--from", postgres_url, "--to", "sqlite:///wrong.db", "--data", data
    assert "is not sound" in tidings("copy", *there).stderr
    assert tidings("copy", *there, "--as-it-is").returncode == 0
    assert tidings("rebuild", "--store", "sqlite:///wrong.db", "--data", data).returncode == 0
    with postgres_server.fresh() as empty:
        copied = tidings("copy", "--from", "sqlite:///wrong.db", "--to", empty, "--data", data)
        assert copied.returncode == 0, copied
        assert tidings("verify", "--store", empty).returncode == 0
