"""Answers for another daemon going on where the one that acted ended, whatever ended it."""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import msgspec
import pytest

from adapters.cli.remote import Answer
from adapters.clock import rest
from tests.edges.cli.processes import PATIENCE_S, Served, tidings
from tests.edges.postgres.several import acts, of_tenant, one_that_acts, one_that_stands_by
from tests.edges.postgres.test_daemon import send
from tests.postgres_server import Server

pytestmark = pytest.mark.slow

# Events whose owner came before the owner of the event before them.
FALLING = """
SELECT count(*) FROM (
  SELECT epoch < lag(epoch) OVER (PARTITION BY shard ORDER BY seq) AS falls FROM tidings.event
) AS each WHERE falls"""
# Nobody knows whether an attempt of a daemon that fell silent is over before its deadline is.
BRIEF = """
[policies.email]
timeout = "10s"
on_ambiguous = "resend"
limits = { lane = "1000/s" }
retry = { after = ["1s", "1s", "1s"] }

[lanes.mail]
channel = "email"
provider = "sandbox"
"""
HOLDS = BRIEF + 'sandbox.misbehave = [{ match = "*", outcome = "taken", delay = "9s" }]\n'


class Flow:
    """Messages to one daemon without a pause, each a request of its own, and what they were answered."""

    good = 202

    def __init__(self, served: Served) -> None:
        self.answers: list[tuple[int, dict[str, object]]] = []
        self._served = served
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def begin(self) -> None:
        """Lets it flow."""
        self._thread.start()

    def stop(self) -> None:
        """No more of it."""
        self._is_over.set()
        self._thread.join(PATIENCE_S)

    def end(self) -> list[str]:
        """Stops it; the ids in all answers, of which none may be a refusal."""
        self.stop()
        assert {status for status, _ in self.answers} == {self.good}, self.answers
        return [str(answer.get("id")) for _, answer in self.answers]

    def call(self, number: int) -> tuple[str, str, bytes | None]:
        """Method, path and body of a call."""
        mail = {"channel": "email", "to": f"p{number}@example.com", "content": {"subject": "S", "text": "T"}}
        return "POST", "/v1/messages", msgspec.json.encode(mail)

    def _run(self) -> None:
        parts = urlsplit(self._served.url)
        key = (self._served.data / "admin.key").read_text().strip()
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        connection = HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE_S)
        while not self._is_over.is_set():
            method, path, body = self.call(len(self.answers))
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            self.answers.append((answer.status, msgspec.json.decode(answer.read())))
            rest(0.02)
        connection.close()


class Orders(Flow):
    """Calls that only the daemon which acts can answer."""

    good = 200

    def call(self, number: int) -> tuple[str, str, bytes | None]:
        """Looks at the lanes, and now and then lets one go on."""
        return ("GET", "/v1/lanes", None) if number % 5 else ("POST", "/v1/lanes/mail/resume", None)


@contextmanager
def flowing(served: Served, kind: type[Flow] = Flow) -> Iterator[Flow]:
    """A flow for the length of a block."""
    flow = kind(served)
    flow.begin()
    try:
        yield flow
    finally:
        flow.stop()


def resume_asked(served: Served) -> HTTPConnection:
    """A call on its way to a daemon that cannot answer now: to let a lane go on that runs as far as it knows."""
    parts = urlsplit(served.url)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE_S)
    key = (served.data / "admin.key").read_text().strip()
    connection.request("POST", "/v1/lanes/mail/resume", headers={"Authorization": f"Bearer {key}"})
    return connection


def knock(served: Served) -> None:
    """Opens one connection after the other, until nobody listens any more."""
    parts = urlsplit(served.url)
    with suppress(ConnectionRefusedError):
        while True:
            with suppress(ConnectionResetError):
                socket.create_connection((str(parts.hostname), parts.port), PATIENCE_S).close()


def answered(connection: HTTPConnection) -> int | None:
    """The status of the answer; None where the daemon ended without one."""
    try:
        return connection.getresponse().status
    except (ConnectionError, HTTPException):
        return None
    finally:
        connection.close()


def delivered(served: Served, messages: list[str]) -> None:
    """Waits until each of these messages was sent."""
    missing = set(messages)
    for _, event in served.daemon.follow("v1", "events", "stream"):
        if event["type"] == "AttemptTaken":
            missing.discard(str(event["stream"]))
        if not missing:
            return


