"""`python -m benchmarks.yardsticks.ideal_aiohttp FILE PORT`: the durable least on aiohttp's server and client.

Answers for: accept over HTTP, append with group commit, 202, POST to the sink, append the outcome.
Must never: cut a corner that the daemon may not cut (the 202 waits for the disk), nor do anything beyond those five.
"""

import asyncio
import sys
from pathlib import Path

import aiohttp
import msgspec
import uvloop
from aiohttp import web

from benchmarks.yardsticks.ideal_log import ACCEPTED, DELIVERED, REFUSED, IdealLog

IN_FLIGHT_MAX = 32
_JSON = {"content-type": "application/json"}


class _Message(msgspec.Struct):
    to: str
    content: msgspec.Raw


class IdealAiohttp:
    """Accepts on one side, delivers on the other; pending messages are entries of a queue, not tasks."""

    def __init__(self, log: IdealLog, session: aiohttp.ClientSession) -> None:
        self._log = log
        self._session = session
        self._decode = msgspec.json.Decoder(_Message).decode
        self._last = 0
        self._pending: asyncio.Queue[tuple[int, _Message]] = asyncio.Queue()
        self._running = asyncio.Event()
        self._running.set()

    async def take(self, asked: web.BaseRequest) -> web.Response:
        """Answer one request; a message's 202 is given once its row is on disk."""
        if asked.path != "/v1/messages":
            return self._control(asked.path)
        body = await asked.read()
        message = self._decode(body)
        self._last += 1
        number = self._last
        durable = asyncio.get_running_loop().create_future()
        self._log.append((number, ACCEPTED, body), lambda: durable.set_result(None))
        await durable
        self._pending.put_nowait((number, message))
        answer = b'{"id":"msg_%016d","status":"queued","duplicate":false}' % number
        return web.Response(status=202, body=answer, headers=_JSON)

    def _control(self, path: str) -> web.Response:
        if path.endswith("/pause"):
            self._running.clear()
        elif path.endswith("/resume"):
            self._running.set()
        return web.Response(body=b"{}", headers=_JSON)

    async def deliver(self) -> None:
        """One of the senders: deliver what is pending, one message at a time, until cancelled."""
        while True:
            number, message = await self._pending.get()
            await self._running.wait()
            async with self._session.post(message.to, data=bytes(message.content), headers=_JSON) as answered:
                await answered.read()
                outcome = DELIVERED if answered.status < 300 else REFUSED
            self._log.append((number, outcome, b""))


async def serve(file: Path, port: int) -> None:
    """Serve until killed, on the low-level server: no routes, no middlewares, no access log."""
    log = IdealLog(file)
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT_MAX)
    # No cookies and no deadlines: the least that a client of aiohttp can do for a request.
    jar, timeout = aiohttp.DummyCookieJar(), aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar, timeout=timeout) as session:
        ideal = IdealAiohttp(log, session)
        runner = web.ServerRunner(web.Server(ideal.take, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
        await asyncio.gather(log.write(), *(ideal.deliver() for _ in range(IN_FLIGHT_MAX)))


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
