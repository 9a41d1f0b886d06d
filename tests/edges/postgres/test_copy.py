"""Answers for `tidings copy`: a log goes to PostgreSQL and back whole and proved, or nothing of it does."""

import sqlite3
from pathlib import Path

import msgspec
import pytest

from core.errors import StoreRefused
from eventstore.copying.copying import copy_to_file, copy_to_server
from tests.edges.cli.processes import serving, tidings
from tests.edges.postgres.test_daemon import send
from tests.edges.postgres.test_storms import AGE, CUT
from tests.postgres_server import Server

pytestmark = pytest.mark.slow


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The directory of a daemon that took some messages, delivered them and stopped."""
    data = tmp_path / "data"
    with serving(data) as served:
        ids = [send(served, number) for number in range(5)]
        for message in ids:
            served.wait_for("AttemptTaken", stream=message)
        assert served.stop() == 0
    return data


def rows_of(file: Path) -> dict[str, list[object]]:
    """Everything that a log holds, but for what is counted anew in each store."""
    connection = sqlite3.connect(file)
    try:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {
            name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2, 3").fetchall()  # noqa: S608  # Its own.
            for name in tables
            if name not in {"meta", "sqlite_sequence"}
        }
    finally:
        connection.close()


def copied(data: Path, source: str, target: str) -> dict[str, object]:
    """What the command says of a copy that succeeds."""
    ended = tidings("copy", "--from", source, "--to", target, "--data", str(data), "--json")
    assert ended.returncode == 0, ended
    answer: dict[str, object] = msgspec.json.decode(ended.stdout)
    return answer


def refused(data: Path, source: str, target: str) -> str:
    """What the command says of a copy that fails, in one line."""
    ended = tidings("copy", "--from", source, "--to", target, "--data", str(data))
    assert ended.returncode == 1, ended
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    return line


def test_a_log_goes_there_and_back_unchanged(data: Path, postgres_server: Server, postgres_url: str) -> None:
    """Numbers, links, heads, counts, keys and addresses are the same rows after both ways, and the key goes along."""
    there = copied(data, "sqlite:///tidings.db", postgres_url)
    assert there["messages"] == 5
    links = postgres_server.run("SELECT encode(link, 'hex') FROM tidings.event ORDER BY pos", url=postgres_url)
    before = rows_of(data / "tidings.db")
    assert links.splitlines() == [row[-1].hex() for row in before["event"]]  # type: ignore[index]  # Rows of SQLite.
    back = copied(data, postgres_url, "sqlite:///back/other.db")
    assert rows_of(data / "back" / "other.db") == before
    assert {name: there[name] for name in ("events", "messages", "rows")} == {
        name: back[name] for name in ("events", "messages", "rows")
    }
    key = (data / "tidings.db.key").read_text()
    assert [Path(str(one["key"])).read_text() for one in (there, back)] == [key, key]


def test_a_daemon_goes_on_where_the_file_ended(data: Path, postgres_url: str) -> None:
    """Served from the database, the same messages, peers and keys are there, and what comes next follows on."""
    copied(data, str(data / "tidings.db"), postgres_url)
    with serving(data, environ={"TIDINGS_STORE__URL": postgres_url}) as served:
        assert len(served.told("list")["messages"]) == 5  # type: ignore[arg-type]  # An array.
        message = send(served, 5)
        served.wait_for("AttemptTaken", stream=message)
        conversations = {served.daemon.get("v1", "messages", message)["conversation"]}
        assert served.stop() == 0
    assert tidings("verify", "--store", postgres_url).returncode == 0
    copied(data, postgres_url, "sqlite:///back.db")
    (data / "back.db").replace(data / "tidings.db")
    with serving(data) as served:
        listed = served.told("list")["messages"]
        assert isinstance(listed, list)
        assert len(listed) == 6
        assert {one["conversation"] for one in listed} == conversations
        assert served.stop() == 0


def test_a_target_that_holds_anything_is_refused(data: Path, postgres_server: Server, postgres_url: str) -> None:
    """Neither a log in a database nor a file is ever written over."""
    copied(data, "sqlite:///tidings.db", postgres_url)
    count = postgres_server.run("SELECT count(*) FROM tidings.event", url=postgres_url)
    assert "holds a log already" in refused(data, "sqlite:///tidings.db", postgres_url)
    assert postgres_server.run("SELECT count(*) FROM tidings.event", url=postgres_url) == count
    before = rows_of(data / "tidings.db")
    assert "is there already" in refused(data, postgres_url, "sqlite:///tidings.db")
    assert rows_of(data / "tidings.db") == before


def test_a_log_in_use_is_refused(tmp_path: Path, data: Path, postgres_url: str) -> None:
    """Beside a daemon, on either side, nothing is copied: what it writes meanwhile would be missing."""
    with serving(data) as served:
        assert "in use by another daemon" in refused(data, "sqlite:///tidings.db", postgres_url)
        assert served.stop() == 0
    with serving(tmp_path / "other", environ={"TIDINGS_STORE__URL": postgres_url}):
        assert "another daemon uses this database" in refused(data, "sqlite:///tidings.db", postgres_url)
        assert "another daemon uses this database" in refused(data, postgres_url, "sqlite:///new.db")
    assert not (data / "new.db").exists()


def test_a_log_that_is_not_sound_stays_where_it_is(data: Path, postgres_server: Server, postgres_url: str) -> None:
    """A fault in the source is named and nothing is copied."""
    connection = sqlite3.connect(data / "tidings.db")
    connection.execute("UPDATE event SET tenant = 'other' WHERE pos = 7")
    connection.commit()
    connection.close()
    assert "is not sound" in refused(data, "sqlite:///tidings.db", postgres_url)
    assert postgres_server.run("SELECT to_regclass('tidings.event')", url=postgres_url) == ""
    assert not (data / "tidings.key").exists()


@pytest.mark.anyio
async def test_a_copy_that_is_cut_short_leaves_nothing(
    data: Path, tmp_path: Path, postgres_server: Server, postgres_url: str
) -> None:
    """Where every connection breaks half way, either side is as it was, and the next try goes through.

    One that could not even say goodbye counts as dead once it was silent for long enough.
    """
    file, back = data / "tidings.db", tmp_path / "back.db"
    before = rows_of(file)
    cuts: list[str] = []

    def cut(done: int, total: int) -> None:
        if not cuts and done > total // 2:
            cuts.append(postgres_server.run(CUT, url=postgres_url))

    with pytest.raises(StoreRefused, match="cut short and undone"):
        await copy_to_server(file, postgres_url, identity=1, hear=cut)
    assert postgres_server.run("SELECT count(*) FROM tidings.event", url=postgres_url) == "0"
    postgres_server.run(AGE, url=postgres_url)
    copied = await copy_to_server(file, postgres_url, identity=2)
    assert (copied.messages, len(cuts)) == (5, 1)
    cuts.clear()
    with pytest.raises(StoreRefused):
        await copy_to_file(postgres_url, back, identity=3, hear=cut)
    assert not list(tmp_path.glob("back.db*.copied*"))
    assert not back.exists()
    postgres_server.run(AGE, url=postgres_url)
    await copy_to_file(postgres_url, back, identity=4)
    assert rows_of(back) == rows_of(file) == before


def test_two_of_a_kind_and_nothing_at_all_are_misuse(tmp_path: Path) -> None:
    """Copying a file to a file, or from what names no log, is told apart from a copy that fails."""
    for source, target in (("a.db", "b.db"), ("mysql://u:hunter2@h/db", "b.db")):
        ended = tidings("copy", "--from", source, "--to", target, cwd=tmp_path)
        assert ended.returncode == 2, ended
        assert "hunter2" not in ended.stderr
    ended = tidings("copy", "--from", "a.db", "--to", "postgresql://u@127.0.0.1/db", cwd=tmp_path)
    assert ended.returncode == 1
    assert "there is no log at a.db" in ended.stderr
    assert not list(tmp_path.iterdir())
