"""Email through one mail server: a bounded pool of connections that are used again.

This file answers for one mail, one recipient, one transaction, and for when an outcome is in doubt: only between the
final dot and the reply to it. It must never tell of a mail as sent that the server did not acknowledge.
"""

import ssl
from asyncio import Semaphore, TimerHandle, get_running_loop
from collections.abc import Callable
from typing import Final

from anyio import to_thread

from actors.deadlines import Deadline, Deadlines
from adapters.channels.accounts import SmtpSettings
from adapters.channels.mail import Mail, mail_of, sender_of
from adapters.channels.networks import is_loopback
from adapters.channels.replies import Reading, outcome_of
from adapters.channels.smtp_connection import BROKEN, Connection, connected
from core.outcomes import Ambiguous, Config, Outcome, Permanent, Transient
from core.policies import SECOND_US
from core.ports import Clock, Parcel

# Building a large mail takes milliseconds for each 100 kB, which nobody else on the loop should wait for.
_BUILT_ASIDE_BYTES: Final = 65_536


class SmtpChannel:
    """One account at one server."""

    def __init__(self, settings: SmtpSettings, *, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._sender = sender_of(settings.sender, domain=settings.message_id_domain)
        self._hello = settings.hello or self._sender.mailbox[1].rpartition("@")[2]
        self._tls = ssl.create_default_context()
        if settings.ca_file is not None:
            self._tls.load_verify_locations(cafile=settings.ca_file)
        self._places = Semaphore(settings.connections_max)
        self._deadlines = Deadlines()
        # The one that was used last comes first, so that those beyond need grow old and are closed.
        self._idle: list[Connection] = []
        self._sweep: TimerHandle | None = None
        self._closed = False

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        """Sends one mail. What fails before its final dot is transient, whatever had left by then."""
        settings = self._settings
        if settings.user is not None and settings.tls == "none" and not is_loopback(settings.host):
            return Config(code="login_needs_tls", detail="a password is never sent without TLS")
        left_us = parcel.deadline_us - self._clock.now_us()
        if left_us <= 0:
            return Transient(code="timeout")
        bound = self._deadlines.within(left_us / SECOND_US)
        attempt = _Attempt(bound, settings.step_timeout_us / SECOND_US, handed_over)
        try:
            with bound:
                mail = await self._mail(parcel)
                async with self._places:
                    return await self._deliver(mail, attempt)
        except TimeoutError:
            return attempt.broken("timeout")

    async def close(self) -> None:
        """Closes every connection; one that is in use when its mail is through."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        while self._idle:
            self._idle.pop().close()

    async def _mail(self, parcel: Parcel) -> Mail:
        if len(parcel.content) <= _BUILT_ASIDE_BYTES:
            return mail_of(parcel, self._sender)
        return await to_thread.run_sync(mail_of, parcel, self._sender)

    async def _deliver(self, mail: Mail, attempt: "_Attempt") -> Outcome:
        while (idle := self._take_idle()) is not None:
            outcome = await self._converse(idle, mail, attempt)
            if outcome is not None:
                return outcome
        attempt.step()
        connection = await connected(self._settings, self._tls, self._hello, self._reading(mail))
        if not isinstance(connection, Connection):
            return connection
        return await self._converse(connection, mail, attempt) or Transient(code="disconnected")

    async def _converse(self, connection: Connection, mail: Mail, attempt: "_Attempt") -> Outcome | None:
        """The outcome on this connection; None where it turned out to be lost before the mail, so another may do."""
        attempt.step()
        try:
            if mail.utf8 and not connection.takes_utf8:
                return Permanent(code="smtputf8_missing", detail="the server takes no address beyond ASCII")
            if 0 < connection.size_max_bytes < len(mail.data):
                return Permanent(code="too_large", detail=f"the server takes {connection.size_max_bytes} bytes at most")
            reused, connection.fresh = not connection.fresh, False
            reply = await connection.offer(mail)
            if reply is None:
                reply = await connection.transmit(mail.data, leaves=attempt.leaves, ends=attempt.ends)
            elif reused and reply.code == 421:
                return None  # It had enough of this connection, idle or old, and says nothing of this mail.
            return outcome_of(reply, self._reading(mail))
        except BROKEN:
            return attempt.broken("disconnected") if attempt.left else None
        finally:
            self._give_back(connection)

    def _reading(self, mail: Mail) -> Reading:
        return Reading(
            now_us=self._clock.now_us(),
            greylist_floor_us=self._settings.greylist_floor_us,
            to=mail.recipient,
            own_sender=mail.own_sender,
        )

    def _take_idle(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        return None

    def _give_back(self, connection: Connection) -> None:
        if self._closed or not connection.usable or connection.mails >= self._settings.connection_mails_max:
            connection.close()
            return
        connection.idle_since_us = self._clock.now_us()
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep_after(self._settings.idle_us)

    def _sweep_after(self, wait_us: int) -> None:
        self._sweep = get_running_loop().call_later(wait_us / SECOND_US, self._close_old)

    def _close_old(self) -> None:
        self._sweep = None
        oldest_us = self._clock.now_us() - self._settings.idle_us
        while self._idle and self._idle[0].idle_since_us <= oldest_us:
            self._idle.pop(0).close()
        if self._idle:
            self._sweep_after(self._idle[0].idle_since_us - oldest_us)


class _Attempt:
    """How far one mail has got, and until when its present step may take."""

    def __init__(self, bound: Deadline, step_s: float, handed_over: Callable[[], None]) -> None:
        self._bound = bound
        self._ends_s = bound.ends_s
        self._step_s = step_s
        self._handed_over = handed_over
        self._ended = False
        self.left = False

    def step(self) -> None:
        """A new step before the mail begins: waiting longer for it helps nobody, since it can be tried again."""
        self._bound.move(min(self._ends_s, get_running_loop().time() + self._step_s))

    def leaves(self) -> None:
        """The first bytes of the mail were written; from here on it may take until the deadline (RFC 5321, 4.5.3.2)."""
        self.left = True
        self._handed_over()
        self._bound.move(self._ends_s)

    def ends(self) -> None:
        """The final dot was written: from here on the server may have taken the mail."""
        self._ended = True

    def broken(self, code: str) -> Outcome:
        """What it comes to where no reply came."""
        return Ambiguous(code=code) if self._ended else Transient(code=code)
