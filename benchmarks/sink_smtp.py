"""`python -m benchmarks.sink_smtp`: the SMTP server that every email of a benchmark is delivered to.

Answers for: taking mails faster than any client sends them, and the same record and control paths as the HTTP sink.
Must never: be the bottleneck. aiosmtpd costs more for a mail than a client does for sending it, so a benchmark against
it would measure aiosmtpd; the tests deliver to aiosmtpd, the figures are taken here.
"""

import asyncio
import gc
from collections.abc import Callable
from typing import cast

import uvloop

from benchmarks.arrivals import Arrivals
from benchmarks.messages import number_in
from benchmarks.wire import Served

_END_OF_MAIL = b"\r\n.\r\n"
_EHLO = b"250-sink\r\n250-SIZE 33554432\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
_ANSWERS = {
    b"EHLO": _EHLO,
    b"HELO": b"250 sink\r\n",
    b"MAIL": b"250 OK\r\n",
    b"RCPT": b"250 OK\r\n",
    b"DATA": b"354 go on\r\n",
    b"RSET": b"250 OK\r\n",
    b"NOOP": b"250 OK\r\n",
    b"QUIT": b"221 bye\r\n",
}


class _Session(asyncio.Protocol):
    """One SMTP session: commands by their first word, mails up to the final dot."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._gathered = b""
        self._in_mail = False
        self._write: Callable[[bytes], None]
        self._close: Callable[[], None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        opened = cast(asyncio.Transport, transport)  # uvloop's transports inherit from nothing of asyncio's
        self._write, self._close = opened.write, opened.close
        self._write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self._gathered += data
        while True:
            end = _END_OF_MAIL if self._in_mail else b"\r\n"
            whole, found, rest = self._gathered.partition(end)
            if not found:
                return
            self._gathered = rest
            if self._in_mail:
                self._take(whole)
            else:
                self._obey(whole[:4].upper())

    def _take(self, mail: bytes) -> None:
        self._in_mail = False
        self._write(b"250 taken\r\n" if self._arrivals.take(number_in(mail)) else b"451 try again\r\n")

    def _obey(self, word: bytes) -> None:
        self._in_mail = word == b"DATA"
        self._write(_ANSWERS.get(word, b"500 unknown\r\n"))
        if word == b"QUIT":
            self._close()


async def serve() -> None:
    """Listen on two free ports, print `ready PORT PORT` (deliveries, control), and serve until killed."""
    arrivals = Arrivals()
    loop = asyncio.get_running_loop()
    mail = await loop.create_server(lambda: _Session(arrivals), "127.0.0.1", 0, backlog=1024)
    control = await loop.create_server(lambda: Served(arrivals.control), "127.0.0.1", 0)
    ports = [server.sockets[0].getsockname()[1] for server in (mail, control)]
    print(f"ready {ports[0]} {ports[1]}", flush=True)
    await asyncio.gather(mail.serve_forever(), control.serve_forever())


if __name__ == "__main__":
    gc.disable()  # as in the HTTP sink: a collection over all recorded arrivals would only add a pause
    uvloop.run(serve())
