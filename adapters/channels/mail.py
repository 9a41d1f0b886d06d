"""An email as it goes over the wire: headers, body and attachments (RFC 5322, MIME).

This file answers for the bytes of a message. They depend on the accepted content and the lane alone, never on attempt
or clock, so that a mail that arrives twice is the same mail under the same Message-ID. It must never speak SMTP.

The top headers are written here: every value was checked at the door, and having the email package parse them again
costs more than sending does. Whatever is more than a plain ASCII text is left to that package.
"""

import re
from datetime import UTC, datetime
from email import policy
from email.header import Header
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from functools import lru_cache
from typing import Final

import msgspec

from core.addresses import mailbox
from core.content_shapes import Attachment, EmailContent
from core.policies import SECOND_US
from core.ports import Parcel

_DECODER: Final = msgspec.json.Decoder(EmailContent)
# All of it is sent as ASCII, so that no relay has to rewrite what may have been signed.
_POLICY: Final = policy.SMTP.clone(cte_type="7bit")
# RFC 5322 section 2.1.1. Looked for from where lines begin only: from every byte, a full mail would hold the loop up.
_TOO_LONG_LINE: Final = re.compile(r"^[^\r\n]{999}", re.MULTILINE)
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_PLAIN_HEAD: Final = (
    'MIME-Version: 1.0\r\nContent-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n'
)


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """Who a lane's mails are from: the From of those that name none, its line, and the domain of Message-IDs."""

    mailbox: tuple[str, str]
    line: str
    domain: str


class Mail(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message and its envelope. `data` has CRLF line ends and no dots doubled.

    `utf8`: an address needs SMTPUTF8 (RFC 6531). `own_sender`: the From is the lane's, not one that the message named.
    """

    sender: str
    recipient: str
    data: bytes
    utf8: bool
    own_sender: bool


def sender_of(text: str, *, domain: str | None = None) -> Sender:
    """A lane's sender from its setting; the domain of Message-IDs is the address's own unless given."""
    name, address = mailbox(text)
    line = _address_line("From", name, address)
    return Sender(mailbox=(name, address), line=line, domain=domain or address.rpartition("@")[2])


def mail_of(parcel: Parcel, lane: Sender) -> Mail:
    """The mail that a parcel of a lane comes to."""
    content = _DECODER.decode(parcel.content)
    sender = lane.mailbox if content.from_ is None else mailbox(content.from_)
    lines = [
        lane.line if content.from_ is None else _address_line("From", *sender),
        _address_line("To", "", parcel.to),
        _line("Subject", content.subject),
        _date_line(parcel.accepted_us // SECOND_US),
        _line("Message-ID", f"<{parcel.message}@{lane.domain}>"),
    ]
    if content.reply_to is not None:
        lines.append(_address_line("Reply-To", *mailbox(content.reply_to)))
    lines.extend(_line(name, value) for name, value in content.headers.items())
    # RFC 3834: what a program sends says so, unless its author knows better; it keeps vacation replies away.
    if not any(name.lower() == "auto-submitted" for name in content.headers):
        lines.append("Auto-Submitted: auto-generated\r\n")
    head = "".join(lines)
    return Mail(
        sender=sender[1],
        recipient=parcel.to,
        data=head.encode() + _body(content, parcel.message),
        utf8=not head.isascii(),
        own_sender=content.from_ is None,
    )


# Mails come by the batch, and writing their second out takes longer than all the rest of a plain one.
@lru_cache(maxsize=64)
def _date_line(accepted_s: int) -> str:
    return f"Date: {format_datetime(datetime.fromtimestamp(accepted_s, UTC))}\r\n"


def _line(name: str, value: str) -> str:
    return f"{name}: {_encoded(name, value)}\r\n"


def _address_line(header: str, name: str, address: str) -> str:
    if not name:
        return f"{header}: {address}\r\n"
    phrase = formataddr((name, "x@x")).removesuffix(" <x@x>") if _is_literal(name) else _encoded(header, name)
    return f"{header}: {phrase} <{address}>\r\n"


def _encoded(header: str, value: str) -> str:
    """A value as it may stand in a header: as it is, or as encoded words over several lines (RFC 2047)."""
    return value if _is_literal(value) else Header(value, "utf-8", header_name=header).encode(linesep="\r\n")


def _is_literal(value: str) -> bool:
    # What looks like an encoded word would be read as another text than was written.
    return value.isascii() and "=?" not in value


def _body(content: EmailContent, message: str) -> bytes:
    """The headers and bytes of the body, from MIME-Version on."""
    text = content.text
    if text and content.html is None and not content.attachments and text.isascii():
        plain = _LINE_END.sub("\r\n", text)
        if not _TOO_LONG_LINE.search(plain):
            return (_PLAIN_HEAD + plain + ("" if plain.endswith("\r\n") else "\r\n")).encode()
    whole = EmailMessage(policy=_POLICY)
    if text:
        whole.set_content(text)
        if content.html is not None:
            whole.add_alternative(content.html, subtype="html")
    else:
        whole.set_content(content.html or "", subtype="html")
    for attachment in content.attachments:
        _attach(whole, attachment)
    # The package would draw boundaries by chance. No encoded part holds `=_`, and no text knows the message's id.
    for number, part in enumerate(part for part in whole.walk() if part.is_multipart()):
        part.set_boundary(f"=_{message}_{number}")
    return whole.as_bytes()


def _attach(whole: EmailMessage, attachment: Attachment) -> None:
    parsed = EmailMessage(policy=_POLICY)
    parsed["Content-Type"] = attachment.content_type
    kind = parsed["Content-Type"]
    whole.add_attachment(
        attachment.data,
        maintype=kind.maintype,
        subtype=kind.subtype,
        filename=attachment.filename,
        params=dict(kind.params),
    )
