"""Email through Resend: one POST an attempt, under a key that makes repeating it safe.

This file answers for the request: the message's id is its idempotency key and its tag, and its bytes are the same in
every attempt, since Resend refuses a key that comes back with another body. It must never repeat a request by itself.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from adapters.channels.http_account import HttpAccount
from adapters.channels.http_mail import MailParts, parts_of, written
from adapters.channels.http_mail_settings import ResendSettings
from adapters.channels.resend_errors import Reading, outcome_of
from core.addresses import mailbox
from core.outcomes import Outcome
from core.ports import Clock, Parcel

PATH: Final = "/emails"
# Comes back in every event about the mail (adapters/hooks/resend_items.py).
TAG: Final = "tidings"

_ENCODER: Final = msgspec.json.Encoder()


class _Tag(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    name: str
    value: str


class _File(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    filename: str
    content: bytes
    content_type: str


class _Email(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, rename={"from_": "from"}):
    # The order of fields is part of the bytes that must not change.
    from_: str
    to: tuple[str]
    subject: str
    text: str | None = None
    html: str | None = None
    reply_to: str | None = None
    headers: dict[str, str]
    attachments: tuple[_File, ...] = ()
    tags: tuple[_Tag]


class ResendChannel:
    """One account at Resend."""

    def __init__(self, settings: ResendSettings, *, clock: Clock, agent: str) -> None:
        self._clock = clock
        self._sender = mailbox(settings.sender)
        self._authorization = f"Bearer {settings.key}"
        self._account = HttpAccount(
            base_url=settings.url, clock=clock, agent=agent, timeout_us=settings.timeout_us, ca_file=settings.ca_file
        )

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        """Posts once. What is left without an answer is transient as long as the key lives, and ambiguous after it."""
        parts = parts_of(parcel, self._sender)
        came = await self._account.request(
            "POST",
            PATH,
            body=_rendered(parts, parcel.message),
            headers={"Authorization": self._authorization, "Idempotency-Key": parcel.message},
            deadline_us=parcel.deadline_us,
            handed_over=handed_over,
        )
        reading = Reading(
            now_us=self._clock.now_us(),
            accepted_us=parcel.accepted_us,
            to=parcel.to,
            own_sender=parts.own_sender,
        )
        return outcome_of(came, reading)

    async def close(self) -> None:
        """Closes every connection, once the requests that are under way have ended."""
        await self._account.close()


def _rendered(parts: MailParts, message: str) -> bytes:
    """The body of the request."""
    return _ENCODER.encode(
        _Email(
            from_=written(parts.sender),
            to=(parts.to,),
            subject=parts.subject,
            text=parts.text,
            html=parts.html,
            reply_to=None if parts.reply_to is None else written(parts.reply_to),
            headers=parts.headers,
            attachments=tuple(
                _File(filename=file.filename, content=file.data, content_type=file.content_type)
                for file in parts.attachments
            ),
            tags=(_Tag(name=TAG, value=message),),
        )
    )
