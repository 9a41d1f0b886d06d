"""`python -m benchmarks.yardsticks.ideal_raw FILE PORT`: the durable least on raw asyncio protocols.

Answers for: accept over HTTP, append with group commit, 202, POST to the sink, append the outcome.
Must never: cut a corner that the daemon may not cut (the 202 waits for the disk), nor do anything beyond those five.
"""

import asyncio
import sys
from collections import deque
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import uvloop

from benchmarks.wire import Calling, Served, connect, request, response
from benchmarks.yardsticks.ideal_log import ACCEPTED, DELIVERED, REFUSED, IdealLog

IN_FLIGHT_MAX = 32
_OK = response(200, b"{}")
_JSON = {"content-type": "application/json"}


class _Message(msgspec.Struct):
    to: str
    content: msgspec.Raw


class IdealRaw:
    """Accepts on one side, delivers on the other; pending messages are entries of a queue, not tasks."""

    def __init__(self, log: IdealLog) -> None:
        self._log = log
        self._decode = msgspec.json.Decoder(_Message).decode
        self._last = 0
        self._pending: deque[tuple[int, _Message]] = deque()
        self._idle: list[Calling] = []
        self._sending: dict[Calling, int] = {}
        self._connecting: asyncio.Task[None] | None = None
        self._paused = False

    def take(self, served: Served, path: bytes, body: bytes) -> None:
        """Answer one request; a message's 202 is written once its row is on disk."""
        if path != b"/v1/messages":
            self._control(path)
            served.write(_OK)
            return
        message = self._decode(body)
        self._last += 1
        number = self._last

        def durable() -> None:
            served.write(response(202, b'{"id":"msg_%016d","status":"queued","duplicate":false}' % number))
            self._pending.append((number, message))
            self._deliver()

        self._log.append((number, ACCEPTED, body), durable)

    def _control(self, path: bytes) -> None:
        if path.endswith(b"/pause"):
            self._paused = True
        elif path.endswith(b"/resume"):
            self._paused = False
            self._deliver()

    def _deliver(self) -> None:
        """Put pending messages on idle connections; all of them lead to the host of the first message."""
        if self._connecting is None and self._pending:
            self._connecting = asyncio.create_task(self._connect(self._pending[0][1].to))
        while self._idle and self._pending and not self._paused:
            number, message = self._pending.popleft()
            calling = self._idle.pop()
            self._sending[calling] = number
            path = message.to[message.to.index("/", len("http://")) :]
            calling.ask(request("POST", path, bytes(message.content), _JSON))

    async def _connect(self, url: str) -> None:
        sink = urlsplit(url)
        assert sink.hostname is not None
        assert sink.port is not None
        self._idle = await connect(sink.hostname, sink.port, IN_FLIGHT_MAX, self._concluded)
        self._deliver()

    def _concluded(self, calling: Calling, status: int, _body: bytes) -> None:
        self._log.append((self._sending.pop(calling), DELIVERED if status < 300 else REFUSED, b""))
        self._idle.append(calling)
        self._deliver()


async def serve(file: Path, port: int) -> None:
    """Serve until killed."""
    log = IdealLog(file)
    ideal = IdealRaw(log)
    server = await asyncio.get_running_loop().create_server(lambda: Served(ideal.take), "127.0.0.1", port, backlog=1024)
    await asyncio.gather(server.serve_forever(), log.write())


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