def test_a_stop_hands_over(tmp_path: Path, postgres_url: str) -> None:
    """Nobody who asks the other is refused for a moment, whatever is asked, and it acts within seconds."""
    with (
        one_that_acts(tmp_path, postgres_url, BRIEF) as acting,
        one_that_stands_by(tmp_path, postgres_url, acting, config=BRIEF) as standing,
        flowing(standing) as flow,
        flowing(standing, Orders) as orders,
    ):
        first = send(standing, 1)
        standing.wait_for("AttemptTaken", stream=first)
        assert acting.stop() == 0
        standing.notes.wait_for("ready")
        assert acts(standing)
        later = send(standing, 2)
        standing.wait_for("AttemptTaken", stream=later)
        orders.end()
        delivered(standing, flow.end())
        assert standing.stop() == 0
    assert tidings("verify", "--store", postgres_url).returncode == 0


def test_one_after_the_other_is_restarted(tmp_path: Path, postgres_url: str) -> None:
    """Three starts and two stops in a row, and each time there is one that acts."""
    with one_that_acts(tmp_path, postgres_url) as first, one_that_stands_by(tmp_path, postgres_url, first) as second:
        assert first.stop() == 0
        second.notes.wait_for("ready")
        with one_that_stands_by(tmp_path, postgres_url, second, name="three") as third:
            message = send(third, 1)
            assert second.stop() == 0
            third.notes.wait_for("ready")
            third.wait_for("AttemptTaken", stream=message)
            assert third.stop() == 0
    assert tidings("verify", "--store", postgres_url).returncode == 0


def test_a_crash_is_noticed_after_its_silence(tmp_path: Path, postgres_server: Server, postgres_url: str) -> None:
    """Killed, it is replaced once it was silent for 12 s; what came to the other meanwhile is delivered."""
    with (
        one_that_acts(tmp_path, postgres_url, BRIEF) as acting,
        one_that_stands_by(tmp_path, postgres_url, acting, config=BRIEF) as standing,
        flowing(standing) as flow,
    ):
        assert acting.stop(signal.SIGKILL) == -signal.SIGKILL
        standing.notes.wait_for("ready")
        delivered(standing, flow.end())
        assert standing.stop() == 0
    assert postgres_server.run(FALLING, url=postgres_url) == "0"
    assert tidings("verify", "--store", postgres_url).returncode == 0


def test_a_frozen_daemon_learns_that_it_was_replaced(
    tmp_path: Path, postgres_server: Server, postgres_url: str
) -> None:
    """Its open attempt is ambiguous and made again by the other; woken, it appends nothing, says why, and ends.

    What it was asked meanwhile, and would change nothing as far as it knows, it does not call done, and it says nothing
    else.
    """
    with (
        one_that_acts(tmp_path, postgres_url, HOLDS) as frozen,
        one_that_stands_by(tmp_path, postgres_url, frozen, config=BRIEF) as other,
    ):
        message = send(frozen, 1)
        frozen.wait_for("AttemptStarted", stream=message)
        frozen.process.send_signal(signal.SIGSTOP)
        asked = resume_asked(frozen)
        other.notes.wait_for("ready")
        other.wait_for("AttemptTaken", stream=message)
        count = "SELECT count(*) FROM tidings.event"
        before = postgres_server.run(count, url=postgres_url)
        frozen.process.send_signal(signal.SIGCONT)
        knocking = threading.Thread(target=knock, args=(frozen,))
        knocking.start()
        assert answered(asked) in {503, None}
        assert frozen.process.wait(PATIENCE_S) == 1
        knocking.join(PATIENCE_S)
        frozen.notes.join()
        said = [line for line in frozen.notes.lines if line.startswith("tidings: ")]
        assert len(said) == 1, frozen.notes.lines
        assert "another daemon took it over" in said[0]
        # Nobody who came in its last moments leaves anything behind that would be told of.
        assert not [line for line in frozen.notes.lines if '"note":"library"' in line]
        assert postgres_server.run(count, url=postgres_url) == before
        events = cast("list[Answer]", of_tenant(other).get("v1", "messages", message, "events")["events"])
        tried = [str(event["type"]) for event in events if str(event["type"]).startswith("Attempt")]
        assert tried == ["AttemptStarted", "AttemptFailed", "AttemptStarted", "AttemptTaken"]
        assert of_tenant(other).get("v1", "messages", message)["status"] == "sent"
        assert other.stop() == 0
    assert postgres_server.run(FALLING, url=postgres_url) == "0"
    assert tidings("verify", "--store", postgres_url).returncode == 0
