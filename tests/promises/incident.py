"""An incident with real processes: a receiver that fails for a while, a daemon that is killed over it, and its log.

It must never wait by the clock: the receiver says what it got, and the log what was recorded.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import msgspec

from tests.edges.cli.processes import PATIENCE_S, Served, serving

CUSTOMERS: Final = 5
EACH: Final = 4
SECRET: Final = "The appendix of Ann Smith comes out on Tuesday"
_CONFIG: Final = """\
[lanes.calls]
channel = "webhook"
provider = "webhook"
webhook = { allow_private = ["127.0.0.0/8"], allow_http = true, timeout = "20s" }
policy = { retry = { after = ["300ms", "600ms", "1s", "2s", "4s", "8s"], jitter = 0.3 }, circuit = { failures = 50 } }
"""


class Receiver(ThreadingHTTPServer):
    """What customers' webhooks reach. It is down while `is_down`; a request to the path `/held` is never answered."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.is_down = False
        self.held = threading.Event()
        self.gone = threading.Event()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answering(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:  # The name that http.server looks for.
        """One delivery."""
        self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/held" and not self.server.gone.is_set():
            self.server.held.set()
            self.server.gone.wait(PATIENCE_S)
            return
        self.send_response(503 if self.server.is_down else 200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """A test prints nothing."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver for the length of a block."""
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.gone.set()
            receiver.shutdown()
            thread.join(PATIENCE_S)


def incident(data: Path) -> str:
    """Lives through one; answers with the instant before it, as commands take it."""
    with receiving() as receiver:
        with serving(data, config=_CONFIG) as served:
            first = _send(served, receiver, "before")
            for message in first:
                served.wait_for("AttemptTaken", stream=message)
            receiver.is_down = True
            failing = _send(served, receiver, "during")
            for message in failing[::EACH]:
                served.wait_for("AttemptFailed", stream=message, attempt=3)
            held = _post(served, f"{receiver.url}/held", "held")
            assert receiver.held.wait(PATIENCE_S), "the request that is to be out when the daemon dies has left"
            since = str(served.wait_for("MessageAccepted", stream=first[0])["at"])
            served.process.kill()
            served.process.wait(PATIENCE_S)
        receiver.is_down = False
        receiver.gone.set()
        with serving(data, config=_CONFIG) as served:
            for message in (*failing, held, *_send(served, receiver, "after")):
                served.wait_for("AttemptTaken", stream=message)
            assert served.stop() == 0
    return since


def _send(served: Served, receiver: Receiver, when: str) -> list[str]:
    return [
        _post(served, f"{receiver.url}/customer-{customer}", f"{when}/{customer}/{number}")
        for customer in range(CUSTOMERS)
        for number in range(EACH)
    ]


def _post(served: Served, url: str, name: str) -> str:
    body = {
        "channel": "webhook",
        "to": url,
        "content": {"type": "appointment.changed", "data": {"note": f"{SECRET}, {name}"}},
        "idempotency_key": f"appointment/{name}",
        "reference": f"file of {name}",
        "metadata": {"campaign": f"campaign of {name}"},
    }
    answer = served.daemon.post("v1", "messages", body=body, headers={"Tidings-Tenant": "clinic-of-dr-smith"})
    return str(msgspec.json.decode(msgspec.json.encode(answer))["id"])
