"""Answers for a failover to a standby that has every commit: what was answered is there, and nothing else was."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from adapters.clock import rest
from tests.edges.cli.processes import Served, serving, tidings
from tests.edges.postgres.several import CONFIG
from tests.postgres_pair import Pair, running_pair

pytestmark = pytest.mark.slow

# Longer than anything of ours waits for an answer of the database.
_AWAY_S = 20
_TRY_S = 4.0
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'tidings%'"
# What one daemon has open, and a little for those that it has given up and the server has not noticed yet.
_CONNECTIONS_MAX = 16


@contextmanager
def on_a_pair(room: Path) -> Iterator[tuple[Pair, str, Served]]:
    """A pair, the URL of a database on it, and a daemon there."""
    with (
        running_pair() as pair,
        pair.fresh() as url,
        serving(room / "data", config=CONFIG, environ={"TIDINGS_STORE__URL": url}) as served,
    ):
        yield pair, url, served


def answered(served: Served, key: str, *, within_s: float) -> int | None:
    """The status that a message under this key is answered with; None where it is not answered in time."""
    parts = urlsplit(served.url)
    mail = {"channel": "email", "to": "a@example.com", "content": {"subject": "S", "text": "T"}, "idempotency_key": key}
    admin = (served.data / "admin.key").read_text().strip()
    headers = {"Authorization": f"Bearer {admin}", "Content-Type": "application/json", "Tidings-Tenant": "default"}
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=within_s)
    try:
        connection.request("POST", "/v1/messages", msgspec.json.encode(mail), headers)
        return connection.getresponse().status
    except TimeoutError:
        return None
    finally:
        connection.close()


def taken_at_last(served: Served, key: str) -> None:
    """Insists until the message is taken."""
    for _ in range(60):
        if answered(served, key, within_s=_TRY_S) in {200, 202}:
            return
        rest(0.5)
    raise AssertionError("it was never taken")


def test_nothing_is_answered_that_only_the_primary_has(tmp_path: Path) -> None:
    """While the standby is away a message is not taken, however often it is said; after the failover it is, once."""
    with on_a_pair(tmp_path) as (pair, url, served):
        assert answered(served, "first", within_s=_TRY_S) == 202
        pair.standby.stop()
        until_s, tries = time.monotonic() + _AWAY_S, []
        while time.monotonic() < until_s:
            tries.append(answered(served, "second", within_s=_TRY_S))
            rest(0.5)
        assert set(tries) <= {None, 503}, tries
        assert int(pair.run(_WAITING)) <= _CONNECTIONS_MAX
        pair.kill_primary()
        pair.standby.start()
        pair.promote()
        taken_at_last(served, "second")
        assert answered(served, "first", within_s=_TRY_S) == 200
        assert served.daemon.get("v1", "stats")["messages"] == 2
        assert served.stop() == 0
        assert tidings("verify", "--store", url).returncode == 0
