"""Two mail servers: a real one that takes mail, and a scripted one that says whatever a test needs said."""

import asyncio
import ssl
from types import TracebackType
from typing import Final, cast

import msgspec
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests.listener import Listener

DROPS: Final = "(the connection ends)"
HANGS: Final = "(nothing is said any more)"


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """One mail as the server has it."""

    sender: str
    recipients: tuple[str, ...]
    options: tuple[str, ...]
    data: bytes
    over_tls: bool
    login: str


class Mailhost:
    """A real server. It counts connections and keeps mails; `user` makes it ask for a login."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        user: tuple[str, str] | None = None,
        size_max: int = 33_554_432,
        utf8: bool = False,
    ) -> None:
        self._tls = tls
        self._implicit = implicit
        self._user = user
        self._size_max = size_max
        self._utf8 = utf8
        self._open: set[asyncio.Transport] = set()
        self.taken: list[Taken] = []
        self.connections = 0
        self.connections_at_once = 0
        self.port = 0

    async def __aenter__(self) -> "Mailhost":
        wrapped = self._tls if self._implicit else None
        self._server = await asyncio.get_running_loop().create_server(self._session, "127.0.0.1", 0, ssl=wrapped)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.drop_all()
        # A session whose TLS handshake failed never hears of its end, so nobody can wait for that.
        for _ in range(5):
            await asyncio.sleep(0)
        await self._server.wait_closed()

    def drop_all(self) -> None:
        """Every connection ends, as when a server is restarted."""
        for transport in list(self._open):
            transport.abort()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's.
        """Takes a mail."""
        assert isinstance(envelope.content, bytes)
        self.taken.append(
            Taken(
                sender=str(envelope.mail_from),
                recipients=tuple(envelope.rcpt_tos),
                options=tuple(envelope.mail_options),
                data=envelope.content,
                over_tls=self._implicit or getattr(session, "ssl", None) is not None,
                login=str(session.auth_data),
            )
        )
        return f"250 2.0.0 Ok: queued as Q{len(self.taken)}"

    def came(self, transport: asyncio.Transport) -> None:
        """A connection was made."""
        self._open.add(transport)
        self.connections += 1
        self.connections_at_once = max(self.connections_at_once, len(self._open))

    def went(self, transport: asyncio.Transport | None) -> None:
        """A connection ended."""
        if transport is not None:
            self._open.discard(transport)

    def _session(self) -> SMTP:
        return _Session(
            self,
            hostname="mailhost",
            loop=asyncio.get_running_loop(),
            data_size_limit=self._size_max,
            enable_SMTPUTF8=self._utf8,
            tls_context=None if self._implicit else self._tls,
            require_starttls=self._tls is not None and not self._implicit,
            auth_required=self._user is not None,
            auth_require_tls=self._tls is not None and not self._implicit,
            authenticator=self._authenticate if self._user is not None else None,
        )

    def _authenticate(self, *asked: object) -> AuthResult:
        data = asked[-1]
        login = (getattr(data, "login", b"").decode(), getattr(data, "password", b"").decode())
        return AuthResult(success=login == self._user, handled=False, auth_data=login[0])


class _Session(SMTP):
    _came: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # A second call is the same connection, now encrypted.
        if self._came is None:
            self._came = cast("asyncio.Transport", transport)
            self.event_handler.came(self._came)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.event_handler.went(self._came)


class Script(Listener):
    """Says for each verb what it was told to, in order, and the last from there on; `dot` is the answer to a mail."""

    def __init__(self, **replies: str | list[str]) -> None:
        super().__init__()
        usual: dict[str, str | list[str]] = {
            "greeting": "220 script", "ehlo": "250 script", "mail": "250 ok", "rcpt": "250 ok", "data": "354 go on",
            "body": "", "dot": "250 2.0.0 taken", "rset": "250 ok", "quit": "221 bye",
        }  # fmt: skip
        self._replies = {
            verb: [said] if isinstance(said, str) else list(said) for verb, said in (usual | replies).items()
        }
        self.commands: list[str] = []
        self.farewell = asyncio.Event()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """See Listener."""
        await self._say("greeting", writer)
        while not writer.is_closing():
            line = (await reader.readuntil(b"\r\n")).decode().rstrip()
            self.commands.append(line)
            verb = line.partition(" ")[0].lower()
            if verb == "quit":
                self.farewell.set()
            if (await self._say(verb, writer)).startswith("354"):
                await self._body(reader, writer)

    async def _body(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._replies["body"][0] == DROPS:
            await reader.readexactly(10_000)
            writer.transport.abort()
            return
        while await reader.readuntil(b"\r\n") != b".\r\n":
            pass
        await self._say("dot", writer)

    async def _say(self, verb: str, writer: asyncio.StreamWriter) -> str:
        orders = self._replies[verb]
        said = orders.pop(0) if len(orders) > 1 else orders[0]
        if said == DROPS:
            writer.transport.abort()
        elif said == HANGS:
            await asyncio.Event().wait()
        else:
            writer.write(f"{said}\r\n".encode())
            await writer.drain()
            if said.startswith("421"):
                writer.close()
        return said
