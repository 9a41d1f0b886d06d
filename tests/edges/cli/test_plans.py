"""Answers for reminder plans on the command line, and for a plan that a killed daemon had begun to carry out."""

import json
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from adapters.cli.ending import Ended
from adapters.cli.remote import Answer, Daemon
from tests.edges.cli.processes import PATIENCE_S, PROGRAM, Served, clean, serving, tidings

pytestmark = pytest.mark.slow

CONFIG = """
[lanes.mail]
channel = "email"
provider = "sandbox"
policy = { limits = { lane = "none", recipient = "none" } }
"""


def plan(*kinds: str, people: int = 2, days: int = 30) -> Answer:
    """A plan for an event in so many days."""
    starts = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    content = {"email": {"subject": "Dear {name}", "text": "See you."}}
    return {
        "event": {
            "starts_at": starts.isoformat(),
            "ends_at": (starts + timedelta(hours=2)).isoformat(),
            "time_zone": "Asia/Jerusalem",
        },
        "participants": [
            {"id": f"p{n}", "channel": "email", "to": f"p{n}@example.com", "values": {"name": f"P{n}"}}
            for n in range(people)
        ],
        "reminders": [{"kind": kind, "content": content} for kind in kinds],
    }


def saved(room: Path, asked: Answer) -> str:
    """A file with a plan in it."""
    file = room / "plan.json"
    file.write_text(json.dumps(asked))
    return str(file)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One daemon for the commands, which keep to plans of their own."""
    with serving(tmp_path_factory.mktemp("plans") / "data", config=CONFIG) as running:
        yield running


def test_a_plan_is_set_shown_and_cancelled(served: Served, tmp_path: Path) -> None:
    """Each command says in a line what it changed, and in JSON what the daemon answered."""
    file = saved(tmp_path, plan("week_before", "day_before", "event_end"))
    assert served.ask("plan", "set", "one", file).stdout == (
        "one, revision 1: 6 created, 0 moved, 0 cancelled, 0 kept.\n"
    )
    again = served.ask("plan", "set", "one", file)
    assert again.stdout == "one, revision 1: 0 created, 0 moved, 0 cancelled, 6 kept.\n"
    shown = served.ask("plan", "show", "one").stdout
    assert shown.startswith("one, revision 1, applied; begins ")
    assert [line.split()[:2] for line in shown.splitlines()[4:] if line.strip()] == [
        [who, kind] for who in ("p0", "p1") for kind in ("week_before", "day_before", "event_end")
    ]
    assert served.told("plan", "cancel", "one")["revision"] == 2
    assert served.ask("plan", "show", "one").stdout.startswith("one, revision 2, cancelled; ")


def test_what_is_left_out_is_said_beside_the_result(served: Served, tmp_path: Path) -> None:
    """Reminders whose moment has passed are counted on standard error, so that a pipe carries the result alone."""
    ended = served.ask("plan", "set", "late", saved(tmp_path, plan("week_before", "event_end", days=3)))
    assert ended.stdout == "late, revision 1: 2 created, 0 moved, 0 cancelled, 0 kept.\n"
    assert ended.stderr == "No week_before for 2: past.\n"


def test_a_plan_may_come_through_a_pipe(served: Served) -> None:
    """A dash stands for standard input."""
    command = [str(PROGRAM), "plan", "set", "piped", "-", "--data", str(served.data)]
    ended = subprocess.run(
        command,
        input=json.dumps(plan("event_end")),
        env=clean({"TIDINGS_URL": served.url}),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.stdout == "piped, revision 1: 2 created, 0 moved, 0 cancelled, 0 kept.\n", ended.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", (2, "is no JSON")),
        ('{"event": 1}', (2, "/event: expected `object`")),
        (None, (1, "cannot be read")),
    ],
)
def test_a_file_that_is_no_plan_is_told_in_a_line(
    served: Served, tmp_path: Path, text: str | None, told: tuple[int, str]
) -> None:
    """A file that is not there, no JSON, or no plan ends the command with its status and without a stack trace."""
    file = tmp_path / "bad.json"
    if text is not None:
        file.write_text(text)
    ended = served.ask("plan", "set", "bad", str(file))
    assert (ended.returncode, ended.stdout) == (told[0], "")
    assert told[1] in ended.stderr
    assert "Traceback" not in ended.stderr
    assert served.ask("plan", "show", "bad").returncode == 1


def _put_unanswered(daemon: Daemon, asked: Answer, ended: list[str]) -> None:
    try:
        daemon.put("v1", "plans", "big", body=asked)
    except Ended as refused:
        ended.append(refused.words)


def _accepted(data: Path) -> int:
    with closing(sqlite3.connect(f"file:{data / 'tidings.db'}?mode=ro", uri=True)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM event WHERE type = 'MessageAccepted'").fetchone()
    return int(count)


def test_a_killed_daemon_goes_on_with_its_plan(tmp_path: Path) -> None:
    """Killed while it makes a plan's messages, it makes the rest at its next start, and none of them twice."""
    data, asked, ended = tmp_path / "data", plan("week_before", "day_before", "event_end", people=3_000), list[str]()
    with serving(data, config=CONFIG) as served:
        daemon = Daemon(served.url, (data / "admin.key").read_text().strip(), None)
        client = threading.Thread(target=_put_unanswered, args=(daemon, asked, ended))
        client.start()
        served.wait_for("MessageAccepted")
        assert served.stop(signal.SIGKILL) == -signal.SIGKILL
        client.join()
        assert ended
    assert 0 < _accepted(data) < 9_000
    with serving(data, config=CONFIG) as served:
        applied = served.wait_for("PlanApplied")
        assert cast("Answer", applied["data"])["created"] == 9_000
        daemon = Daemon(served.url, (data / "admin.key").read_text().strip(), None)
        messages = cast("list[Answer]", daemon.get("v1", "plans", "big")["messages"])
        assert len({(one["participant"], one["kind"]) for one in messages}) == len(messages) == 9_000
        assert {one["status"] for one in messages} == {"scheduled"}
        again = daemon.put("v1", "plans", "big", body=asked)
        assert (again["kept"], again["revision"], again["created"]) == (9_000, 1, [])
        assert served.stop() == 0
    assert _accepted(data) == 9_000
    assert tidings("verify", "--data", str(data)).returncode == 0
