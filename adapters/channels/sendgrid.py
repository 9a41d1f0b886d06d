"""Email through SendGrid: one POST an attempt.

This file answers for the request, in which the message's id travels as a custom argument. SendGrid knows no idempotency
key, so a request whose answer is lost stays in doubt. It must never repeat a request by itself.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from adapters.channels.http_account import HttpAccount
from adapters.channels.http_mail import Mailbox, MailParts, parts_of
from adapters.channels.http_mail_settings import SendGridSettings
from adapters.channels.sendgrid_errors import Reading, outcome_of
from core.addresses import mailbox
from core.outcomes import Outcome
from core.ports import Clock, Parcel

PATH: Final = "/v3/mail/send"

_ENCODER: Final = msgspec.json.Encoder()


class _Address(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    email: str
    name: str = ""


class _Arguments(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    # Comes back in every event about the mail (adapters/hooks/sendgrid_items.py).
    tid: str


class _Personalization(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    to: tuple[_Address]
    custom_args: _Arguments


class _Form(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    type: str
    value: str


class _File(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    content: bytes
    type: str
    filename: str
    disposition: str = "attachment"


class _Mail(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, rename={"from_": "from"}):
    personalizations: tuple[_Personalization]
    from_: _Address
    reply_to: _Address | None = None
    subject: str
    content: tuple[_Form, ...]
    attachments: tuple[_File, ...] = ()
    headers: dict[str, str]


class SendGridChannel:
    """One account at SendGrid."""

    def __init__(self, settings: SendGridSettings, *, clock: Clock, agent: str) -> None:
        self._clock = clock
        self._sender = mailbox(settings.sender)
        self._authorization = f"Bearer {settings.key}"
        self._account = HttpAccount(
            base_url=settings.url, clock=clock, agent=agent, timeout_us=settings.timeout_us, ca_file=settings.ca_file
        )

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        """Posts once. What fails before the first byte leaves is transient; what gets no answer after it, ambiguous."""
        parts = parts_of(parcel, self._sender)
        came = await self._account.request(
            "POST",
            PATH,
            body=_rendered(parts, parcel.message),
            headers={"Authorization": self._authorization},
            deadline_us=parcel.deadline_us,
            handed_over=handed_over,
        )
        reading = Reading(now_us=self._clock.now_us(), to=parcel.to, own_sender=parts.own_sender)
        return outcome_of(came, reading)

    async def close(self) -> None:
        """Closes every connection, once the requests that are under way have ended."""
        await self._account.close()


def _rendered(parts: MailParts, message: str) -> bytes:
    """The body of the request."""
    # The plain form first: SendGrid refuses them in another order.
    forms = (("text/plain", parts.text), ("text/html", parts.html))
    return _ENCODER.encode(
        _Mail(
            personalizations=(_Personalization(to=(_Address(email=parts.to),), custom_args=_Arguments(tid=message)),),
            from_=_address(parts.sender),
            reply_to=None if parts.reply_to is None else _address(parts.reply_to),
            subject=parts.subject,
            content=tuple(_Form(type=kind, value=form) for kind, form in forms if form is not None),
            attachments=tuple(
                # A type with parameters is refused, so they stay behind.
                _File(content=file.data, type=file.content_type.partition(";")[0].strip(), filename=file.filename)
                for file in parts.attachments
            ),
            headers=parts.headers,
        )
    )


def _address(who: Mailbox) -> _Address:
    name, address = who
    return _Address(email=address, name=name)
