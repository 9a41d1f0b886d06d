"""Channels to the two mail APIs, a mail with everything in it, and attempts at messages of any age."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from adapters.channels.http_mail_settings import ResendSettings, SendGridSettings
from adapters.channels.resend import ResendChannel
from adapters.channels.sendgrid import SendGridChannel
from core.outcomes import Outcome
from core.policies import SECOND_US
from core.ports import Clock, Parcel
from tests.edges.channels.mail_apis import RESEND_KEY, SENDGRID_KEY, FakeResend, FakeSendGrid
from tests.edges.channels.parcels import MAIL, HandOver, parcel_of

ANN = "ann@example.com"
NOON_US = 1_769_774_400_000_000  # 2026-01-30T12:00:00Z
HEADERS = {
    "List-Unsubscribe": "<https://example.com/u/1>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    "Auto-Submitted": "no",
}
WHOLE = {
    "subject": "Größe, bitte",
    "text": "See you at nine.\n",
    "html": "<p>See you at nine.</p>",
    "from": "Zoë <zoe@clinic.example>",
    "reply_to": "Desk <desk@clinic.example>",
    "headers": HEADERS,
    "attachments": [{"filename": "a.txt", "content_type": "text/plain", "data": "QUJD"}],
}


@asynccontextmanager
async def resend_at(clock: Clock, url: str, *, key: str = RESEND_KEY) -> AsyncIterator[ResendChannel]:
    """A channel to a Resend here, closed at the end."""
    settings = ResendSettings(url=url, key=key, sender="No Reply <no@example.com>")
    channel = ResendChannel(settings, clock=clock, agent="Tidings/test")
    try:
        yield channel
    finally:
        await channel.close()


@asynccontextmanager
async def sendgrid_at(clock: Clock, url: str, *, key: str = SENDGRID_KEY) -> AsyncIterator[SendGridChannel]:
    """A channel to a SendGrid here, closed at the end."""
    settings = SendGridSettings(url=url, key=key, sender="No Reply <no@example.com>")
    channel = SendGridChannel(settings, clock=clock, agent="Tidings/test")
    try:
        yield channel
    finally:
        await channel.close()


def fresh(clock: Clock, content: object = MAIL, *, within_us: int = 10 * SECOND_US, age_us: int = 0) -> Parcel:
    """An attempt at a message that was accepted so long ago."""
    parcel = parcel_of(clock, ANN, content, within_us=within_us)
    return msgspec.structs.replace(parcel, accepted_us=clock.now_us() - age_us)


async def send(api: FakeResend | FakeSendGrid, clock: Clock, parcel: Parcel) -> Outcome:
    """What one attempt at an API comes to."""
    async with (resend_at if isinstance(api, FakeResend) else sendgrid_at)(clock, api.url) as channel:
        return await channel.send(parcel, HandOver())
