"""One connection to a mail server: greeted, encrypted and logged in as the account asks, then one mail at a time.

This file answers for the order of commands and for how far a mail had got when its connection broke. It must never
encrypt only if it happens to be offered, send a password in the clear, or put several recipients into one transaction.
"""

import socket
import ssl
from asyncio import WriteTransport
from collections.abc import Callable
from typing import Final, cast

from aiosmtplib import SMTP, SMTPConnectError, SMTPException, SMTPResponseException, SMTPServerDisconnected

from adapters.channels.accounts import SmtpSettings
from adapters.channels.mail import Mail
from adapters.channels.replies import Reading, Reply, Step, outcome_of
from core.outcomes import Config, Outcome, Transient

# Up to here a mail goes out in one piece, final dot and all. A longer one has left our buffers before its dot is
# written, so that a connection that breaks meanwhile leaves no doubt.
_ONE_PIECE_BYTES: Final = 32_768

BROKEN: Final = (SMTPException, OSError)
"""What a connection that is no use any more raises."""


class Connection:
    """A connection that is ready for mails. `fresh` until its first mail was offered."""

    def __init__(self, client: SMTP) -> None:
        self._client = client
        # From the first command of a mail to the reply that ends it, the two sides may not agree on where they are.
        self._between_mails = True
        self._open_envelope = False
        self.fresh = True
        self.mails = 0
        self.idle_since_us = 0
        self.takes_utf8 = client.supports_extension("smtputf8")
        size = client.esmtp_extensions.get("size", "")
        # RFC 1870: none or 0 means that the server names no bound.
        self.size_max_bytes = int(size) if size.isdigit() else 0

    @property
    def usable(self) -> bool:
        """Whether another mail can be tried on it, so far as we know."""
        return self._between_mails and self._client.is_connected

    async def offer(self, mail: Mail) -> Reply | None:
        """Names the envelope and asks to send: None where the server waits for the mail, else the refusing reply."""
        self._between_mails = False
        encoding = "utf-8" if mail.utf8 else "ascii"
        options = [f"SIZE={len(mail.data)}".encode()] if self.size_max_bytes else []
        if mail.utf8:
            options.append(b"SMTPUTF8")
        if self._open_envelope:
            reply = await self._command("sender", b"RSET")
            if reply.code != 250:
                raise SMTPServerDisconnected("an envelope that cannot be taken back ends the connection")
        self._open_envelope = True
        reply = await self._command("sender", f"MAIL FROM:<{mail.sender}>".encode(encoding), *options)
        if reply.code != 250:
            return self._refusing(reply)
        reply = await self._command("recipient", f"RCPT TO:<{mail.recipient}>".encode(encoding))
        if not 250 <= reply.code <= 252:
            return self._refusing(reply)
        reply = await self._command("data", b"DATA")
        return None if reply.code == 354 else self._refusing(reply)

    async def transmit(self, data: bytes, *, leaves: Callable[[], None], ends: Callable[[], None]) -> Reply:
        """Sends a mail: the reply to it. Calls `leaves` with the first bytes and `ends` with the final dot."""
        protocol = self._client.protocol
        if protocol is None:
            raise SMTPServerDisconnected("lost before the mail")
        # RFC 5321 section 4.5.2: a line that begins with a dot gets a second one. The first line is a header.
        stuffed = data.replace(b"\r\n.", b"\r\n..")
        if len(stuffed) <= _ONE_PIECE_BYTES:
            protocol.write(stuffed + b".\r\n")
            leaves()
        else:
            cast("WriteTransport", self._client.transport).set_write_buffer_limits(high=0)
            protocol.write(stuffed)
            leaves()
            await protocol._drain_helper()  # noqa: SLF001  # What asyncio's own streams call to wait for a protocol.
            protocol.write(b".\r\n")
        ends()
        response = await protocol.read_response()
        self.mails += 1
        self._open_envelope = False
        self._between_mails = True
        return Reply(response.code, response.message, "mail")

    def close(self) -> None:
        """Says goodbye where that may be understood, and lets go."""
        if self.usable and self._client.protocol is not None:
            self._client.protocol.write(b"QUIT\r\n")
        self._client.close()

    def _refusing(self, reply: Reply) -> Reply:
        # What is neither yes nor no shows that the two sides have lost each other.
        self._between_mails = 400 <= reply.code < 600
        return reply

    async def _command(self, step: Step, *words: bytes) -> Reply:
        response = await self._client.execute_command(*words)
        return Reply(response.code, response.message, step)


async def connected(settings: SmtpSettings, tls: ssl.SSLContext, hello: str, reading: Reading) -> Connection | Outcome:
    """A connection that is ready, or why there is none. Whatever fails here has sent nothing."""
    client = SMTP(
        hostname=settings.host,
        port=settings.port_used,
        use_tls=settings.tls == "implicit",
        start_tls=False,  # Not by the library's choice: below, where its absence is an error.
        tls_context=tls,
        local_hostname=hello,
        timeout=None,  # The attempt has one deadline for everything.
    )
    ready = None
    try:
        ready = await _ready(client, settings, reading)
        return ready
    except BROKEN as error:
        return _fault(error)
    finally:
        if not isinstance(ready, Connection):
            client.close()


async def _ready(client: SMTP, settings: SmtpSettings, reading: Reading) -> Connection | Outcome:
    step: Step = "greeting"
    try:
        await client.connect()
        await client.ehlo()
        step = "login"
        if settings.tls == "starttls":
            if not client.supports_extension("starttls"):
                # Somebody in between may have cut it out of the answer, so this is never a reason to go on without.
                return Config(code="starttls_missing", detail="the server does not offer STARTTLS")
            await client.starttls()
            await client.ehlo()
        if settings.user is not None:
            if not client.supported_auth_methods:
                return Config(code="login_missing", detail="the server offers no way to log in that we know")
            await client.login(settings.user, settings.password or "")
    except SMTPResponseException as refusal:
        return outcome_of(Reply(refusal.code, refusal.message, step), reading)
    return Connection(client)


def _fault(error: SMTPException | OSError) -> Outcome:
    """Why no connection came about, from the error or from what the library translated it from."""
    cause = error.__cause__ if isinstance(error, SMTPConnectError) and error.__cause__ is not None else error
    match cause:
        case ssl.SSLCertVerificationError():
            return Config(code="certificate", detail=f"the server's certificate is not trusted: {cause.verify_message}")
        case ssl.SSLError():
            return Transient(code="tls")
        case socket.gaierror():
            return Transient(code="dns")
        case TimeoutError():
            return Transient(code="timeout")
        case _:
            return Transient(code="connect" if isinstance(error, SMTPConnectError) else "disconnected")
