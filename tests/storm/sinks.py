"""The other side of a storm: a real SMTP server and a real HTTP server that keep books and misbehave by a share.

Answers for the books being true: what is written down was received in full, whatever was answered.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from scenarios.draws import Draws

# Of the answers, so many are bad; each sort is as likely as the others.
BAD_SHARE: Final = 0.3


class Books:
    """What really arrived, in order: (conversation, number) of each message, once for each time."""

    def __init__(self, seed: int) -> None:
        self.received: list[tuple[str, int]] = []
        self.answered: dict[str, int] = {}
        self._draws = Draws(seed)
        self._asked = 0

    def mood(self, *moods: str) -> str:
        """`ok`, or one of the moods in the bad share of cases."""
        self._asked += 1
        is_bad = self._draws.draw("bad", self._asked) < BAD_SHARE
        mood = self._draws.choice("mood", self._asked, among=moods) if is_bad else "ok"
        self.answered[mood] = self.answered.get(mood, 0) + 1
        return mood

    def wrote(self, peer: str, number: int) -> None:
        """One message was received."""
        self.received.append((peer, number))


@asynccontextmanager
async def http_sink(books: Books) -> AsyncIterator[int]:
    """An endpoint at any path; the port it listens on. Bad: 503, 429 with Retry-After, a reset before and after."""

    async def take(request: web.Request) -> web.StreamResponse:
        body = msgspec.json.decode(await request.read())
        mood = books.mood("503", "429", "reset", "lost_reply")
        if mood in {"ok", "lost_reply"}:
            books.wrote(request.path, body["data"]["n"])
        if mood in {"reset", "lost_reply"}:
            assert request.transport is not None, "a request that is being answered has a transport"
            request.transport.abort()
        headers = {"Retry-After": "1"} if mood == "429" else {}
        return web.Response(status={"503": 503, "429": 429}.get(mood, 200), headers=headers)

    app = web.Application()
    app.router.add_post("/{any:.*}", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


class _Mailbox:
    """What aiosmtpd calls: refuses at the recipient or after the data, or loses its answer."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def handle_RCPT(  # noqa: N802  # The name that aiosmtpd looks for.
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self._books.mood("452") == "452":
            return "452 4.3.1 No room at the moment"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  # As above.
        mood = self._books.mood("451", "lost_reply")
        if mood == "451":
            return "451 4.3.0 Local error"
        content = envelope.content
        assert isinstance(content, bytes), "aiosmtpd gives bytes unless it is told to decode"
        subject = next(line for line in content.splitlines() if line.lower().startswith(b"subject:"))
        self._books.wrote(envelope.rcpt_tos[0], int(subject.split()[-1]))
        if mood == "lost_reply":
            assert isinstance(server.transport, asyncio.Transport), "a session has a transport"
            server.transport.abort()
        return "250 2.0.0 OK"


@asynccontextmanager
async def smtp_sink(books: Books) -> AsyncIterator[int]:
    """A mail server for any address; the port it listens on. Bad: 452 at the recipient, 451 after the data, a reset."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(_Mailbox(books), loop=loop), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
