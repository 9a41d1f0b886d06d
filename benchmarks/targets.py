"""What is measured: the daemon or a yardstick, each behind the same few HTTP calls.

Answers for: a fresh process on a fresh data directory, ready before it is measured, and its own key.
Must never: reach into the daemon; all that a benchmark knows comes through the HTTP API and the kernel's accounts.
"""

import http.client
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.parties import Party, PartyFailed, party, python

_READY_WITHIN_S = 60.0
_PROBE_EVERY_S = 0.005


class Target:
    """A running daemon, or a yardstick that answers on the same paths."""

    def __init__(self, running: Party, port: int, key_file: Path | None) -> None:
        self.party = running
        self.port = port
        self._key_file = key_file
        self.ready_ns = self._wait_until_ready()

    @property
    def key(self) -> str:
        """The key of all tenants; a yardstick asks for none."""
        return "none" if self._key_file is None else self._key_file.read_text().strip()

    def ask(self, method: str, path: str, body: object = None, *, tenant: str | None = None) -> dict[str, Any]:
        """One call; the decoded JSON of a 2xx answer."""
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        if tenant is not None:
            headers["tidings-tenant"] = tenant
        sent = None if body is None else msgspec.json.encode(body)
        status, answer = _exchange(self.port, method, path, body=sent, headers=headers)
        if status >= 300:
            raise PartyFailed(f"{method} {path} was answered {status}: {answer[:400]!r}")
        return msgspec.json.decode(answer, type=dict[str, Any]) if answer else {}

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels, from the daemon's own page."""
        headers = {"authorization": f"Bearer {self.key}"}
        status, page = _exchange(self.port, "GET", "/metrics", headers=headers)
        lines = [line for line in page.decode().splitlines() if line.partition("{")[0].split(" ")[0] == name]
        if status != 200 or not lines:
            raise PartyFailed(f"/metrics was answered {status} and has no {name}")
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def pause(self, lane: str) -> None:
        self.ask("POST", f"/v1/lanes/{lane}/pause")

    def resume(self, lane: str) -> None:
        self.ask("POST", f"/v1/lanes/{lane}/resume")

    def _wait_until_ready(self) -> int:
        until = time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < until and self.party.alive():
            try:
                if _exchange(self.port, "GET", "/health/ready")[0] == 200:
                    return time.monotonic_ns()
            except OSError:
                pass  # it does not listen yet
            time.sleep(_PROBE_EVERY_S)
        raise PartyFailed(f"{self.party.name} did not become ready: {self.party.last_words()}")


def free_port() -> int:
    """A port of the loopback on which nobody listens now."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port


@contextmanager
def yardstick(name: str, folder: Path) -> Iterator[Target]:
    """`ideal_aiohttp` or `ideal_raw` for the length of a block, with a log of its own in `folder`."""
    port = free_port()
    file = folder / f"{name}-{port}.db"
    with party(name, python(f"benchmarks.yardsticks.{name}", file, port), folder) as running:
        yield Target(running, port, None)


def _exchange(
    port: int, method: str, path: str, *, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_READY_WITHIN_S)
    try:
        connection.request(method, path, body, headers or {})
        answered = connection.getresponse()
        return answered.status, answered.read()
    finally:
        connection.close()
