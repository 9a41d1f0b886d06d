"""A small mail server: as much of SMTP (RFC 5321) as one account needs to be told yes or no at each step.

This file answers for replies, and for a mail counting as taken with its final dot and not before. It must never decide
what fails.
"""

import asyncio
from collections.abc import Callable
from typing import Final, cast

from scenarios.draws import Draws
from scenarios.wire.end import End
from scenarios.wire.exchange import Exchange
from scenarios.wire.line import Line

# RFC 5321 section 4.5.3.1.6: 1,000 with its end; far more than any command has.
_LINE_BYTES_MAX: Final = 65_536
_END: Final = b"\r\n.\r\n"


class MailServer(asyncio.Protocol):
    """One connection. `alarm` hears of what no mail server would understand."""

    def __init__(self, draws: Draws, alarm: Callable[[str], None]) -> None:
        self._draws = draws
        self._alarm = alarm
        self._held = b""
        self._takes_mail = False
        self._end: End

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greets."""
        self._end = cast("End", transport)
        self._say("220 mail.wire.example ESMTP")

    def data_received(self, data: bytes) -> None:
        """Commands, or a mail as far as it has come."""
        self._held += data
        while not self._end.is_closing():
            end = _END if self._takes_mail else b"\r\n"
            head, found, rest = self._held.partition(end)
            if not found:
                break
            self._held = rest
            if self._takes_mail:
                self._take(head)
            else:
                self._command(head)
        if not self._takes_mail and len(self._held) > _LINE_BYTES_MAX:
            self._alarm("a command without an end")

    def _command(self, line: bytes) -> None:
        word = line[:4].upper()
        refusal = self._refusal(word)
        if refusal is not None:
            self._say(refusal)
            return
        match word:
            case b"EHLO":
                self._say("250-mail.wire.example", "250-8BITMIME", "250-SMTPUTF8", "250 SIZE 10485760")
            case b"MAIL" | b"RSET":
                self._say("250 2.1.0 fine")
            case b"RCPT":
                self._hold_against(line)
                self._say("250 2.1.5 fine")
            case b"DATA":
                self._takes_mail = True
                self._say("354 go on")
            case b"QUIT":
                self._say("221 2.0.0 goodbye")
                self._end.close()
            case _:
                self._alarm(f"a mail server was told {word!r}")
                self._say("500 5.5.2 what")

    def _take(self, mail: bytes) -> None:
        self._takes_mail = False
        exchange = self._exchange
        if exchange is None or exchange.has_arrived:
            self._alarm("a mail came twice, or from nobody")
            return
        if f"{exchange.parcel.message}@".encode() not in mail:
            self._alarm(f"a mail does not say that it is {exchange.parcel.message}")
        refusal = self._refusal(b".")
        exchange.arrive(is_taken=refusal is None)
        self._say(refusal or "250 2.0.0 queued")

    def _hold_against(self, line: bytes) -> None:
        exchange = self._exchange
        if exchange is None or f"<{exchange.parcel.to}>".encode() not in line:
            self._alarm("a recipient that no attempt has")

    def _refusal(self, word: bytes) -> str | None:
        """The words for this step, None where it goes on: an attempt is refused at a step of its own."""
        exchange = self._exchange
        fails = None if exchange is None else exchange.meeting.fails
        if exchange is None or fails is None or fails.kind != "status":
            return None
        parcel = exchange.parcel
        step = self._draws.choice("refusing step", parcel.message, parcel.attempt, among=(b"MAIL", b"RCPT", b"."))
        return f"{fails.status} {fails.body or 'not now'}" if word == step else None

    @property
    def _exchange(self) -> Exchange | None:
        line = self._end.line
        return line.exchange if isinstance(line, Line) and isinstance(line.exchange, Exchange) else None

    def _say(self, *lines: str) -> None:
        self._end.write("".join(f"{line}\r\n" for line in lines).encode())
