"""Answers for a daemon whose database goes away and comes back: what it says meanwhile, and that nobody restarts it."""

from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from tests.edges.cli.processes import PATIENCE_S, Served, serving
from tests.edges.postgres.test_daemon import send
from tests.postgres_server import own_cluster, remove

MAIL = msgspec.json.encode(
    {"channel": "email", "to": "a@example.com", "content": {"subject": "Now", "text": "Hello"}, "idempotency_key": "k"}
)


def ask(served: Served, method: str, path: str, body: bytes | None = None) -> tuple[int, str | None, bytes]:
    """Status, Retry-After and body of an answer."""
    parts = urlsplit(served.url)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE_S)
    key = (served.data / "admin.key").read_text().strip()
    headers = {"Authorization": f"Bearer {key}", "Tidings-Tenant": "default", "Content-Type": "application/json"}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, answer.getheader("Retry-After"), content


@pytest.mark.slow
def test_a_daemon_says_that_its_database_is_away_and_goes_on_once_it_is_back(tmp_path: Path) -> None:
    """503 with Retry-After and a reason, live all the while; then the same request is taken, and delivered."""
    cluster = own_cluster()
    try:
        with serving(tmp_path / "data", environ={"TIDINGS_STORE__URL": cluster.url}) as served:
            send(served, 1)
            served.wait_for("AttemptTaken")
            cluster.stop()
            status, retry_after, _ = ask(served, "POST", "/v1/messages", MAIL)
            assert (status, retry_after is not None) == (503, True)
            status, _, body = ask(served, "GET", "/health/ready")
            assert status == 503
            (reason,) = msgspec.json.decode(body)["reasons"]
            assert "the log cannot be" in reason
            assert ask(served, "GET", "/health/live")[0] == 200
            cluster.start()
            tries = 0
            while ask(served, "GET", "/health/ready")[0] != 200:
                tries += 1
                assert tries < 100_000, "the database is back, and the daemon has not noticed"
            status, _, body = ask(served, "POST", "/v1/messages", MAIL)
            assert status == 202
            served.wait_for("AttemptTaken", stream=msgspec.json.decode(body)["id"])
            assert served.stop() == 0
    finally:
        remove(cluster.folder)
