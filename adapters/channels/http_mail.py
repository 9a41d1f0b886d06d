"""An email in the parts that providers' HTTP APIs ask for, before one of them puts it in its own words.

This file answers for parts that depend on what was accepted and on the lane alone, never on attempt or clock, so that
every attempt sends the same bytes. It must never speak to anybody, and knows no provider.
"""

from typing import Final

import msgspec

from core.addresses import mailbox
from core.content_shapes import Attachment, EmailContent
from core.policies import DAY_US, HOUR_US
from core.ports import Parcel

_DECODER: Final = msgspec.json.Decoder(EmailContent)

Mailbox = tuple[str, str]
"""A display name, empty without one, and an address."""


class MailParts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What goes into one mail to one person.

    `text` and `html` are None where there is nothing to show, never empty. `own_sender`: the From is the lane's, not
    one that the message named.
    """

    sender: Mailbox
    own_sender: bool
    to: str
    subject: str
    text: str | None
    html: str | None
    reply_to: Mailbox | None
    headers: dict[str, str]
    attachments: tuple[Attachment, ...]


def parts_of(parcel: Parcel, lane_sender: Mailbox) -> MailParts:
    """The parts of the mail that a parcel comes to."""
    content = _DECODER.decode(parcel.content)
    headers = dict(content.headers)
    # RFC 3834: what a program sends says so, unless its author knows better; it keeps vacation replies away.
    if not any(name.lower() == "auto-submitted" for name in headers):
        headers["Auto-Submitted"] = "auto-generated"
    return MailParts(
        sender=lane_sender if content.from_ is None else mailbox(content.from_),
        own_sender=content.from_ is None,
        to=parcel.to,
        subject=content.subject,
        text=content.text or None,
        html=content.html or None,
        reply_to=None if content.reply_to is None else mailbox(content.reply_to),
        headers=headers,
        attachments=content.attachments,
    )


def written(who: Mailbox) -> str:
    """A mailbox as one text. Names have neither quotes nor backslashes (core/addresses.py), so quoting always fits."""
    name, address = who
    return f'"{name}" <{address}>' if name else address


def until_tomorrow_us(now_us: int) -> int:
    """The wait of a quota that begins anew at midnight UTC: at least an hour, so that none is asked for in vain."""
    return max(DAY_US - now_us % DAY_US, HOUR_US)
